"""The segment that is being written: three files that grow together, repaired before they grow on."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from consoles.recordings.segments import ENTRY, SUFFIXES, Segment, segments, whole_entries

OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(frozen=True)
class Piece:
    """What becomes one record: bytes of the port, or a marker as a line of JSON."""

    at: float
    data: bytes = b""
    mark: bytes = b""


class Growing:
    """A segment open for writing. Every method raises OSError as the disk does; after a failed `write` the files are
    as they were before it."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._files: list[int] = []
        try:
            for suffix in SUFFIXES:
                self._files.append(os.open(segment.path(suffix), OPEN_FLAGS, 0o600))
            self._raw, self._marks, self._index = self._files
            self._repair()
        except OSError:
            self.close()
            raise

    def _repair(self) -> None:
        """Cut off what is not whole; bytes that no entry names yet get one, of the time at which they were written."""
        count = whole_entries(self._index, self._raw, self._marks)
        os.ftruncate(self._index, count * ENTRY.size)
        last = os.pread(self._index, ENTRY.size, (count - 1) * ENTRY.size) if count else b""
        self.last_at, self._end, self._mark_end = ENTRY.unpack(last) if count else (0.0, 0, 0)
        os.ftruncate(self._marks, self._mark_end)
        status = os.fstat(self._raw)
        self.size = status.st_size + self._mark_end + count * ENTRY.size
        if status.st_size > self._end:
            self._end = status.st_size
            self._add_entries([(max(self.last_at, status.st_mtime), self._end, self._mark_end)])
        self.ends_line = self._end == 0 or os.pread(self._raw, 1, self._end - 1) == b"\n"

    def write(self, pieces: list[Piece]) -> None:
        """Append the pieces in one write per file. None is older than `last_at`."""
        ends = self._end, self._mark_end
        entries = []
        data = b"".join(piece.data for piece in pieces)
        for piece in pieces:
            ends = ends[0] + len(piece.data), ends[1] + len(piece.mark)
            entries.append((piece.at, *ends))
        try:
            _write(self._raw, data)
            _write(self._marks, b"".join(piece.mark for piece in pieces))
            self._add_entries(entries)
        except OSError:
            self._undo()
            raise
        self.ends_line = data.endswith(b"\n") if data else self.ends_line
        self.size += ends[0] - self._end + ends[1] - self._mark_end
        self._end, self._mark_end = ends

    def _add_entries(self, entries: list[tuple[float, int, int]]) -> None:
        _write(self._index, b"".join(ENTRY.pack(*entry) for entry in entries))
        self.last_at = entries[-1][0]
        self.size += len(entries) * ENTRY.size

    def _undo(self) -> None:
        """Take back what a full disk let through of a write."""
        whole = os.fstat(self._index).st_size // ENTRY.size
        while whole:
            _, end, mark_end = ENTRY.unpack(os.pread(self._index, ENTRY.size, (whole - 1) * ENTRY.size))
            if end <= self._end and mark_end <= self._mark_end:
                break
            whole -= 1
        os.ftruncate(self._index, whole * ENTRY.size)
        os.ftruncate(self._raw, self._end)
        os.ftruncate(self._marks, self._mark_end)

    def sync(self) -> None:
        """Bring it to the disk. Blocks as long as the disk takes."""
        for descriptor in self._files:
            os.fdatasync(descriptor)

    def close(self) -> None:
        while self._files:
            with suppress(OSError):
                os.close(self._files.pop())


def _write(descriptor: int, data: bytes) -> None:
    """All of `data`, or OSError: a file takes less than all of it only when the disk is full."""
    while data:
        data = data[os.write(descriptor, data) :]


def newest(directory: Path) -> Segment | None:
    """The last segment there, None if there is none."""
    found = segments(directory)
    return found[-1] if found else None


def make_room(directory: Path, allowed: int, keep: Segment | None, not_before: float) -> None:
    """Delete the oldest segments until all take at most `allowed` bytes, and those whose last write is before
    `not_before` (unix seconds); never `keep`. Then the leavings of a deletion that a crash cut short."""
    found = segments(directory)
    sizes = {segment: segment.size() for segment in found}
    total = sum(sizes.values())
    for segment in found:
        if segment == keep:
            continue
        if total > allowed or _last_write(segment) < not_before:
            segment.remove()
            total -= sizes[segment]
    _sweep(directory)


def _last_write(segment: Segment) -> float:
    return segment.path(".raw").stat().st_mtime


def _sweep(directory: Path) -> None:
    there = {segment.number for segment in segments(directory)}
    for path in directory.iterdir():
        if path.suffix in SUFFIXES and path.stem.isdigit() and int(path.stem) not in there:
            path.unlink(missing_ok=True)
