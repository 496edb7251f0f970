"""An image cut into pieces, and the memory that they pass through: a fixed number of buffers, whatever the image."""

import mmap
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from hardware.flash.blockmap import BlockMap

PIECE_BYTES = 1024**2
ZERO_PIECE_BYTES = 16 * 1024**2  # these take no memory
HEAD_BYTES = 1024**2  # what is written last: partition table and boot loader


class Span(NamedTuple):
    """A stretch of the image within one range of its map."""

    offset: int
    length: int
    is_zeros: bool

    @property
    def end(self) -> int:
        return self.offset + self.length


class Pool:
    """Page-aligned buffers of PIECE_BYTES, handed round. Its users see to locking."""

    def __init__(self, count: int) -> None:
        self.count = count
        memory = page_aligned(count * PIECE_BYTES)
        self.free = deque(memory[index * PIECE_BYTES :][:PIECE_BYTES] for index in range(count))


class Piece:
    """A span with its bytes in a buffer (none for zeros), which goes back to its pool after the last user."""

    __slots__ = ("_pool", "buffer", "span", "users")

    def __init__(self, span: Span, buffer: memoryview | None, pool: Pool) -> None:
        self.span = span
        self.buffer = buffer
        self.users = 0
        self._pool = pool

    @property
    def data(self) -> memoryview | None:
        return None if self.buffer is None else self.buffer[: self.span.length]

    def release(self) -> None:
        """One user less."""
        self.users -= 1
        if self.users <= 0 and self.buffer is not None:
            self._pool.free.append(self.buffer)


def head_spans(block_map: BlockMap) -> Iterator[Span]:
    """What the map has of the image's first HEAD_BYTES."""
    for extent in block_map.extents:
        if extent.offset < HEAD_BYTES:
            yield Span(extent.offset, min(extent.end, HEAD_BYTES) - extent.offset, extent.is_zeros)


def body_spans(block_map: BlockMap, start: int = 0) -> Iterator[Span]:
    """The rest, from `start` on, cut so that the same image gives the same pieces every time."""
    for extent in block_map.extents:
        step = ZERO_PIECE_BYTES if extent.is_zeros else PIECE_BYTES
        offset = max(extent.offset, HEAD_BYTES)
        while offset < extent.end:
            end = min(extent.end, offset - offset % step + step)
            if offset >= start:
                yield Span(offset, end - offset, extent.is_zeros)
            offset = end


def page_aligned(length: int) -> memoryview:
    """New memory for a target that is written or read past the cache."""
    return memoryview(mmap.mmap(-1, length))
