"""Links, counters and learned addresses as the chip has them now. Everything here reads the bus."""

from dataclasses import dataclass

from hardware.contracts import Link
from hardware.jl6108.counters import Counters
from hardware.vlan import CPU_PORT
from slots.models import Board
from switch.documents import Place
from switch.services import running

OWN = "switch"  # the place of the chip's own port


@dataclass(frozen=True)
class PortView:
    """One front port; `place` is a slot's number or "uplink"."""

    port: int
    place: Place
    words: str
    link: Link
    counters: Counters


@dataclass(frozen=True)
class AddressView:
    """An address and where it was seen. `vid` is the VLAN it counts in, None where its domain is none of ours."""

    mac: str
    vid: int | None
    places: tuple[Place, ...]
    words: str
    fixed: bool
    seen: bool


def read(board: Board) -> tuple[PortView, ...]:
    """The ports, slots first: 1,400 transfers, some 0.2 s at 400 kHz. Raises HardwareError."""
    chip, wiring = running.chip_of(board), running.wiring(board)
    links, counters = chip.read_links(), chip.read_all_counters()
    return tuple(
        PortView(port, wiring.place(port), wiring.words(port), links[port - 1], counters[port - 1])
        for port in wiring.in_order()
    )


def addresses(board: Board) -> tuple[AddressView, ...]:
    """What the chip has learned: 18,000 transfers, 2 s at 400 kHz. Raises HardwareError."""
    wiring, known = running.wiring(board), running.of(board).chip
    vids = {entry["fid"]: vid for vid, entry in sorted(known.entries.items(), reverse=True)} if known else {}
    found = []
    for one in running.chip_of(board).read_addresses():
        ports = sorted(one.ports)
        places = tuple(OWN if port == CPU_PORT else wiring.place(port) for port in ports)
        words = " and ".join(wiring.words(port) for port in ports) or "nowhere"
        found.append(AddressView(one.mac, vids.get(one.fid), places, words, one.fixed, one.seen))
    return tuple(sorted(found, key=lambda view: (str(view.places), view.mac)))
