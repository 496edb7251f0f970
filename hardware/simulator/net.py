"""Frames through the simulated switch, by the port numbers on its front."""

from collections.abc import Mapping

from hardware.simulator.clock import Scheduler
from hardware.simulator.frame import BROADCAST, C_TAG, S_TAG, Frame, Tag, parse_mac, tagged
from hardware.simulator.switch import Jl6108Model

__all__ = ["BROADCAST", "CPU_PORT", "C_TAG", "S_TAG", "Frame", "Tag", "forward", "linked_switch", "parse_mac", "tagged"]
#: Behind this port is the chip's own processor with its web pages.
CPU_PORT = 9


def forward(chip: Jl6108Model, port: int, frame: Frame) -> list[tuple[int, Frame]]:
    """Let a frame into port 1 to 8, or from the chip's processor (9); return the ports it leaves by, and how.

    Addresses are learned and counters counted. A port without link neither takes nor gives a frame.
    `chip.forwarder.last_drops` tells why copies were dropped.
    """
    copies = chip.forwarder.forward(chip.ports.core(port), frame)
    return [(chip.ports.port(core), copy) for core, copy in copies]


def linked_switch(assumptions: Mapping[str, str] | None = None, scheduler: Scheduler | None = None) -> Jl6108Model:
    """Return a switch on its own with a device of 1000 Mb/s at each port. Raises AssumptionError."""
    chip = Jl6108Model(scheduler or Scheduler(), assumptions=assumptions)
    for port in range(1, 9):
        chip.set_partner(port, 1000)
    return chip
