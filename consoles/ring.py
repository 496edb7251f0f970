"""The newest entries of one console, shared by all who watch it in this process. Pure."""

from bisect import bisect_right
from collections.abc import Sequence

from consoles.frames import Frame, next_frame
from consoles.journal import Cursor, Entry

RING_BYTES = 262_144
RING_ENTRIES = 4096


class Ring:
    """Every entry of `epoch` behind `base`, up to `end`; the oldest are dropped beyond 256 KiB or 4096 entries.

    Viewers who are equally far get the very same frame, which is made once.
    """

    def __init__(self, epoch: str, base: Cursor) -> None:
        self.epoch, self.base, self.end = epoch, base, base
        self._entries: list[Entry] = []
        self._places: list[tuple[int, int]] = []
        self._bytes = 0
        self._made: dict[Cursor, Frame] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        """Append what came next."""
        self._entries += entries
        self._places += [(entry.cursor.offset, entry.cursor.n) for entry in entries]
        self._bytes += sum(len(entry.data) for entry in entries)
        self._made.clear()
        if entries:
            self.end = entries[-1].cursor
        if self._bytes > RING_BYTES or len(self._entries) > RING_ENTRIES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Down to three quarters, so that it is not done for each entry."""
        count = 0
        while self._bytes > RING_BYTES * 3 // 4 or len(self._entries) - count > RING_ENTRIES * 3 // 4:
            self._bytes -= len(self._entries[count].data)
            count += 1
        self.base = self._entries[count - 1].cursor
        del self._entries[:count]
        del self._places[:count]

    def frame(self, cursor: Cursor) -> Frame | None:
        """What a viewer at `cursor`, which must not lie before `base`, gets next; None if there is no more."""
        if cursor >= self.end:
            return None
        frame = self._made.get(cursor)
        if frame is None:
            index = bisect_right(self._places, (cursor.offset, cursor.n))
            frame = self._made[cursor] = next_frame(self._entries, index, cursor)
        return frame
