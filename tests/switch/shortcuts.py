"""The same simulated switch with less on the way to it, where what lies between is not what a test is about."""

from collections.abc import Iterable

from hardware.i2c import LinuxI2cBus
from hardware.jl6108 import tables
from hardware.jl6108.transport import I2cBridge, WireMode, Words
from hardware.jl6108.vlans import VlanEntry
from hardware.simulator.switch import Jl6108Model
from hardware.simulator.testing import InProcessBoard
from hardware.simulator.wire import Message


class DirectBus(LinuxI2cBus):
    """Frames as they go over the wire, handed to the simulated bus without smbus2's messages around them."""

    def __init__(self, board: InProcessBoard) -> None:
        super().__init__(board.smbus())
        self._transfer = board.board.bus.transfer

    def write(self, address: int, data: bytes) -> None:
        self._named(address, None, lambda: self._transfer([Message.write(address, data)]))

    def read(self, address: int, count: int) -> bytes:
        return self._named(address, None, lambda: self._transfer([Message.read(address, count)]))


class PastTheBus(I2cBridge):
    """Words of the chip as they are, whatever the bus does: nothing is counted, traced, locked or made to fail."""

    def __init__(self, model: Jl6108Model) -> None:
        self.mode = WireMode.MSB
        self._memory = model.memory

    def read_words(self, address: int, count: int = 1, *, mode: WireMode | None = None) -> Words:
        return tuple(self._memory.read(address, count))

    def write_words(self, address: int, words: Words) -> None:
        self._memory.write(address, list(words))

    def give_way(self) -> None:
        """Nobody waits for it."""


def close_all(model: Jl6108Model, vids: Iterable[int] = range(tables.VIDS)) -> None:
    """These entries of the VLAN table closed, as they are on a switch that this portal has taken over."""
    for vid in vids:
        for address in (tables.VLAN.at(vid), tables.VLAN.at(vid) + 4):
            model.memory.put(address, 0)


def live_entries(model: Jl6108Model) -> dict[int, VlanEntry]:
    """All entries that are not closed, by VID."""
    found = {vid: model.memory.entry(tables.VLAN.at(vid), tables.VLAN.words) for vid in range(tables.VIDS)}
    return {vid: VlanEntry(value) for vid, value in found.items() if value}
