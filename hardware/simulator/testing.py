"""A test's hold on a simulated board: as a process of its own, or in the test's process on virtual time.

`SimulatedBoard` starts `python -m hardware.simulator`, as the portal does. `InProcessBoard` has the same chips, SOMs
and faults without process or socket; its time is that of a `hardware.clock.VirtualClock`, so that a sequencer which
waits on the same clock moves the SOMs along and an eight-second hold costs nothing.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from hardware.clock import VirtualClock
from hardware.simulator import control
from hardware.simulator.board import Board
from hardware.simulator.client import SimulatedSMBus
from hardware.simulator.clock import Action, Scheduler, Timer
from hardware.simulator.places import DEFAULT_BOARD, board_directory
from hardware.simulator.trace import Entry, Trace
from hardware.simulator.wire import Message

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class SimulatedBoard:
    """One simulated board in a process of its own, with a trace; a context manager that starts and stops it.

    Attributes: `address` of its I2C bus ("sim:..."), `uarts` (path by slot number), `usb` (address by slot number),
    `control_path`, `trace_path`, `pid`, `process`.
    """

    START_SECONDS = 10.0
    STOP_SECONDS = 5.0

    def __init__(
        self,
        data: Path,
        name: str = DEFAULT_BOARD,
        time_scale: float | None = None,
        peers: dict[int, str] | None = None,
    ) -> None:
        """Prepare a board in the data directory; `time_scale` None takes NANOPORTAL_TIME_SCALE as it is.

        `peers` names the real system behind a slot's UART, {3: "u-boot", 2: "linux"}. The scale shrinks the difference
        between a short and a long press, too: above 20 a busy machine blurs it.
        """
        self.name = name
        self.data = data.absolute()
        self.directory = board_directory(self.data, name)
        self.trace_path = self.data / f"{name}.trace.jsonl"
        self.address = ""
        self.control_path = Path()
        self.uarts: dict[int, Path] = {}
        self.usb: dict[int, str] = {}
        self.pid = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._peers = [word for slot, kind in (peers or {}).items() for word in ("--peer", f"{slot}={kind}")]
        self._environment = dict(os.environ)
        if time_scale is not None:
            self._environment["NANOPORTAL_TIME_SCALE"] = str(time_scale)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the board and wait until it serves. Raises RuntimeError with what it said if it does not."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "hardware.simulator", "--data", str(self.data), "--board", self.name]
        self.process = subprocess.Popen(
            [*command, *self._peers, "--trace", str(self.trace_path)],
            cwd=_SOURCE_ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], self.START_SECONDS)[0]:
            self.kill()
            raise RuntimeError(f"The simulated board said nothing for {self.START_SECONDS:g} s.")
        line = self.process.stdout.readline().decode()
        if not line.startswith("{"):
            self.kill()
            raise RuntimeError(f"The simulated board did not start: {line.strip()}")
        addresses = json.loads(line)
        self.address = addresses["i2c"]
        self.uarts = {int(slot): Path(path) for slot, path in addresses["uarts"].items()}
        self.usb = {int(slot): address for slot, address in addresses["usb"].items()}
        self.control_path = Path(addresses["control"])
        self.pid = addresses["pid"]
        return self

    def stop(self) -> int | None:
        """Stop it as the supervisor does and return its exit status; None if it does not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int | None:
        """End it without any warning."""
        return self._end(signal.SIGKILL)

    def ctl(self, verb: str, *arguments: str | int | float) -> Any:
        """Ask as `python -m hardware.simulator ctl` does and return the answer; raises control.CtlError."""
        return control.ask(self.directory, verb, *(str(argument) for argument in arguments))

    def state(self) -> dict[str, Any]:
        """Return what `ctl state` shows."""
        state: dict[str, Any] = self.ctl("state")
        return state

    def slot(self, number: int) -> dict[str, Any]:
        """Return what `ctl state` shows of one slot."""
        slot: dict[str, Any] = self.state()["slots"][str(number)]
        return slot

    def smbus(self) -> SimulatedSMBus:
        """Return a new connection to the bus."""
        return SimulatedSMBus(self.address)

    def trace(self) -> list[Entry]:
        """Return all entries so far, those of earlier starts in the same directory included."""
        return [json.loads(line) for line in self.trace_path.read_text().splitlines()]

    def edges(self, line: int | None = None) -> list[Entry]:
        """Return the trace's changes of one line, or of all."""
        return [entry for entry in self.trace() if "line" in entry and line in (None, entry["line"])]

    def powers(self, slot: int) -> list[str]:
        """Return the power states that the slot's SOM went through."""
        return [entry["power"] for entry in self.trace() if entry.get("slot") == slot and "power" in entry]

    def wait_until(self, is_so: Callable[[dict[str, Any]], bool], seconds: float = 10.0) -> dict[str, Any]:
        """Poll the state until `is_so(state)` and return it; raises TimeoutError with the last state."""
        deadline = time.monotonic() + seconds
        while not is_so(state := self.state()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The board did not come to that within {seconds:g} s: {state}")
            time.sleep(0.01)
        return state

    def _end(self, number: signal.Signals) -> int | None:
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            status = process.wait(self.STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
        return status


class InProcessBoard:
    """One simulated board in this process. `board` has everything; `clock.wait(seconds)` lets its time pass."""

    def __init__(
        self,
        clock: VirtualClock | None = None,
        directory: Path | None = None,
        assumptions: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        scheduler = ClockScheduler(self.clock)
        self._trace = Trace(scheduler.monotonic, keep=True)
        self.board = Board(DEFAULT_BOARD, scheduler, self._trace, directory, assumptions)

    def smbus(self) -> SimulatedSMBus:
        """Return what a driver opens; its transfers reach the chips at once."""
        return _InProcessSMBus(self.board)

    def trace(self) -> list[Entry]:
        """Return all entries so far."""
        return list(self._trace.entries)

    def edges(self, line: int | None = None) -> list[Entry]:
        """Return the trace's changes of one line, or of all."""
        return [entry for entry in self._trace.entries if "line" in entry and line in (None, entry["line"])]

    def powers(self, slot: int) -> list[str]:
        """Return the power states that the slot's SOM went through."""
        return [entry["power"] for entry in self._trace.entries if entry.get("slot") == slot and "power" in entry]


class _InProcessSMBus(SimulatedSMBus):
    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board

    def _transfer(self, messages: list[Message]) -> bytes:
        return self._board.bus.transfer(messages)


class ClockScheduler(Scheduler):
    """A scheduler that puts everything on a virtual clock's agenda."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def call_later(self, seconds: float, action: Action) -> Timer:
        timer = Timer(self.now() + seconds, 0, action)
        self._clock.at(seconds, lambda: timer.action() if timer.action is not None else None)
        return timer
