"""What the hardware tests stand on: a simulated board in this process, its clock, and doubles of the seams."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from smbus2 import i2c_msg

from hardware.buslock import BusLock
from hardware.clock import VirtualClock
from hardware.contracts import DriveReport, ExpanderRegisters, ForeignChange, Level
from hardware.errors import HardwareError
from hardware.expander import Pca9557
from hardware.i2c import LinuxI2cBus, Smbus
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.ledger import LineLedger
from hardware.simulator.board import EXPANDER_ADDRESS, SWITCH_ADDRESS
from hardware.simulator.testing import InProcessBoard
from hardware.simulator.wire import Message

COLD = ExpanderRegisters(inputs=0xFF ^ 0xF0, outputs=0x00, polarity=0xF0, configuration=0xFF)


class WatchedSmbus:
    """A simulated board's bus, with a hook after each transfer."""

    def __init__(self, smbus: Smbus) -> None:
        self._smbus = smbus
        self.closed = False
        self.transfers = 0
        #: Called after each transfer with its number, counted from 1; may raise, or write as somebody else.
        self.after_transfer: Callable[[int], None] = lambda number: None

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        value = self._smbus.read_byte_data(i2c_addr, register)
        self._transferred()
        return value

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._smbus.write_byte_data(i2c_addr, register, value)
        self._transferred()

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        self._smbus.i2c_rdwr(*i2c_msgs)
        self._transferred()

    def close(self) -> None:
        self.closed = True

    def _transferred(self) -> None:
        self.transfers += 1
        self.after_transfer(self.transfers)


class Rig:
    """A simulated board fresh from power-up in this process, the drivers on its bus, and the clock it lives by."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = VirtualClock()
        self.simulated = InProcessBoard(self.clock)
        self.board = self.simulated.board
        self.smbus = WatchedSmbus(self.simulated.smbus())
        self.bus = LinuxI2cBus(self.smbus)
        self.lock = BusLock(data / "locks" / "i2c.lock")
        self.ledger = LineLedger(data / "lines" / "rig.json")
        self.foreign: list[ForeignChange] = []
        self.expander = self.new_expander()

    def new_expander(self) -> Pca9557:
        """The same chip as another process would have it."""
        return Pca9557(LinuxI2cBus(self.smbus), EXPANDER_ADDRESS, self.lock, self.ledger, self.foreign.append)

    def new_switch(self, mode: WireMode | None = None) -> Jl6108:
        return Jl6108(I2cBridge(self.bus, SWITCH_ADDRESS, self.lock, mode))

    def edges(self) -> list[tuple[int, int]]:
        """Every pin that changed so far: line and level, in order."""
        return [(entry["line"], entry["level"]) for entry in self.simulated.edges()]

    def writes(self) -> list[str]:
        """What was written to the expander so far: register and value in hex, in order."""
        trace = self.simulated.trace()
        return [entry["data"] for entry in trace if entry.get("addr") == "0x18" and entry["op"] == "w"]

    def frames(self) -> int:
        """How many transfers the switch has seen so far."""
        return len([entry for entry in self.simulated.trace() if entry.get("addr") == "0x5c"])

    def power(self, slot: int) -> str:
        som = self.board.slots[slot].som
        assert som is not None
        return som.power.value

    def write_as_somebody_else(self, register: int, value: int) -> None:
        self.board.bus.transfer([Message.write(EXPANDER_ADDRESS, bytes([register, value]))])


@dataclass
class ScriptedExpander:
    """An `Expander` for the sequencer's tests: keeps levels, fails when told to."""

    levels: list[tuple[int, Level]] = field(default_factory=list)
    failures: list[BaseException | None] = field(default_factory=list)
    let_go_lines: list[int] = field(default_factory=list)
    before_drive: Callable[[Level], None] = lambda level: None
    closed: bool = False

    def drive(self, line: int, level: Level) -> DriveReport:
        self.before_drive(level)
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        self.levels.append((line, level))
        return DriveReport(line, level, None)

    def read(self, line: int) -> Level:
        return next((level for driven, level in reversed(self.levels) if driven == line), Level.HIGH)

    def is_driven(self, line: int) -> bool:
        return any(driven == line for driven, _ in self.levels)

    def let_go(self, line: int) -> None:
        self.let_go_lines.append(line)

    def registers(self) -> ExpanderRegisters | None:
        return None

    def power_lost(self) -> bool | None:
        return None

    def forget(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class BusDead(HardwareError):
    """A failure for scripts."""

    code = "bus-dead"


@contextmanager
def full_disk() -> Iterator[None]:
    """No record can be written; those that are there can be read and removed."""
    with mock.patch("hardware.records.os.replace", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        yield
