"""Outside programs, run by their list of arguments: with a deadline, line by line, and never left behind.

A program gets a process group of its own, which is ended as a whole, however the call ends. Should this process itself
be killed, the kernel ends the program (`setpriv --pdeathsig`, of util-linux): a program that waits for a SOM to appear
must not go on waiting when nobody knows of it any more.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from hardware.contracts import Clock
from hardware.errors import Stopped
from hardware.program_errors import ProgramFailed, ProgramMissing, ProgramTimeout

OnLine = Callable[[str], None]

LOOK_SECONDS = 0.1  # between two looks at a program's output, and at `stop`: a cancel is obeyed within a second
END_SECONDS = 2.0  # between asking a program to end and ending it
PIPE_BYTES = 64 * 1024  # a pipe of Linux holds no more, so one read empties it
LINE_CHARACTERS = 500  # a longer line is cut: a log is for people
TAIL_LINES = 40

# The kernel sends it when the thread that started the program ends; `run` keeps that thread until then.
_KILLED_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


def run(
    words: Sequence[str],
    package: str,
    clock: Clock,
    *,
    timeout_seconds: float,
    stop: threading.Event | None = None,
    on_line: OnLine = lambda line: None,
    explain: Callable[[Sequence[str]], str] | None = None,
    name: str = "",
) -> tuple[str, ...]:
    """Runs a program to its end and returns its last lines (standard output and error, as they came). Blocks.

    `package` completes "it comes with ..."; `name` is what a person calls the program, if not by its file's. `on_line`
    is called in this thread with each line as it is printed. `explain` makes a reason of the last lines of a program
    that failed; without it the very last one is the reason.

    Raises ProgramMissing, ProgramTimeout, ProgramFailed for any exit status but 0, Stopped once `stop` is set. The
    program and all that it started have ended then.
    """
    name, tail = name or os.path.basename(words[0]), deque[str](maxlen=TAIL_LINES)

    def take(line: str) -> None:
        tail.append(line)
        on_line(line)

    deadline = clock.monotonic() + timeout_seconds
    with _running(words, package, clock) as process:
        output = _Lines(process, take)
        while not _has_ended(process):
            output.read()
            if clock.monotonic() >= deadline:
                raise ProgramTimeout(name, timeout_seconds, tail[-1] if tail else "")
            if clock.wait(LOOK_SECONDS, stop):
                raise Stopped(name)
        output.read()
        output.finish()
    if process.returncode:
        raise ProgramFailed(name, process.returncode, _reason(tuple(tail), explain))
    return tuple(tail)


def installed(program: str, package: str) -> str:
    """Where a program is. Raises ProgramMissing."""
    path = shutil.which(program)
    if path is None:
        raise ProgramMissing(program, package)
    return path


@contextlib.contextmanager
def _running(words: Sequence[str], package: str, clock: Clock) -> Iterator["subprocess.Popen[bytes]"]:
    guard = (installed(_KILLED_WITH_US[0], "the package util-linux"), *_KILLED_WITH_US[1:])
    process = subprocess.Popen(
        [*guard, installed(words[0], package), *words[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    try:
        yield process
    finally:
        _end(process, clock)
        assert process.stdout
        process.stdout.close()


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Looks without collecting it: until then nobody else can have its number, which is that of its group."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: "subprocess.Popen[bytes]", clock: Clock) -> None:
    """Ends the whole group: asks the program first, then asks nobody, those that outlived it included."""
    deadline = clock.monotonic() + END_SECONDS
    if not _has_ended(process):
        os.killpg(process.pid, signal.SIGTERM)
    while not _has_ended(process) and clock.monotonic() < deadline:
        clock.wait(LOOK_SECONDS)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Lines:
    """The output of a program, read without waiting for it: whoever keeps its end open holds nobody up."""

    def __init__(self, process: "subprocess.Popen[bytes]", take: OnLine) -> None:
        assert process.stdout
        self._file = process.stdout.fileno()
        self._take = take
        self._begun = b""
        os.set_blocking(self._file, False)

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            *lines, self._begun = (self._begun + os.read(self._file, PIPE_BYTES)).splitlines(keepends=True) or [b""]
            if self._begun.endswith((b"\n", b"\r")) or len(self._begun) > LINE_CHARACTERS:
                lines, self._begun = [*lines, self._begun], b""
            for line in lines:
                self._tell(line)

    def finish(self) -> None:
        self._tell(self._begun)
        self._begun = b""

    def _tell(self, line: bytes) -> None:
        text = "".join(letter for letter in line.decode(errors="replace").strip() if letter.isprintable())
        if text:
            self._take(text[:LINE_CHARACTERS])


def _reason(tail: Sequence[str], explain: Callable[[Sequence[str]], str] | None) -> str:
    if explain and (reason := explain(tail)):
        return reason
    return tail[-1].rstrip(".") if tail else "it said nothing"
