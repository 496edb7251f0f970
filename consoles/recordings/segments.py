"""The files of a recording: names, the index, and what of them is whole."""

import os
import struct
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: unix seconds, end in `.raw`, end in `.marks`; a record makes one of the two ends grow, none of the three shrinks.
ENTRY = struct.Struct("<dQQ")
SUFFIXES = (".raw", ".marks", ".idx")


@dataclass(frozen=True)
class Record:
    """One read of the port (`start` to `end` in `.raw`) or one marker (`mark_start` to `mark_end` in `.marks`)."""

    number: int
    at: float
    start: int
    end: int
    mark_start: int
    mark_end: int

    @property
    def is_marker(self) -> bool:
        return self.mark_end > self.mark_start


@dataclass(frozen=True, order=True)
class Segment:
    """The files of one segment; `number` says which came first, whatever the clock said."""

    directory: Path
    number: int

    def path(self, suffix: str) -> Path:
        return self.directory / f"{self.number:08d}{suffix}"

    def size(self) -> int:
        """Bytes on disk, all files together; 0 for files that are gone."""
        total = 0
        for suffix in SUFFIXES:
            with suppress(FileNotFoundError):
                total += self.path(suffix).stat().st_size
        return total

    def remove(self) -> None:
        """Delete it; a reader that is in it reads to its end or finds it gone."""
        for suffix in SUFFIXES:
            self.path(suffix).unlink(missing_ok=True)


def segments(directory: Path) -> list[Segment]:
    """The segments in `directory`, oldest first; none if there is no such directory."""
    found = []
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            stem, _, suffix = entry.name.partition(".")
            if suffix == "raw" and stem.isdigit():
                found.append(Segment(directory, int(stem)))
    return sorted(found)


class Opened:
    """A segment open for reading, as far as it was whole when it was opened. Close it, or use it in a `with`.

    Nothing is kept in memory: entries and bytes are read where they lie. Raises FileNotFoundError if it is gone.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._files: list[int] = []
        try:
            # The index first: what it names has been written to the other two before.
            for suffix in reversed(SUFFIXES):
                self._files.append(os.open(segment.path(suffix), os.O_RDONLY | os.O_CLOEXEC))
            self._index, self._marks, self._raw = self._files
            self.count = whole_entries(self._index, self._raw, self._marks)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def entry(self, number: int) -> tuple[float, int, int]:
        """Time and ends of a record; of the one before the first, all zero."""
        if number < 0:
            return 0.0, 0, 0
        return ENTRY.unpack(os.pread(self._index, ENTRY.size, number * ENTRY.size))

    def record(self, number: int) -> Record:
        """The record of that number, 0 to `count` - 1."""
        _, start, mark_start = self.entry(number - 1)
        at, end, mark_end = self.entry(number)
        return Record(number, at, start, end, mark_start, mark_end)

    def records(self, first: int = 0) -> Iterator[Record]:
        """The records from `first` on."""
        _, start, mark_start = self.entry(first - 1)
        for begin in range(first, self.count, 1024):
            wanted = min(1024, self.count - begin)
            read = os.pread(self._index, wanted * ENTRY.size, begin * ENTRY.size)
            for number, (at, end, mark_end) in enumerate(ENTRY.iter_unpack(read), begin):
                yield Record(number, at, start, end, mark_start, mark_end)
                start, mark_start = end, mark_end

    @property
    def first_at(self) -> float:
        return self.entry(0)[0]

    @property
    def last_at(self) -> float:
        return self.entry(self.count - 1)[0]

    @property
    def raw_size(self) -> int:
        return self.entry(self.count - 1)[1]

    @property
    def marks_size(self) -> int:
        return self.entry(self.count - 1)[2]

    def number_at(self, at: float) -> int:
        """The first record that is not older than `at` (unix seconds); `count` if there is none."""
        return bisect_left(range(self.count), at, key=lambda number: self.entry(number)[0])

    def number_of(self, offset: int) -> int:
        """The record that holds the byte at `offset` of `.raw`; `count` if there is none."""
        return bisect_left(range(self.count), offset + 1, key=lambda number: self.entry(number)[1])

    def data(self, start: int, end: int) -> bytes:
        """Bytes of `.raw`."""
        return os.pread(self._raw, max(0, end - start), start)

    def marks(self, start: int, end: int) -> bytes:
        """Bytes of `.marks`."""
        return os.pread(self._marks, max(0, end - start), start)


def open_all(directory: Path, *, first: int = 0) -> Iterator[Opened]:
    """The segments from number `first` on, one after the other, oldest first, each closed when the next is taken;
    those without a record, and those deleted meanwhile, are passed over."""
    for segment in segments(directory):
        if segment.number < first:
            continue
        with suppress(FileNotFoundError), Opened(segment) as opened:
            if opened.count:
                yield opened


def whole_entries(index: int, raw: int, marks: int) -> int:
    """How many entries of the open `index` are whole and name what is there: after a crash or a power failure its
    end may be cut short, be zero, or name what never reached the disk."""
    raw_size, marks_size = os.fstat(raw).st_size, os.fstat(marks).st_size
    count = os.fstat(index).st_size // ENTRY.size
    while count:
        at, end, mark_end = ENTRY.unpack(os.pread(index, ENTRY.size, (count - 1) * ENTRY.size))
        if at > 0 and end <= raw_size and mark_end <= marks_size:
            break
        count -= 1
    return count
