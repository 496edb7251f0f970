"""What the hardware tests stand on: a simulated board in this process, its clock, and doubles of the seams."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from smbus2 import i2c_msg

from hardware.buslock import BusLock
from hardware.contracts import DriveReport, ExpanderRegisters, ForeignChange, Level
from hardware.errors import HardwareError
from hardware.expander import Pca9557
from hardware.i2c import LinuxI2cBus
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.ledger import LineLedger
from hardware.simulator.board import EXPANDER_ADDRESS, SWITCH_ADDRESS
from hardware.simulator.board import Board as SimulatedBoard
from hardware.simulator.clock import VirtualScheduler
from hardware.simulator.trace import Trace
from hardware.simulator.wire import Message

COLD = ExpanderRegisters(inputs=0xFF ^ 0xF0, outputs=0x00, polarity=0xF0, configuration=0xFF)


class InProcessSmbus:
    """`smbus2.SMBus` as far as the drivers use it, wired straight to a simulated board."""

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board
        self._guard = threading.Lock()
        self.closed = False
        #: Called after each transfer with its number, counted from 1; may raise, write as somebody else, or set a stop.
        self.after_transfer: Callable[[int], None] = lambda number: None
        self.transfers = 0

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        return self._transfer(Message.write(i2c_addr, bytes([register])), Message.read(i2c_addr, 1))[0]

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._transfer(Message.write(i2c_addr, bytes([register, value])))

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        (message,) = i2c_msgs
        if not message.flags & 1:
            self._transfer(Message.write(message.addr, bytes(message)))
            return
        data = self._transfer(Message.read(message.addr, message.len))
        for index in range(message.len):
            message.buf[index] = data[index : index + 1]

    def close(self) -> None:
        self.closed = True

    def _transfer(self, *messages: Message) -> bytes:
        with self._guard:
            data = self._board.bus.transfer(list(messages))
            self.transfers += 1
        self.after_transfer(self.transfers)
        return data


class BoardClock:
    """A clock that lets the simulated board live while somebody waits, and looks at the stop every 50 ms."""

    def __init__(self, scheduler: VirtualScheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        return self._scheduler.monotonic()

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        self._scheduler.call_later(seconds, action)

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        end = self.monotonic() + max(0.0, seconds)
        while not (stop and stop.is_set()):
            left = end - self.monotonic()
            if left <= 0:
                return False
            self._scheduler.advance(min(0.05, left))
        return True


class Rig:
    """A simulated board fresh from power-up, and the drivers on its bus."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.scheduler = VirtualScheduler()
        self.clock = BoardClock(self.scheduler)
        self.trace = Trace(self.scheduler.monotonic, keep=True)
        self.board = SimulatedBoard("rig", self.scheduler, self.trace)
        self.smbus = InProcessSmbus(self.board)
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
        return [(entry["line"], entry["level"]) for entry in self.trace.entries if "line" in entry]

    def writes(self) -> list[str]:
        """What was written to the expander so far: register and value in hex, in order."""
        return [entry["data"] for entry in self.trace.entries if entry.get("addr") == "0x18" and entry["op"] == "w"]

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
    failures: list[BaseException] = field(default_factory=list)
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
