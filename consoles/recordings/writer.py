"""The writer of one console's recording: a thread of its own, so that neither disk nor database keeps a UART waiting.

What the disk does not take is lost and counted: the recording says exactly how many bytes are not in it, as soon as
there is room to say so. The live console knows nothing of it.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from consoles.markers import DROPPED, RECORDING_RESUMED, Marker
from consoles.recordings.growing import Growing, Piece, make_room, newest
from consoles.recordings.segments import ENTRY, Segment

log = logging.getLogger("nanoportal.recordings")
MIB = 2**20
QUEUE_BYTES = 4 * MIB
PIECE_BYTES = 160  # what a piece takes beside its bytes: a flood of single bytes must not fill the memory either
FLOOR_BYTES = 64 * MIB  # left free for the database and everything else
SEGMENT_BYTES = 8 * MIB  # at most; an eighth of the quota where that is less, so that little goes at once
LEAST_SEGMENT_BYTES = 64 * 1024
LONGEST_LINE = 16 * 1024  # of a segment that is full
BATCH_SECONDS = 0.2  # one write for what comes meanwhile
SYNC_SECONDS = 5.0
RETRY_SECONDS = 5.0
TIDY_SECONDS = 3600.0
DAY = 86400
JOIN_SECONDS, JOIN_BYTES = 0.02, 4096  # reads so close together become one record
WRITE_BYTES = 256 * 1024
JITTER_SECONDS = 1.0  # a clock set back by less is held until it has caught up
MARKS_KEPT = 64  # of a time that could not be recorded


@dataclass
class _Gap:
    """Bytes that are not in the recording, from `since` on."""

    since: float
    size: int = 0


class RecordingWriter:
    """Records one console into `directory`. `append` and `mark` never block and never raise; `problem` says in a
    sentence why it does not record now, "" while it does.

    At most `quota_bytes` are used, nothing older than `retention` is kept, and `floor_bytes` stay free on the file
    system. `scale` divides every wait.
    """

    def __init__(
        self,
        directory: Path,
        quota_bytes: int,
        retention: timedelta,
        now: Callable[[], datetime],
        *,
        floor_bytes: int = FLOOR_BYTES,
        scale: float = 1.0,
    ) -> None:
        self.problem = ""
        self._directory, self._now, self._floor, self._scale = directory, now, floor_bytes, scale
        self._quota, self._retention = quota_bytes, retention
        self._waiting: deque[Piece | _Gap] = deque()
        self._waiting_bytes = 0
        self._news = threading.Condition()
        self._closing = threading.Event()
        self._growing: Growing | None = None
        self._gap: _Gap | None = None
        self._missed_marks: deque[Piece] = deque(maxlen=MARKS_KEPT)
        self._last: Segment | None = None
        self._unsynced = self._line_is_done = False
        self._synced_at = self._retried_at = self._tidied_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"recording {directory.name}", daemon=True)
        self._thread.start()

    # What the daemon calls

    def append(self, data: bytes, at: float) -> None:
        """Record the bytes that came `at` (unix seconds)."""
        with self._news:
            if self._waiting_bytes + len(data) <= QUEUE_BYTES:
                self._waiting.append(Piece(at, data=data))
                self._waiting_bytes += len(data) + PIECE_BYTES
            else:
                if not self._waiting or not isinstance(self._waiting[-1], _Gap):
                    self._waiting.append(_Gap(at))
                gap = self._waiting[-1]
                assert isinstance(gap, _Gap)
                gap.size += len(data)
            self._news.notify()

    def mark(self, marker: Marker) -> None:
        """Record what happened to the line; at the place where it stands among the bytes."""
        line = marker.to_json() + b"\n"
        with self._news:
            if self._waiting_bytes + len(line) <= 2 * QUEUE_BYTES:
                self._waiting.append(Piece(marker.at.timestamp(), mark=line))
                self._waiting_bytes += len(line) + PIECE_BYTES
            self._news.notify()

    def configure(self, quota_bytes: int, retention: timedelta) -> None:
        """Go by another quota and retention from now on. Does not block."""
        with self._news:
            self._quota, self._retention = quota_bytes, retention
            self._tidied_at = float("-inf")
            self._news.notify()

    def close(self) -> None:
        """Write what is waiting and end. Blocks until it is on the disk."""
        with self._news:
            self._closing.set()
            self._news.notify()
        self._thread.join()

    # The thread

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wait()
                self._work()
            self._work()
        except Exception:  # whatever it is, it must be seen, and must not end the live console
            log.exception("the recording in %s ended", self._directory)
            self.problem = "The recording ended by a fault of the portal; its log has the details."
        finally:
            if self._growing is not None:
                self._growing.close()

    def _wait(self) -> None:
        """Until there is something to write, and a little longer, so that one write takes more of it; else until
        something is due."""
        pause = min(SYNC_SECONDS, RETRY_SECONDS) / self._scale
        with self._news:
            if not self._waiting and not self._closing.is_set():
                self._news.wait(pause)
        if self._waiting:
            self._closing.wait(BATCH_SECONDS / self._scale)

    def _work(self) -> None:
        with self._news:
            items, self._waiting = self._waiting, deque()
            taken = self._waiting_bytes
        try:
            self._tidy_if_due()
            if self._may_write():
                self._write_all(items)
                self._sync_if_due()
        except OSError as error:
            self._stop(f"Recording stopped: {(error.strerror or str(error)).lower()}.")
        self._miss(items)
        with self._news:
            self._waiting_bytes -= taken

    def _may_write(self) -> bool:
        """Whether there is room; after a stop, tried again every 5 s, and the gap is written first."""
        moment = time.monotonic()
        if self.problem and moment - self._retried_at < RETRY_SECONDS / self._scale and not self._closing.is_set():
            return False
        self._retried_at = moment
        self._directory.mkdir(parents=True, exist_ok=True)
        room = os.statvfs(self._directory)
        free = room.f_bavail * room.f_frsize
        if free < self._floor * (1.25 if self.problem else 1):
            self._stop(f"Recording stopped: only {free // MIB} MiB are free on the disk.")
            return False
        if self.problem:
            self._resume()
        return True

    def _stop(self, problem: str) -> None:
        if not self.problem:
            log.warning("%s: %s", self._directory, problem)
        self.problem = problem
        self._gap = self._gap or _Gap(self._now().timestamp())
        if self._growing is not None:
            self._growing.close()
            self._growing = None

    def _miss(self, items: deque[Piece | _Gap]) -> None:
        """Count what is left of `items`: it was not written."""
        while items:
            item = items.popleft()
            if isinstance(item, Piece) and item.mark:
                self._missed_marks.append(item)
                continue
            self._gap = self._gap or _Gap(self._now().timestamp())
            self._gap.size += item.size if isinstance(item, _Gap) else len(item.data)

    def _resume(self) -> None:
        gap = self._gap or _Gap(self._now().timestamp())
        marker = self._gap_marker(RECORDING_RESUMED, gap, f"Recording stood still; {gap.size:,} bytes are not in it.")
        self._write_all(deque([*self._missed_marks, marker]))
        self._missed_marks.clear()
        self._gap, self.problem = None, ""
        log.warning("%s: recording goes on; %d bytes are not in it", self._directory, gap.size)

    def _gap_marker(self, kind: str, gap: _Gap, words: str) -> Piece:
        now = self._now()
        since = datetime.fromtimestamp(gap.since, now.tzinfo).isoformat()
        return _mark(Marker(kind, now, words, {"bytes": gap.size, "since": since, "why": self.problem}))

    def _write_all(self, items: deque[Piece | _Gap]) -> None:
        """Write `items` from the left; on OSError those that are left are not written, and all others are."""
        while items:
            if self._finish_line(items):
                continue
            batch = self._next_batch(items)
            assert self._growing is not None
            self._growing.write(_joined(batch))
            self._unsynced = True
            for _ in batch:
                items.popleft()

    # The files

    def _finish_line(self, items: deque[Piece | _Gap]) -> bool:
        """Before another segment begins, write the rest of the line to this one: a search reads each for itself.
        Returns whether there was any. A line that does not end soon is cut."""
        growing, first = self._growing, self._piece(items[0])
        if growing is None or growing.ends_line or self._line_is_done or first.at < growing.last_at:
            return False
        too_long = growing.size >= self._segment_bytes() + LONGEST_LINE
        if too_long or not self._must_rotate(growing.size, growing.last_at, first.at):
            return False
        end = first.data.find(b"\n") + 1
        if not end and growing.size < self._segment_bytes():  # another day, and nobody knows when it ends
            return False
        self._line_is_done = end > 0
        end = end or len(first.data)
        growing.write([Piece(first.at, first.data[:end], first.mark)])
        items.popleft()
        if end < len(first.data):
            items.appendleft(Piece(first.at, first.data[end:]))
        return True

    def _next_batch(self, items: deque[Piece | _Gap]) -> list[Piece]:
        """The first of `items`, as many as go into one write and one segment, which is open then. None of them is
        older than the one before it, whatever the clock says."""
        first = self._piece(items[0]).at
        growing = self._growing
        if growing is None or self._line_is_done or self._must_rotate(growing.size, growing.last_at, first):
            growing = self._rotate(first)
            self._line_is_done = False
        batch: list[Piece] = []
        last, size, full = growing.last_at, growing.size, growing.size + WRITE_BYTES
        for piece in map(self._piece, items):
            if batch and (size >= full or self._must_rotate(size, last, piece.at)):
                break
            last = max(last, piece.at)
            batch.append(Piece(last, piece.data, piece.mark))
            size += len(piece.data) + len(piece.mark) + ENTRY.size
        return batch

    def _piece(self, item: Piece | _Gap) -> Piece:
        if isinstance(item, Piece):
            return item
        words = f"The disk was too slow; {item.size:,} bytes are not in the recording."
        return self._gap_marker(DROPPED, item, words)

    def _must_rotate(self, size: int, last: float, at: float) -> bool:
        """Whether a piece of the time `at` begins another segment: this one, of that size and with a last record of
        that time, is full, or of another day, or the clock was set back behind its end."""
        was_set_back = at < last - JITTER_SECONDS
        return size >= self._segment_bytes() or was_set_back or 0 < last // DAY < at // DAY

    def _segment_bytes(self) -> int:
        return max(LEAST_SEGMENT_BYTES, min(SEGMENT_BYTES, self._quota // 8))

    def _rotate(self, at: float) -> Growing:
        """Begin another segment, or go on with the one of an earlier writer if it is not done."""
        last = self._last or newest(self._directory)
        if self._growing is None and last is not None:
            growing = self._open(last)
            if not self._must_rotate(growing.size, growing.last_at, at):
                return growing
        if self._growing is not None:
            self._growing.sync()
            self._growing.close()
            self._growing = None
        growing = self._open(Segment(self._directory, last.number + 1 if last else 1))
        self._tidy()
        return growing

    def _open(self, segment: Segment) -> Growing:
        self._growing = Growing(segment)
        self._last = segment
        return self._growing

    def _tidy_if_due(self) -> None:
        if time.monotonic() - self._tidied_at >= TIDY_SECONDS / self._scale and self._directory.exists():
            self._tidy()

    def _tidy(self) -> None:
        """Keep the quota with room for a whole segment, and the retention."""
        self._tidied_at = time.monotonic()
        keep = self._last or newest(self._directory)
        allowed = self._quota - self._segment_bytes() - LONGEST_LINE
        make_room(self._directory, allowed, keep, self._now().timestamp() - self._retention.total_seconds())

    def _sync_if_due(self) -> None:
        moment = time.monotonic()
        due = moment - self._synced_at >= SYNC_SECONDS / self._scale or self._closing.is_set()
        if self._unsynced and due and self._growing is not None:
            self._growing.sync()
            self._unsynced, self._synced_at = False, moment


def _mark(marker: Marker) -> Piece:
    return Piece(marker.at.timestamp(), mark=marker.to_json() + b"\n")


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Reads that came close together as one piece: an entry in the index takes as much as 24 bytes of text."""
    joined: list[Piece] = []
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        near = joined and 0 <= piece.at - joined[-1].at <= JOIN_SECONDS and size + len(piece.data) <= JOIN_BYTES
        if piece.data and near and not joined[-1].mark:
            parts.append(piece.data)
            size += len(piece.data)
            continue
        if parts:
            joined[-1] = Piece(joined[-1].at, b"".join(parts), b"")
        joined.append(piece)
        parts, size = ([piece.data], len(piece.data)) if piece.data else ([], 0)
    if parts:
        joined[-1] = Piece(joined[-1].at, b"".join(parts), b"")
    return joined
