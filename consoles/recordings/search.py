"""Finding a text in recordings, newest first: through escape sequences inside words, in bounded time and memory.

Segments are read backwards in blocks that begin with a line, each block is made plain and looked through at once.
Only of what was found it is worked out which line, which byte and which moment it was.
"""

import re
import string
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from consoles.escapes import Plain, plain
from consoles.recordings.segments import Opened, segments

BLOCK = 64 * 1024
OVERLAP = 4096  # where a line is longer than a block, a text may lie across the cut
SECONDS = 2.0
HITS = 50
SHOWN = 300  # characters of a line
LONGEST_QUERY = 200


@dataclass(frozen=True)
class Hit:
    """A line with the text, of `slot`, printed `at` (unix seconds), with the lines around it."""

    slot: int
    at: float
    line: str
    before: str
    after: str


@dataclass(frozen=True)
class Found:
    """Hits, newest first. `older` goes on where time or room ended, None when everything was looked through;
    `reached` is the time (unix seconds) back to which it was."""

    hits: list[Hit]
    older: str | None
    reached: float | None


def search(
    directories: Mapping[int, Path], query: str, older: str = "", *, hits: int = HITS, seconds: float = SECONDS
) -> Found:
    """Look for `query` in the recordings of some slots, for about `seconds` at most (a block more). Blocks for that
    time. Raises ValueError for an empty query and for an `older` that no search said."""
    needle = query.casefold()
    if not needle.strip() or len(query) > LONGEST_QUERY:
        raise ValueError(f"Search for a text of 1 to {LONGEST_QUERY} characters.")
    places = _parse(older)
    trails = [_Trail(slot, path, needle, places.get(slot)) for slot, path in directories.items()]
    deadline = time.monotonic() + seconds
    found: list[Hit] = []
    steps = 0
    try:
        while True:
            open_trails = [trail for trail in trails if trail.newest is not None]
            if not open_trails:
                return Found(found, None, None)
            newest = max(open_trails, key=lambda trail: trail.newest or 0.0)
            # Late, but not before a block of each has been looked through and what was found in it told: it goes on.
            late = steps >= len(trails) and not newest.has_hits and time.monotonic() > deadline
            if len(found) >= hits or late:
                return Found(found, ",".join(trail.place() for trail in trails), newest.newest)
            hit = newest.step()
            steps += hit is None
            if hit is not None:
                found.append(hit)
    finally:
        for trail in trails:
            trail.close()


@dataclass(frozen=True)
class _Place:
    """Where a trail goes on: before `end` of a segment, with what lies at `below` or after it known already."""

    segment: int
    end: int
    below: int


class _Trail:
    """One slot's recording, looked through backwards."""

    def __init__(self, slot: int, directory: Path, needle: str, place: _Place | None) -> None:
        self._slot, self._needle = slot, needle
        self._left = [s for s in segments(directory) if place is None or s.number <= place.segment]
        self._opened: Opened | None = None
        self._end = self._below = 0
        self._waiting: deque[tuple[int, Hit]] = deque()  # found and not told yet, with the byte that they end at
        self._told = _Place(0, 0, 0)
        self.newest: float | None = None
        self._next_segment()
        if place is not None and self._opened is not None and self._opened.segment.number == place.segment:
            self._end, self._below = min(place.end, self._opened.raw_size), place.below
        self._look()

    @property
    def has_hits(self) -> bool:
        return bool(self._waiting)

    def place(self) -> str:
        """Where another search goes on."""
        here = self._told if self._waiting else self._here()
        return f"{self._slot}:{here.segment}-{here.end}-{here.below}"

    def _here(self) -> _Place:
        if self._opened is None:
            return _Place(0, 0, 0)
        return _Place(self._opened.segment.number, self._end, self._below)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def step(self) -> Hit | None:
        """Tell the next hit if one is waiting, else look through another block."""
        if not self._waiting:
            self._told = self._here()
            self._scan()
            self._look()
            return None
        below, hit = self._waiting.popleft()
        self._told = _Place(self._told.segment, self._told.end, below)
        self._look()
        return hit

    def _look(self) -> None:
        """Set `newest`: the time of what comes next."""
        while not self._waiting and self._opened is not None and self._end == 0:
            self._next_segment()
        if self._waiting:
            self.newest = self._waiting[0][1].at
        elif self._opened is not None:
            self.newest = self._opened.entry(self._opened.number_of(self._end - 1))[0]
        else:
            self.newest = None

    def _next_segment(self) -> None:
        self.close()
        self._opened = None
        while self._left and self._opened is None:
            with suppress(FileNotFoundError):
                self._opened = Opened(self._left.pop())
        if self._opened is not None:
            self._end = self._below = self._opened.raw_size

    def _scan(self) -> None:
        assert self._opened is not None
        begin = max(0, self._end - BLOCK)
        raw = self._opened.data(begin, self._end)
        line = raw.find(b"\n") + 1 if begin else 0
        if begin and 0 < line < len(raw):
            begin, raw, cut = begin + line, raw[line:], False
        else:
            cut = begin > 0
        self._end = begin + OVERLAP if cut and begin + OVERLAP < self._end else begin
        if _may_have(self._needle, raw):
            hits, first = self._hits(self._opened, begin, raw)
            self._waiting.extend(reversed(hits))
            self._end = max(self._end, first)
        if self._waiting:
            self._below = min(self._below, self._waiting[-1][0])

    def _hits(self, opened: Opened, begin: int, raw: bytes) -> tuple[list[tuple[int, Hit]], int]:
        """The newest lines with the text, oldest first, each with the byte at which the text ends; and before which
        byte there are more in this block, 0 if there are not."""
        lines, starts = plain(raw.decode("utf-8", "replace")).split("\n"), _starts(raw)
        fitting = [number for number, line in enumerate(lines) if self._needle in line.casefold()]
        shown = fitting[-HITS:]
        found = []
        for number in shown:
            first = starts[number]
            last = starts[number + 1] - 1 if number + 1 < len(starts) else len(raw)
            byte = begin + first + _end_of(self._needle, raw[first:last])
            if byte >= self._below:
                continue
            at = opened.entry(min(opened.number_of(byte), opened.count - 1))[0]
            before = lines[number - 1] if number else ""
            after = lines[number + 1] if number + 1 < len(lines) else ""
            line = _around(lines[number], self._needle)
            found.append((byte, Hit(self._slot, at, line, before[:SHOWN], after[:SHOWN])))
        return found, begin + starts[shown[0]] if len(fitting) > len(shown) else 0


def _may_have(needle: str, raw: bytes) -> bool:
    """Whether a block has the text: in bytes where that is the same, which is ten times as fast."""
    if not needle.isascii() or _ONE_CHARACTER_CONTROL.search(raw):
        return needle in plain(raw.decode("utf-8", "replace")).casefold()
    if b"\x1b" in raw:
        raw = _SEQUENCE.sub(b"", raw)
    return needle.encode() in raw.translate(_LOWER, _CONTROLS)


_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]{0,60}[ -/]{0,3}[@-~]|[\]PX^_][^\x00-\x1f\x7f]*(?:\x07|\x1b\\)?|[ -/]{0,3}[0-~])"
)
_ONE_CHARACTER_CONTROL = re.compile(rb"\xc2[\x80-\x9f]")
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r")) + b"\x7f"
_LOWER = bytes.maketrans(b"\r" + string.ascii_uppercase.encode(), b" " + string.ascii_lowercase.encode())


def _starts(raw: bytes) -> list[int]:
    """Where the lines of a block begin."""
    starts, at = [0], raw.find(b"\n")
    while at >= 0:
        starts.append(at + 1)
        at = raw.find(b"\n", at + 1)
    return starts


def _end_of(needle: str, line: bytes) -> int:
    """The byte of a line at which the text ends: that of the shortest beginning of the line that has it."""

    def has(length: int) -> bool:
        return needle in Plain().feed(line[:length].decode("utf-8", "ignore")).casefold()

    return max(0, min(bisect_left(range(len(line) + 1), True, key=has), len(line)) - 1)


def _around(line: str, needle: str) -> str:
    """As much of a line as is shown, with the text in it."""
    at = line.casefold().find(needle)
    begin = max(0, at - SHOWN // 3) if len(line) > SHOWN else 0
    return line[begin : begin + SHOWN]


def _parse(older: str) -> dict[int, _Place]:
    places = {}
    for part in filter(None, older.split(",")):
        slot, _, rest = part.partition(":")
        numbers = rest.split("-")
        if not slot.isdecimal() or len(numbers) != 3 or not all(n.isdecimal() and len(n) < 20 for n in numbers):
            raise ValueError("This is no place to go on searching from.")
        places[int(slot)] = _Place(*map(int, numbers))
    return places
