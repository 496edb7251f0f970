"""Reading a recording: what there is, and what was said when. Nothing here loads a whole segment."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from consoles.markers import DROPPED, Marker
from consoles.recordings.segments import Opened, Record, open_all, segments

DELETED_MEANWHILE = "What was said before this was deleted while it was read: the recording had reached its quota."
PAGE_BYTES = 256 * 1024
PAGE_RECORDS = 4096
LEAD_BYTES = 64 * 1024  # of what came before a moment: several screens of any terminal
MARKERS_SHOWN = 1000
MARKS_BYTES = 512 * 1024  # of a segment's markers, at most this much is looked at


@dataclass(frozen=True)
class Moment:
    """What happened `at` (unix seconds): bytes of the port, or a marker."""

    at: float
    data: bytes = b""
    marker: Marker | None = None


@dataclass(frozen=True)
class Page:
    """Some moments in the order of the recording; `next` is the cursor of what follows, None at its end."""

    moments: list[Moment] = field(default_factory=list)
    next: str | None = None


@dataclass(frozen=True)
class Stretch:
    """A segment: from when to when (unix seconds), how many bytes of the port, and the cursor of its beginning."""

    start: float
    end: float
    bytes: int
    cursor: str


@dataclass(frozen=True)
class Contents:
    """All segments, oldest first, and the newest markers, oldest first."""

    stretches: list[Stretch]
    markers: list[Marker]


def contents(directory: Path) -> Contents:
    """What the recording in `directory` holds. Two small reads per segment, and the newest markers."""
    stretches, marks = [], []
    for opened in open_all(directory):
        cursor = _cursor(opened.segment.number, 0)
        stretches.append(Stretch(opened.first_at, opened.last_at, opened.raw_size, cursor))
        size = opened.marks_size
        marks += _markers(opened.marks(max(0, size - MARKS_BYTES), size))
        marks = marks[-MARKERS_SHOWN:]
    return Contents(stretches, marks)


def locate(directory: Path, at: float) -> str:
    """The cursor of the moment `at` (unix seconds): in the first segment that holds that time, else at the beginning
    of the one that comes soonest after it, else "". Segments may overlap or be out of order: clocks are set."""
    soonest, cursor = float("inf"), ""
    for opened in open_all(directory):
        if opened.first_at <= at <= opened.last_at:
            return _cursor(opened.segment.number, opened.number_at(at))
        if at < opened.first_at < soonest:
            soonest, cursor = opened.first_at, _cursor(opened.segment.number, 0)
    return cursor


def page(directory: Path, cursor: str = "", to: float | None = None, limit_bytes: int = PAGE_BYTES) -> Page:
    """The moments from `cursor` on ("" is the oldest there is), up to the first that is younger than `to`; at most
    `limit_bytes` of data, but at least one moment. Raises ValueError for what is no cursor.

    What the quota has taken meanwhile is passed over: the next that is still there follows.
    """
    segment, first = _parse(cursor)
    moments: list[Moment] = []
    size = 0
    for opened in open_all(directory, first=segment):
        begin = first if opened.segment.number == segment else 0
        for record in opened.records(begin):
            if to is not None and record.at > to:
                return Page(moments)
            if moments and (size + record.end - record.start > limit_bytes or len(moments) >= PAGE_RECORDS):
                return Page(moments, _cursor(opened.segment.number, record.number))
            size += record.end - record.start
            moments += read(opened, record)
    return Page(moments)


def lead(directory: Path, at: float, size: int = LEAD_BYTES) -> Page:
    """What was said before the moment `at` (unix seconds), however long before: its last `size` bytes or a little more,
    and at most `PAGE_RECORDS` records. `next` is the cursor of the moment itself, None if nothing came after it."""
    place = locate(directory, at)
    segment, number = _parse(place) if place else (None, 0)
    pieces: list[list[Moment]] = []
    bytes_left, records_left = size, PAGE_RECORDS
    for each in reversed(segments(directory)):
        if (segment is not None and each.number > segment) or bytes_left <= 0 or records_left <= 0:
            continue
        with suppress(FileNotFoundError), Opened(each) as opened:
            until = number if each.number == segment else opened.count
            end = opened.entry(until - 1)[1]
            first = max(0, until - records_left, opened.number_of(end - bytes_left) if end > bytes_left else 0)
            pieces.append([m for r in islice(opened.records(first), until - first) for m in read(opened, r)])
            bytes_left -= end - opened.entry(first - 1)[1]
            records_left -= until - first
    return Page([moment for piece in reversed(pieces) for moment in piece], place or None)


def read(opened: Opened, record: Record) -> list[Moment]:
    """What a record holds. A marker that cannot be read, after a power failure, is left out."""
    if record.is_marker:
        return [Moment(record.at, marker=m) for m in _markers(opened.marks(record.mark_start, record.mark_end))]
    return [Moment(record.at, data=opened.data(record.start, record.end))]


def moments_between(directory: Path, start: float | None, end: float | None) -> Iterator[Moment]:
    """Every moment of that time in the order of the recording, in bounded memory. What the quota takes while it is
    read slowly is said to be missing."""
    before = None
    for opened in open_all(directory):
        if before is not None and opened.segment.number > before + 1:
            at = opened.first_at
            yield Moment(at, marker=Marker(DROPPED, datetime.fromtimestamp(at, UTC), DELETED_MEANWHILE))
        before = opened.segment.number
        first = 0 if start is None else opened.number_at(start)
        for record in opened.records(first):
            if end is not None and record.at > end:
                break
            yield from read(opened, record)


def _markers(lines: bytes) -> list[Marker]:
    found = []
    for line in lines.split(b"\n"):
        try:
            found.append(Marker.from_json(line))
        except ValueError:  # the rest of a line whose beginning was not read, or what a power failure left of it
            continue
    return found


def _cursor(segment: int, record: int) -> str:
    return f"{segment}-{record}"


def _parse(cursor: str) -> tuple[int, int]:
    segment, _, record = cursor.partition("-")
    if not cursor:
        return 0, 0
    if not (segment.isdecimal() and record.isdecimal() and len(cursor) <= 40):
        raise ValueError(f"This is no place in a recording: {cursor[:40]!r}.")
    return int(segment), int(record)
