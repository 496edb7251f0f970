"""The owner of every mapped UART: reads whatever comes, so that no SOM ever waits, and passes it on.

One thread, one epoll, for all UARTs and the broker: a byte goes from one to the other without changing hands. A quiet
line is passed on at once. A busy one is looked at every 4 ms, all busy ones together, which costs a twentieth.
A port that vanishes is looked for every 2 s under the same path. Whatever may wait for a database or a disk is done by
a second thread (`desk`): what keeps that waiting must not keep a UART waiting.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from consoles import keyboard, markers
from consoles.desk import Desk, Outside
from consoles.keyboard import Typed
from consoles.lines import FULL_READ_BYTES, Line
from consoles.pace import JOIN_SECONDS
from consoles.uplink import Uplink
from consoles.watch import READ, WRITE, Watch
from hardware.errors import PortUnavailable

log = logging.getLogger("nanoportal.consoled")
TICK_SECONDS = 0.25


@dataclass(eq=False)
class Daemon:
    """Serves `lines` until `stop`. `scale` divides every wait; without a `broker_url` there are no journals."""

    lines: list[Line]
    outside: Outside
    now: Callable[[], datetime]
    scale: float = 1.0
    broker_url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    watch: Watch = field(default_factory=Watch)
    _joining: set[Line] = field(default_factory=set)  # busy lines, that are looked at when the time comes
    _join_at: float = 0.0
    _writing: set[Line] = field(default_factory=set)  # lines that have to become writable
    _tick_at: float = 0.0

    def __post_init__(self) -> None:
        self.desk = Desk(self.lines, self.outside, self.now, self.watch.post, self.scale, self.stop)
        self.uplink: Uplink | None = None
        if self.broker_url:
            known = self.desk.remembered
            self.uplink = Uplink(self.broker_url, self.lines, self.watch, self._take_typed, self.now, self.scale, known)

    def run(self) -> None:
        """Serve until stopped; every port is closed on the way out. Blocks. Raises what the second thread raised."""
        second = threading.Thread(target=self.desk.run, name="desk", daemon=True)
        second.start()
        try:
            while not self.stop.is_set():
                self._turn()
        finally:
            self._close()
        second.join(1.0)
        if self.desk.failure is not None:
            raise self.desk.failure

    def _turn(self) -> None:
        moment = time.monotonic()
        if moment >= self._tick_at:
            self._tick_at = moment + TICK_SECONDS / max(1.0, self.scale)
            self._tick(moment)
        if self._joining and moment >= self._join_at:
            self._read_joined(moment)
        for line in self.lines:
            if line.break_ends_at is not None and moment >= line.break_ends_at:
                self._put_out(line)
        if self.uplink:
            self.uplink.pump()
        self.watch.wait(self._next_at() - time.monotonic())
        if self.uplink:
            self.uplink.pump()

    def _next_at(self) -> float:
        breaks = [line.break_ends_at for line in self.lines if line.break_ends_at is not None]
        return min([self._tick_at, *breaks, *([self._join_at] if self._joining else [])])

    def _tick(self, moment: float) -> None:
        for line in self.lines:
            if line.port is None and moment >= line.retry_at and line.open(moment, self.now(), self.scale):
                self._watch_line(line)
            line.look(moment, self.now(), self.scale)
            if line.waits_to_write:
                self._put_out(line)  # or find that it has waited for too long
        if self.uplink:
            self.uplink.tick(moment)

    # UARTs

    def _watch_line(self, line: Line) -> None:
        if line.port is not None:
            self.watch.add(line.port.fileno(), READ, partial(self._ready, line))

    def _ready(self, line: Line, events: int) -> None:
        if line.port is not None and events & WRITE:
            self._put_out(line)
        if line.port is not None and events & ~WRITE:
            self._read(line, time.monotonic())

    def _read(self, line: Line, moment: float) -> int:
        """Pass on what has come; a line that is busy is not waited for, but looked at a little later."""
        try:
            count = line.take_in(moment, self.now)
        except PortUnavailable as error:
            self._lose(line, error)
            return 0
        if line not in self._joining and count < FULL_READ_BYTES and line.pace.delay(moment):
            if not self._joining:
                self._join_at = moment + JOIN_SECONDS
            self._joining.add(line)
            self._wait_for(line)
        return count

    def _read_joined(self, moment: float) -> None:
        """Look at all busy lines; those that are busy no more are waited for again."""
        self._join_at = moment + JOIN_SECONDS
        for line in list(self._joining):
            count = self._read(line, moment)
            if line in self._joining and (not 0 < count < FULL_READ_BYTES or not line.pace.delay(moment)):
                self._joining.discard(line)
                self._wait_for(line)

    def _wait_for(self, line: Line) -> None:
        if line.port is not None:
            reads = 0 if line in self._joining else READ
            self.watch.change(line.port.fileno(), reads | (WRITE if line in self._writing else 0))

    def _put_out(self, line: Line) -> None:
        try:
            line.put_out(time.monotonic(), self.scale)
        except PortUnavailable as error:
            self._lose(line, error)
            return
        if line.waits_to_write != (line in self._writing):
            self._writing ^= {line}
            self._wait_for(line)

    def _lose(self, line: Line, error: PortUnavailable) -> None:
        self._forget(line)
        line.lose(error, time.monotonic(), self.now(), self.scale)

    def _forget(self, line: Line) -> None:
        self._joining.discard(line)
        self._writing.discard(line)
        if line.port is not None:
            self.watch.remove(line.port.fileno())

    # What people type

    def _take_typed(self, line: Line | None, board: str, typed: Typed) -> None:
        if typed.kind == keyboard.CONFIGURE:
            self.desk.wanted.set()
        elif line is None:
            log.warning("%s slot %d has no serial port to type to", board, typed.slot)
        elif typed.kind == keyboard.TAKEN_OVER:
            self._say_taken_over(line, typed)
        elif typed.kind in (keyboard.DATA, keyboard.BREAK):
            line.type(typed, time.monotonic(), self.now())
            self._put_out(line)
        else:
            log.warning("%s slot %d cannot be told %r", board, typed.slot, typed.kind)

    def _say_taken_over(self, line: Line, typed: Typed) -> None:
        loser = typed.loser.person if typed.loser else "somebody"
        why = typed.data.decode(errors="replace")
        words = f"{typed.person} took the keyboard over from {loser}{f': {why}' if why else '.'}"
        line.say(markers.TAKEN_OVER, words, self.now(), person=typed.person, loser=loser, why=why)

    def _close(self) -> None:
        for line in self.lines:
            self._forget(line)
            line.close()
        if self.uplink:
            self.uplink.close()
        for line in self.lines:
            if line.recorder:
                line.recorder.close()
        self.watch.close()
