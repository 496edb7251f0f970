"""What the daemon's second thread does: everything that may wait for a database or a disk.

It reads what the first thread noted of its lines, and posts back what that one has to do.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from consoles import markers
from consoles.lines import Heard, Line
from consoles.markers import daemon_away
from consoles.recordings.writer import RecordingWriter
from consoles.remembered import Remembered
from consoles.stages import Seen, StageMatcher

if TYPE_CHECKING:
    from consoles.services.ports import PortSettings

log = logging.getLogger("nanoportal.consoled")
LOOK_SECONDS = 0.1  # how often it is looked whether there is something to say; of the real clock
SETTINGS_SECONDS = 60.0  # settings are read so often though nobody said that they have changed
REMEMBER_SECONDS = 10.0

#: Called with lines and what to say of each, to be written in one transaction.
Report = Callable[[list[tuple[Line, str]]], None]


@dataclass(frozen=True)
class Outside:
    """The world beyond the lines. What is called may block, and raises nothing but bugs; None is left out."""

    report: Report
    settings: Callable[[], "Mapping[tuple[str, int], PortSettings]"] | None = None  # empty: cannot be read now
    stage: Callable[[Line, Seen], None] | None = None
    directory: Path | None = None  # of recordings, and of what survives a broker that forgets


@dataclass(eq=False)
class Desk:
    """Serves `lines` until `stop`. `post` runs what it is given on the first thread."""

    lines: list[Line]
    outside: Outside
    now: Callable[[], datetime]
    post: Callable[[Callable[[], None]], None]
    scale: float = 1.0
    stop: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    wanted: threading.Event = field(default_factory=threading.Event)  # settings have changed
    remembered: Remembered = field(init=False)
    _in_force: dict[Line, "PortSettings"] = field(default_factory=dict)
    _matchers: dict[Line, StageMatcher] = field(default_factory=dict)
    _recorders: dict[Line, RecordingWriter] = field(default_factory=dict)
    _retired: list[RecordingWriter] = field(default_factory=list)  # no line writes to them any more
    _settings_at: float = float("-inf")
    _remembered_at: float = 0.0

    def __post_init__(self) -> None:
        self.remembered = Remembered(self.outside.directory, [(line.board, line.slot) for line in self.lines])

    def run(self) -> None:
        """Blocks until stopped. What anything outside raises is kept as `failure`, and ends the daemon."""
        try:
            self._read_settings()
            while not self.stop.wait(LOOK_SECONDS):
                self._turn(time.monotonic())
            self._remember()
        except Exception as error:  # a daemon that drains but no longer tells would be a silent failure
            self.failure = error
            self.stop.set()

    def _turn(self, moment: float) -> None:
        if self.wanted.is_set() or moment - self._settings_at >= SETTINGS_SECONDS / self.scale:
            self._read_settings()
        self._match()
        self._close_retired()
        self._report_all(moment)
        if moment - self._remembered_at >= REMEMBER_SECONDS / self.scale:
            self._remembered_at = moment
            self._remember()

    # Evidence

    def _report_all(self, moment: float) -> None:
        """Say what is due, all at once: one commit for all lines spares the controller's SD card."""
        if not any(line.has_news(moment, self.scale) for line in self.lines):
            return
        news = [(line, line.words()) for line in self.lines if line.words()]
        for line, words in news:
            # Before it is said: bytes that come meanwhile are news again.
            line.said, line.said_at, line.printed_new = words, moment, False
        self.outside.report(news)

    # Stages

    def _match(self) -> None:
        for line, matcher in self._matchers.items():
            pieces = line.heard.take() if line.heard else []
            for data, at in [*pieces, (b"", time.time())]:
                for seen in matcher.feed(data, at):
                    self._tell(line, seen)

    def _tell(self, line: Line, seen: Seen) -> None:
        at = datetime.fromtimestamp(seen.at, tz=self.now().tzinfo)
        stage = {"stage": seen.stage, "words": seen.words, "at": at.isoformat(), "boot_seconds": seen.boot_seconds}

        def show() -> None:
            line.stage = stage
            line.say(markers.STAGE, f"{seen.words[:1].upper()}{seen.words[1:]}.", at, **stage)

        self.post(show)
        if self.outside.stage:
            self.outside.stage(line, seen)

    # Settings

    def _read_settings(self) -> None:
        if self.outside.settings is None:
            return
        self.wanted.clear()
        self._settings_at = time.monotonic()
        found = self.outside.settings()
        for line in self.lines:
            settings = found.get((line.board, line.slot))
            before = self._in_force.get(line)
            if settings is None or settings == before:
                continue
            self._in_force[line] = settings
            self.post(partial(self._set_baud, line, settings.baud))
            if before is None or before.rules != settings.rules:
                line.heard = line.heard or Heard()
                self._matchers[line] = StageMatcher(settings.rules)
            if self.outside.directory:
                self._record(line, before, settings, self.outside.directory / line.board / str(line.slot))

    def _set_baud(self, line: Line, baud: int) -> None:
        line.set_baud(baud, self.now())

    def _record(self, line: Line, before: "PortSettings | None", settings: "PortSettings", directory: Path) -> None:
        recorder = self._recorders.get(line)
        if recorder and settings.recording:
            recorder.configure(settings.quota_bytes, settings.retention)
        elif recorder:
            self.post(partial(self._retire, line, self._recorders.pop(line)))
        elif settings.recording:
            recorder = RecordingWriter(directory, settings.quota_bytes, settings.retention, self.now, scale=self.scale)
            self._recorders[line] = recorder
            if before is None and self.remembered.ended_at is not None:
                recorder.mark(daemon_away(max(0.0, time.time() - self.remembered.ended_at), self.now()))
            self.post(partial(setattr, line, "recorder", recorder))

    def _retire(self, line: Line, recorder: RecordingWriter) -> None:
        """On the first thread, which may not wait for the disk: nothing more goes into it."""
        line.recorder = None
        self._retired.append(recorder)

    def _close_retired(self) -> None:
        while self._retired:
            self._retired.pop().close()

    def _remember(self) -> None:
        ends = {(line.board, line.slot): line.journal.end for line in self.lines if line.journal}
        self.remembered.keep({place: end for place, end in ends.items() if end is not None})
