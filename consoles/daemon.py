"""The owner of every mapped UART: reads whatever comes, so that no SOM ever waits, and says when it was printable.

One thread, one selector. A port that vanishes is looked for every 2 s under the same path.
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
    reported_at: float = 0.0
    bytes_read: int = 0


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
    selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        """Serve until stopped; every port is closed on the way out. Blocks."""
        try:
            while not self.stop.is_set():
                self._open_missing()
                for key, _ in self.selector.select(timeout=0.25):
                    self._drain(key.data)
                self._report_all()
        finally:
            for line in self.lines:
                self._close(line)
            self.selector.close()

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
                    self.report([(line, AWAY)])
                continue
            line.problem, line.reported_at = "", 0.0
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
            self.report([(line, AWAY)])
            return
        line.bytes_read += len(data)
        if PRINTABLE.intersection(data):
            line.printed_at, line.printed_new = self.now(), True

    def _report_all(self) -> None:
        """Say what is due, all at once: one commit for all lines spares the controller's SD card."""
        moment = time.monotonic()
        if not any(self._is_due(line, moment) for line in self.lines):
            return
        due = [line for line in self.lines if line.port is not None]
        self.report([(line, PRINTS if line.printed_new else SILENT) for line in due])
        for line in due:
            line.reported_at, line.printed_new = moment, False

    def _is_due(self, line: Line, moment: float) -> bool:
        pause = (REPORT_SECONDS if line.printed_new else LISTEN_SECONDS) / self.scale
        return line.port is not None and moment - line.reported_at >= pause

    def _close(self, line: Line) -> None:
        if line.port is not None:
            self.selector.unregister(line.port.fileno())
            line.port.close()
            line.port = None
