"""One child process: what it runs, its output line by line, and when it may be started again after its death."""

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

# Waits before the first, second, ... restart; a child that lived for HEALTHY_SECONDS begins anew. Divided by the time
# scale, like every wait.
BACK_OFF_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
HEALTHY_SECONDS = 60.0
MAX_LINE_BYTES = 16 * 1024

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """What a child runs. `death_signal` reaches it when the supervisor dies, however that happens.

    A program that `answers` prints one JSON object as a line; it goes to `on_answer` instead of the terminal.
    `on_death` is called after each death and before any restart; `consequence` is said then: what else it means.
    One that runs `on_demand` is started by a wish for its name, and that it ends with exit status 0 is no death.
    """

    name: str
    command: tuple[str, ...]
    death_signal: signal.Signals = signal.SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: bool = True
    on_demand: bool = False
    answers: bool = False
    on_answer: Callable[[dict[str, Any]], None] = lambda answer: None
    on_death: Callable[[], None] = lambda: None
    consequence: str = ""


class Child:
    """A program and the process that runs it, if one does. Used from the main thread only (see `_tie_to_parent`)."""

    def __init__(self, program: Program, say: Callable[[str], None], time_scale: float = 1.0) -> None:
        self.program = program
        self.answer: dict[str, Any] | None = None
        self.deaths = 0
        self.restart_at: float | None = None
        self.output: int | None = None
        self._say = say
        self._time_scale = time_scale
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._unfinished = b""
        self._delays_used = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Spawn the process in a session of its own, so that Ctrl-C at the terminal reaches the supervisor alone.

        Raises OSError when the system refuses.
        """
        self.restart_at = None
        self._started_at = time.monotonic()
        self.answer, self._unfinished = None, b""
        output, child_output = os.pipe()
        try:
            os.set_blocking(output, False)
            self._process = subprocess.Popen(
                self.program.command,
                cwd=PROJECT,
                env={**os.environ, **self.program.environment},
                stdin=subprocess.DEVNULL,
                stdout=child_output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The child keeps the reading end open as well: a worker that outlives us, to finish what it began,
                # must not fail at a broken pipe when it says that it is stopping.
                pass_fds=(output,),
                preexec_fn=_tie_to_parent(self.program.death_signal),
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(child_output)
        self.output = output

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def read_output(self) -> None:
        """Pass on what has been printed so far. Does not block."""
        while self.output is not None:
            try:
                data = os.read(self.output, 65536)
            except BlockingIOError:
                return
            if not data:  # the program closed its output
                self._close_output()
                return
            *lines, self._unfinished = (self._unfinished + data).split(b"\n")
            if len(self._unfinished) > MAX_LINE_BYTES:
                lines, self._unfinished = [*lines, self._unfinished], b""
            for line in lines:
                self._pass_on(line.decode(errors="replace").rstrip())

    def reap(self) -> int | None:
        """The exit status if the process has ended since the last look, negative for a signal; else None."""
        if self._process is None or self._process.poll() is None:
            return None
        self.read_output()
        if self._unfinished:
            self._pass_on(self._unfinished.decode(errors="replace"))
        self._close_output()
        status = self._process.returncode
        self._process = None
        self.deaths += 1
        return status

    def schedule_restart(self) -> float:
        """Decide when to start again; returns the delay in seconds. Called once after each death."""
        now = time.monotonic()
        if now - self._started_at >= HEALTHY_SECONDS / self._time_scale:
            self._delays_used = 0
        delay = BACK_OFF_SECONDS[min(self._delays_used, len(BACK_OFF_SECONDS) - 1)] / self._time_scale
        self._delays_used += 1
        self.restart_at = now + delay
        return delay

    def _close_output(self) -> None:
        if self.output is not None:
            os.close(self.output)
        self.output = None

    def _pass_on(self, line: str) -> None:
        if self.program.answers and self.answer is None and line.startswith("{"):
            try:
                self.answer = json.loads(line)
            except ValueError:
                pass
            else:
                self.program.on_answer(self.answer)
                return
        if line:
            self._say(f"{self.program.name:<9} | {line}")


def _tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """What the child does before it becomes its program: ask for a signal at our death.

    It is sent at the end of the *thread* that spawned the child, hence: main thread only.
    """
    parent = os.getpid()

    def tie() -> None:
        if _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
        if os.getppid() != parent:  # we died before the request was in place
            os._exit(1)

    return tie
