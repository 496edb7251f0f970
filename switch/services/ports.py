"""Links and all counters as the chip has them now. Reads the bus; pages show what the worker read last (`rates`)."""

from dataclasses import dataclass

from hardware.contracts import Link
from hardware.jl6108.counters import Counters
from slots.models import Board
from switch.documents import Place
from switch.services import running


@dataclass(frozen=True)
class PortView:
    """One front port; `place` is a slot's number or "uplink"."""

    port: int
    place: Place
    words: str
    link: Link
    counters: Counters


def read(board: Board) -> tuple[PortView, ...]:
    """The ports, slots first: 1,400 transfers, some 0.2 s at 400 kHz. Raises HardwareError."""
    chip, wiring = running.chip_of(board), running.wiring(board)
    links, counters = chip.read_links(), chip.read_all_counters()
    return tuple(
        PortView(port, wiring.place(port), wiring.words(port), links[port - 1], counters[port - 1])
        for port in wiring.in_order()
    )
