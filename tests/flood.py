"""UARTs under flood, as a process of its own: pseudo-terminals with numbered bytes at line rate.

`python -m tests.flood FOLDER SLOT...` makes the links FOLDER/uart-N and takes commands as JSON lines on standard
input; each is answered with a JSON line on standard output. Nobody holds the other end open but the portal: while it
is closed bytes vanish, as they do at a UART that no driver has open.
"""

import base64
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.pattern import RECORD_BYTES, Pattern

LINE_RATE = 92_160  # bytes a second at 921600 baud, 8N1
TICK_SECONDS = 0.005
MOST_TICKS = 10
DRIVER_BYTES = 65_536  # what a kernel's serial driver keeps for a reader that is late


class Line:
    """One UART: its pseudo-terminal and what has been said on it."""

    def __init__(self, slot: int, link: Path) -> None:
        self.slot = slot
        self._pattern = Pattern(slot)
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        link.symlink_to(os.ttyname(slave))
        os.close(slave)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self.said = self.written = self.vanished = self.overrun = self.longest_backlog = 0

    def is_open(self) -> bool:
        """Whether somebody has the other end open; what they typed is thrown away."""
        for _, events in self._poll.poll(0):
            if events & select.POLLHUP:
                return False
            if events & select.POLLIN:
                os.read(self._master, 4096)
        return True

    def say(self, upto: int) -> None:
        """Go on with the stream to `upto`."""
        self.said = upto
        if not self.is_open():
            self.vanished += self.said - self.written
            self.written = self.said
            return
        while self.written < self.said:
            try:
                piece = self._pattern.piece(self.written, self.said - self.written)
                self.written += os.write(self._master, piece)
            except BlockingIOError:
                break
        backlog = self.said - self.written
        self.longest_backlog = max(self.longest_backlog, backlog)
        if backlog > DRIVER_BYTES:
            self.overrun += backlog - DRIVER_BYTES
            self.written = self.said - DRIVER_BYTES

    def send(self, data: bytes) -> None:
        """Say something that is no part of the stream; waits until the line has taken it."""
        while data:
            self.is_open()
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                time.sleep(0.001)

    def echo(self, seconds: float) -> None:
        """Send back what comes, as two lines that touch would."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                self.send(os.read(self._master, 4096))

    def report(self) -> dict[str, int]:
        names = ("said", "written", "vanished", "overrun", "longest_backlog")
        return {name: getattr(self, name) for name in names}


def flood(lines: list[Line], seconds: float, rate: int) -> dict[str, Any]:
    """Say on each line what `rate` bytes a second bring in `seconds`, whole records at the end."""
    before = {line.slot: line.said for line in lines}
    total = int(seconds * rate) // RECORD_BYTES * RECORD_BYTES
    clock_began = time.monotonic()
    late = silent = 0.0
    done = 0
    while done < total or any(line.written < line.said for line in lines):
        # When this process had to wait for a processor, the lines were silent: no line says more at once than it can.
        due = int((time.monotonic() - clock_began - silent) * rate)
        most = done + int(MOST_TICKS * TICK_SECONDS * rate)
        silent += max(0, due - most) / rate
        done = min(total, due, most)
        for line in lines:
            line.say(before[line.slot] + done)
        tick_end = clock_began + ((time.monotonic() - clock_began) // TICK_SECONDS + 1) * TICK_SECONDS
        time.sleep(max(0.0, tick_end - time.monotonic()))
        late = max(late, time.monotonic() - tick_end)
    took = time.monotonic() - clock_began
    return {"began": clock_began, "took": took, "late": late, "silent": silent}


def main() -> None:
    folder = Path(sys.argv[1])
    lines = [Line(int(slot), folder / f"uart-{slot}") for slot in sys.argv[2:]]
    print(json.dumps({"ready": True}), flush=True)
    for text in sys.stdin:
        command = json.loads(text)
        slots = command.pop("slots", None)
        chosen = [line for line in lines if slots is None or line.slot in slots]
        report: dict[str, Any] = {}
        match command.pop("do"):
            case "flood":
                report = flood(chosen, **command)
            case "send":
                chosen[0].send(base64.b64decode(command["data"]))
            case "echo":
                chosen[0].echo(command["seconds"])
        report["lines"] = {line.slot: line.report() for line in lines}
        print(json.dumps(report), flush=True)


class Flood:
    """A test's hold on that process."""

    def __init__(self, folder: Path, slots: list[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.links = {slot: folder / f"uart-{slot}" for slot in slots}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flood", str(folder), *map(str, slots)],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def begin(self, seconds: float, rate: int = LINE_RATE, **more: Any) -> None:
        """Let all lines (or `slots`) speak; `end` waits for it."""
        self._say(do="flood", seconds=seconds, rate=rate, **more)

    def send(self, slot: int, data: bytes) -> None:
        """Say something else on one line; returns when the line has taken it."""
        self._say(do="send", slots=[slot], data=base64.b64encode(data).decode())
        self._answer()

    def begin_echo(self, slot: int, seconds: float) -> None:
        """Let a line send back what comes; `end` waits for it."""
        self._say(do="echo", slots=[slot], seconds=seconds)

    def end(self) -> dict[str, Any]:
        """The report of what was begun last."""
        report = self._answer()
        report["lines"] = {int(slot): line for slot, line in report["lines"].items()}
        return report

    def ask(self) -> dict[int, dict[str, int]]:
        """What has been said on each line so far."""
        self.begin(0.0)
        lines: dict[int, dict[str, int]] = self.end()["lines"]
        return lines

    def _say(self, **words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


if __name__ == "__main__":
    main()
