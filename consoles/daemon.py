"""The owner of every mapped UART: reads whatever comes, so that no SOM ever waits, and says when it was printable.

One thread, one selector. A port that vanishes is looked for every 2 s under the same path. What is to be said of the
ports is said by a second thread: a database that keeps it waiting must not keep a UART waiting.
"""

import logging
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hardware.errors import PortUnavailable
from hardware.uart import UartPort

log = logging.getLogger("nanoportal.consoled")
RETRY_SECONDS = 2.0
REPORT_SECONDS = 2.0  # evidence of printing is written at most this often
LISTEN_SECONDS = 10.0  # and that the daemon listens, this often
LOOK_SECONDS = 0.1  # how often it is looked whether there is something to say; of the real clock
AWAY, PRINTS, SILENT = "serial port away", "console prints", "console is silent"
PRINTABLE = frozenset(range(0x20, 0x7F))


@dataclass(eq=False)
class Line:
    """One slot's UART: where it is, the open port, and what has not been reported yet."""

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


#: Called with lines and what to say of each, to be written in one transaction.
Report = Callable[[list[tuple[Line, str]]], None]


@dataclass
class Daemon:
    """Drains `lines` until `stop`; `report` writes evidence. `scale` divides every wait."""

    lines: list[Line]
    report: Report
    now: Callable[[], datetime]
    scale: float = 1.0
    stop: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        """Serve until stopped; every port is closed on the way out. Blocks. Raises what `report` raised."""
        reporter = threading.Thread(target=self._report_until_stopped, name="reports", daemon=True)
        reporter.start()
        try:
            while not self.stop.is_set():
                self._open_missing()
                for key, _ in self.selector.select(timeout=0.25):
                    self._drain(key.data)
        finally:
            for line in self.lines:
                self._close(line)
            self.selector.close()
        if self.failure is not None:
            raise self.failure

    def _open_missing(self) -> None:
        moment = time.monotonic()
        for line in self.lines:
            if line.port is not None or moment < line.retry_at:
                continue
            try:
                line.port = UartPort(line.path, line.baud)
            except PortUnavailable as error:
                line.retry_at = moment + RETRY_SECONDS / self.scale
                if line.problem != str(error):
                    line.problem = str(error)
                    log.warning("%s slot %d: %s", line.board, line.slot, error)
                continue
            line.problem = ""
            self.selector.register(line.port.fileno(), selectors.EVENT_READ, line)

    def _drain(self, line: Line) -> None:
        if line.port is None:
            return
        try:
            data = line.port.read_available()
        except PortUnavailable as error:
            line.problem = str(error)
            log.warning("%s slot %d: %s", line.board, line.slot, error)
            self._close(line)
            line.retry_at = time.monotonic() + RETRY_SECONDS / self.scale
            return
        line.bytes_read += len(data)
        if PRINTABLE.intersection(data):
            line.printed_at, line.printed_new = self.now(), True

    def _report_until_stopped(self) -> None:
        try:
            while not self.stop.wait(LOOK_SECONDS):
                self._report_all()
        except Exception as error:  # a daemon that drains but no longer tells would be a silent failure
            self.failure = error
            self.stop.set()

    def _report_all(self) -> None:
        """Say what is due, all at once: one commit for all lines spares the controller's SD card."""
        moment = time.monotonic()
        if not any(line.has_news(moment, self.scale) for line in self.lines):
            return
        news = [(line, line.words()) for line in self.lines if line.words()]
        for line, words in news:
            # Before it is said: bytes that come meanwhile are news again.
            line.said, line.said_at, line.printed_new = words, moment, False
        self.report(news)

    def _close(self, line: Line) -> None:
        if line.port is not None:
            self.selector.unregister(line.port.fileno())
            line.port.close()
            line.port = None
