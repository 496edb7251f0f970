"""One slot's UART as the daemon has it: the open port, what it brings and what it is to be told. Nothing waits."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from consoles import markers
from consoles.journal_writer import JournalWriter
from consoles.keyboard import BREAK, LATE_SECONDS, Typed
from consoles.markers import Marker
from consoles.pace import Pace
from hardware.errors import PortUnavailable
from hardware.uart import BREAK_SECONDS, UartPort

log = logging.getLogger("nanoportal.consoled")
RETRY_SECONDS = 2.0
AWAY, PRINTS, SILENT = "serial port away", "console prints", "console is silent"
REPORT_SECONDS = 2.0  # evidence of printing is written at most this often
LISTEN_SECONDS = 10.0  # and that the daemon listens, this often
PRINTABLE = bytes(range(0x20, 0x7F))
FULL_READ_BYTES = 2048  # a read that brought so much may have left something
TURN_BYTES = 65_536  # what is read of one line before the others get their turn
OUTGOING_BYTES = 65_536
HEARD_BYTES = 4_194_304
PAUSE_SECONDS = 0.05
OVERRUN_SECONDS = 1.0


class Recorder(Protocol):
    """What keeps a line's history on disk; neither method blocks or raises."""

    problem: str

    def append(self, data: bytes, at: float) -> None: ...
    def mark(self, marker: Marker) -> None: ...
    def close(self) -> None: ...


class Heard:
    """What a line brought and the second thread has not looked at: (bytes, Unix seconds), at most 4 MiB.

    One thread puts, another takes; each has its own counter, so that neither needs a lock.
    """

    def __init__(self) -> None:
        self._pieces: deque[tuple[bytes, float]] = deque()
        self._put_bytes = self._taken_bytes = 0

    def put(self, data: bytes, at: float) -> None:
        """What does not fit is not looked at: a stage may go unseen, nothing else."""
        if self._put_bytes - self._taken_bytes < HEARD_BYTES:
            self._put_bytes += len(data)
            self._pieces.append((data, at))

    def take(self) -> list[tuple[bytes, float]]:
        """All of it; forgets it. What came without a pause comes as one piece, which is much less work to look at."""
        taken: list[tuple[list[bytes], float]] = []
        for _ in range(len(self._pieces)):
            data, at = self._pieces.popleft()
            self._taken_bytes += len(data)
            joined = taken.pop()[0] if taken and at - taken[-1][1] < PAUSE_SECONDS else []
            joined.append(data)
            taken.append((joined, at))
        return [(b"".join(joined), at) for joined, at in taken]


@dataclass(eq=False)
class Line:
    """One slot's UART. Its port is opened, read and written by the daemon's first thread only."""

    board: str
    slot: int
    path: str
    baud: int
    port: UartPort | None = None
    problem: str = ""
    retry_at: float = 0.0
    printed_at: datetime | None = None
    printed_new: bool = False
    said: str = ""
    said_at: float = 0.0
    bytes_read: int = 0
    journal: JournalWriter | None = None
    recorder: Recorder | None = None
    heard: Heard | None = None
    pace: Pace = field(default_factory=Pace)
    since: datetime | None = None  # the port is open, or away
    overruns: int = 0
    bytes_per_second: int = 0
    stage: dict[str, Any] | None = None
    break_ends_at: float | None = None
    _outgoing: deque[tuple[bytes | None, float]] = field(default_factory=deque)  # None: a break
    _outgoing_bytes: int = 0
    _unsent: dict[str, int] = field(default_factory=dict)  # typed bytes by why they were not sent
    _overruns_seen: int | None = None
    _overruns_at: float = 0.0
    _recording_problem: str = ""
    _measured: tuple[float, int] = (0.0, 0)

    # What is reported as evidence

    def words(self) -> str:
        """What there is to say now; "" before the port has been looked for."""
        if self.port is None:
            return AWAY if self.problem else ""
        return PRINTS if self.printed_new else SILENT

    def has_news(self, moment: float, scale: float) -> bool:
        """Whether that should be said at `moment`: a port that goes or comes at once, the rest now and then."""
        words = self.words()
        if words in ("", AWAY) or self.said in ("", AWAY):
            return words != self.said
        pause = REPORT_SECONDS if words == PRINTS else LISTEN_SECONDS
        return moment - self.said_at >= pause / scale

    def say(self, kind: str, words: str, now: datetime, /, **detail: Any) -> None:
        """Put a marker into journal and recording."""
        marker = Marker(kind, now, words, detail)
        if self.journal:
            self.journal.mark(marker)
        if self.recorder:
            self.recorder.mark(marker)

    # The port comes and goes

    def open(self, moment: float, now: datetime, scale: float) -> bool:
        """Try to open the port; if that fails it is tried again `RETRY_SECONDS` later."""
        try:
            self.port = UartPort(self.path, self.baud)
            self._overruns_seen = self.port.overruns()
        except PortUnavailable as error:
            self.lose(error, moment, now, scale)
            return False
        if self.problem:
            self.say(markers.PORT_BACK, f"The serial port {self.path} is back.", now)
        self.problem, self.since = "", now
        return True

    def lose(self, error: PortUnavailable, moment: float, now: datetime, scale: float) -> None:
        """The port is gone: close it, say so once, and look for it again later."""
        was_open = self.port is not None
        self.close()
        self.retry_at = moment + RETRY_SECONDS / scale
        if was_open or not self.problem:
            self.since = now
            self.say(markers.PORT_AWAY, str(error), now)
        if self.problem != str(error):
            self.problem = str(error)
            log.warning("%s slot %d: %s", self.board, self.slot, error)

    def close(self) -> None:
        """Give the port back; what was still to be typed is not typed into the next one."""
        if self.port is not None:
            self.port.close()
            self.port = None
        self._refuse("the port is away", self._outgoing_bytes)
        self._outgoing.clear()
        self._outgoing_bytes, self.break_ends_at, self.bytes_per_second = 0, None, 0

    def set_baud(self, baud: int, now: datetime) -> None:
        """Change the speed without closing the port."""
        if baud == self.baud:
            return
        before, self.baud = self.baud, baud
        if self.port is None:
            return
        try:
            self.port.set_baud(baud)
        except PortUnavailable as error:
            self.baud = before
            self.say(markers.BAUD, f"The port stays at {before} baud. {error}", now, baud=before)
            log.warning("%s slot %d: %d baud: %s", self.board, self.slot, baud, error)
            return
        self.say(markers.BAUD, f"The speed is {baud} baud from here on; it was {before}.", now, baud=baud)

    # What it brings

    def take_in(self, moment: float, now: Callable[[], datetime]) -> int:
        """Read what there is and pass it on; returns how many bytes. Raises PortUnavailable."""
        assert self.port is not None
        self.pace.delay(moment)  # (lets it save up until now)
        total = 0
        while total < TURN_BYTES:
            data = self.port.read_available()
            if not data:
                break
            total += len(data)
            self.pace.spend(len(data))
            self._pass_on(data, now)
            if len(data) < FULL_READ_BYTES:
                break
        return total

    def _pass_on(self, data: bytes, now: Callable[[], datetime]) -> None:
        self.bytes_read += len(data)
        if self.journal:
            self.journal.append(data)
        at = time.time()
        if self.recorder:
            self.recorder.append(data, at)
        if self.heard:
            self.heard.put(data, at)
        if len(data.translate(None, PRINTABLE)) < len(data):
            self.printed_at, self.printed_new = now(), True

    # What it is told

    def type(self, typed: Typed, moment: float, now: datetime) -> None:
        """Send what a person typed, or say later why it was not sent."""
        if typed.late:
            self._refuse("they came too late", len(typed.data))
        elif self.port is None:
            self._refuse("the port is away", len(typed.data))
        elif self._outgoing_bytes + len(typed.data) > OUTGOING_BYTES:
            self._refuse("the line takes no more", len(typed.data))
        else:
            sent_at = moment - typed.age_seconds
            if typed.kind == BREAK:
                self._outgoing.append((None, sent_at))
                self._say_break(typed, now)
            if typed.data:
                self._outgoing.append((typed.data, sent_at))
                self._outgoing_bytes += len(typed.data)

    def _say_break(self, typed: Typed, now: datetime) -> None:
        if not typed.data:
            self.say(markers.BREAK, f"{typed.person} sent a break.", now, person=typed.person)
            return
        key = typed.data.decode("ascii", "backslashreplace")
        self.say(markers.SYSRQ, f"{typed.person} sent SysRq {key}.", now, person=typed.person, key=key)

    def put_out(self, moment: float, scale: float) -> None:
        """Write what the line takes now. Raises PortUnavailable."""
        if self.port is None:
            return
        if self.break_ends_at is not None:
            if moment < self.break_ends_at:
                return
            self.break_ends_at = None
            self.port.end_break()
        while self._outgoing:
            data, sent_at = self._outgoing[0]
            if moment - sent_at > LATE_SECONDS:
                self._refuse("the line did not take them in time", len(data or b""))
            elif data is None:
                self._outgoing.popleft()
                self.port.start_break()
                self.break_ends_at = moment + BREAK_SECONDS / scale
                return
            else:
                taken = self.port.write(data)
                if taken < len(data):
                    self._outgoing[0] = (data[taken:], sent_at)
                    self._outgoing_bytes -= taken
                    return
            self._outgoing.popleft()
            self._outgoing_bytes -= len(data or b"")

    @property
    def waits_to_write(self) -> bool:
        """Whether the port has to become writable first."""
        return bool(self._outgoing) and self.break_ends_at is None

    def _refuse(self, why: str, count: int) -> None:
        if count:
            self._unsent[why] = self._unsent.get(why, 0) + count

    # What is looked at now and then

    def look(self, moment: float, now: datetime, scale: float) -> None:
        """Say what has come up meanwhile: lost input, keys that were not sent, a recording that stopped or goes on."""
        for why, count in self._unsent.items():
            amount = f"{count} typed bytes were" if count > 1 else "A typed byte was"
            self.say(markers.KEYS_LATE, f"{amount} not sent: {why}.", now, bytes=count)
        self._unsent.clear()
        if moment - self._overruns_at >= OVERRUN_SECONDS / scale:
            self._overruns_at = moment
            self._look_for_overruns(now)
        self._look_at_recording(now)

    def _look_at_recording(self, now: datetime) -> None:
        """Told in the journal only: the recording says itself what it lacks."""
        problem = self.recorder.problem if self.recorder else ""
        if self.journal and problem and not self._recording_problem:
            self.journal.mark(Marker(markers.RECORDING_STOPPED, now, problem))
        elif self.journal and self._recording_problem and not problem:
            self.journal.mark(Marker(markers.RECORDING_RESUMED, now, "The recording goes on."))
        self._recording_problem = problem

    def _look_for_overruns(self, now: datetime) -> None:
        if self.port is None:
            return
        count = self.port.overruns()
        if count is not None and self._overruns_seen is not None and count > self._overruns_seen:
            more = count - self._overruns_seen
            self.overruns += more
            times = "once" if more == 1 else f"{more} times"
            self.say(markers.OVERRUN, f"The line overran {times}: input was lost before this.", now, count=more)
        if count is not None:
            self._overruns_seen = count

    def measure(self, moment: float) -> None:
        """Work out how busy the line has been since the last time."""
        since, count = self._measured
        if moment > since:
            self.bytes_per_second = round((self.bytes_read - count) / (moment - since))
        self._measured = (moment, self.bytes_read)

    def status(self) -> dict[str, Any]:
        """What the broker is told of the port when it changes."""
        recording = {None: "off", "": "on"}.get(self.recorder.problem if self.recorder else None, "stopped")
        return {
            "state": "away" if self.port is None else "open",
            **{"path": self.path, "baud": self.baud, "problem": self.problem, "overruns": self.overruns},
            "since": self.since.isoformat() if self.since else None,
            "recording": recording,
            "recording_problem": self.recorder.problem if self.recorder else "",
            "stage": self.stage,
            "epoch": self.journal.epoch.epoch if self.journal and self.journal.epoch else None,
        }

    def figures(self) -> dict[str, Any]:
        """What changes all the time, told beside it."""
        return {"bytes_per_second": self.bytes_per_second, "end": self.journal.end if self.journal else None}


def by_place(lines: Sequence[Line]) -> dict[tuple[str, int], Line]:
    """Lines by board and slot."""
    return {(line.board, line.slot): line for line in lines}
