"""What the driver's tests stand on: a chip that is plain memory, fresh from reset."""

from pathlib import Path

import pytest

from hardware.buslock import BusLock
from hardware.clock import VirtualClock
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.layout import Register, to_value
from hardware.jl6108.transport import I2cBridge, WireMode
from tests.hardware.jl6108.memory import MemoryBus


class PoliteLock(BusLock):
    """A bus lock that counts how often its holder gave way, and takes no time over it."""

    turns = 0

    def give_way(self) -> None:
        self.turns += 1


class Bench:
    """A chip of memory with the driver on it that knows it already; `bus.wire` begins after that."""

    def __init__(self, directory: Path, bus: MemoryBus | None = None) -> None:
        self.bus = bus or MemoryBus()
        self.clock = VirtualClock()
        self.lock = PoliteLock(directory / "bus.lock")
        self.bridge = I2cBridge(self.bus, 0x5C, self.lock, WireMode.MSB)
        self.chip = Jl6108(self.bridge, self.clock)
        self.chip.identify()
        self.bus.wire.clear()

    def value(self, register: Register, index: int = 0) -> int:
        return to_value(tuple(self.bus.words.get(register.at(index) + 4 * n, 0) for n in range(register.words)))

    def hold(self, register: Register, index: int, value: int) -> None:
        """Lets the chip hold something, whoever put it there."""
        for number, word in enumerate(register.to_words(value)):
            self.bus.words[register.at(index) + 4 * number] = word


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
