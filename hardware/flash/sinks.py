"""Where pieces of an image go: onto a target, and through the checksums of the block map."""

import contextlib
import time
from collections.abc import Callable
from typing import Literal

from hardware.contracts import BlockTarget
from hardware.errors import BlockMapInvalid, HardwareError, ImageCorrupt, Stopped, WriteError
from hardware.flash.blockmap import BlockMap, MapChecker
from hardware.flash.pieces import PIECE_BYTES, Piece, Span, head_spans, page_aligned
from hardware.flash.progress import Meter, Phase, Progress
from hardware.flash.verify import verify
from hardware.flash.watched import WatchedTarget

SYNC_SECONDS = 1.0  # so that what a disk holds in its own cache is never much
SYNC_BYTES = 8 * 1024**2  # at most so much waits in this machine's memory, where a target is written through its cache

Contents = Literal["untouched", "unknown", "unverified", "image"]
Finish = Callable[[BlockTarget], None]

_ZEROS = page_aligned(PIECE_BYTES)


class TargetSink:
    """Writes pieces to a target, reads them back if asked to, and has it finished by whoever wants to.

    The image's head, with partition table and boot loader, is blanked first and written last: whatever happens between,
    the target does not boot half an image. It is blanked again if what was written turns out to be wrong.

    Attributes:
        target: the target, under watch.
        contents: what the target holds now: nothing changed, nobody knows, the image as far as the device says, or
            the image as it was read back.
        may_boot: its head is neither blank nor taken to be.
        write_seconds, verify_seconds: how long each took, once it is over.
    """

    def __init__(
        self, target: BlockTarget, block_map: BlockMap, head: memoryview, verifies: bool, finish: Finish | None = None
    ) -> None:
        self.target = WatchedTarget(target)
        self._map = block_map
        self._head = head
        self._verifies = verifies
        self._finish = finish
        self._meter = Meter()
        self._phase: Phase = "waiting"
        self._done_bytes = 0
        self._unsynced_bytes = 0
        self._synced_at = 0.0
        self._total_bytes = block_map.data_bytes + (0 if target.clears else block_map.zero_bytes)
        self.contents: Contents = "untouched"
        self.may_boot = True
        self.written_bytes = 0
        self.write_seconds = 0.0
        self.verify_seconds = 0.0

    def begin(self) -> None:
        self._enter("writing")
        self._began_at = self._synced_at = time.monotonic()
        self.target.raise_if_cancelled()
        self.contents = "unknown"
        self._blank_head()

    def put(self, piece: Piece) -> None:
        if piece.data is None:
            self._put_zeros(piece.span)
        else:
            self.target.write(piece.span.offset, piece.data)
            self._count(piece.span.length)

    def end(self) -> None:
        self._sync()  # all else is on the device before it can boot
        try:
            self._write_head()
            if self._verifies:
                self._verify()
            if self._finish:
                self._have_finished(self._finish)
        except Stopped:
            raise  # nothing is wrong with what is there so far
        except HardwareError:
            self._withdraw()
            raise

    def progress(self, ended: Phase | None, is_behind: bool) -> Progress:
        """How far it is; `ended` is the phase that its lane has come to, if it has ended."""
        rate = self._meter.per_second
        left = self._total_bytes - self._done_bytes
        eta = left / rate if rate and not ended else None
        return Progress(ended or self._phase, self._done_bytes, self._total_bytes, rate, eta, is_behind and not ended)

    def _enter(self, phase: Phase) -> None:
        self._phase, self._meter, self._done_bytes = phase, Meter(), 0
        self._meter.note(time.monotonic(), 0)

    def _blank_head(self) -> None:
        for span in head_spans(self._map):
            self.target.write(span.offset, _ZEROS[: span.length])
        self.target.sync()
        self.may_boot = False

    def _put_zeros(self, span: Span) -> None:
        if self.target.clears and self.target.clear(span.offset, span.length):
            return
        if not self.target.clears:
            self._total_bytes = self._map.data_bytes + self._map.zero_bytes
        for offset in range(span.offset, span.end, PIECE_BYTES):
            length = min(PIECE_BYTES, span.end - offset)
            self.target.write(offset, _ZEROS[:length])
            self._count(length)

    def _count(self, length: int) -> None:
        """Progress is what is on the device: at once where there is no cache between, else with each sync."""
        self._unsynced_bytes += length
        if self.target.is_direct:
            self._note(length)
        overdue = self.target.active_at - self._synced_at >= SYNC_SECONDS
        if overdue or (self._unsynced_bytes >= SYNC_BYTES and not self.target.is_direct):
            self._sync()

    def _sync(self) -> None:
        self.target.sync()
        self._synced_at = self.target.active_at
        if not self.target.is_direct:
            self._note(self._unsynced_bytes)
        self._unsynced_bytes = 0

    def _note(self, length: int) -> None:
        self._done_bytes += length
        self.written_bytes += length
        self._meter.note(self.target.active_at, self._done_bytes)

    def _write_head(self) -> None:
        self.may_boot = True
        for span in head_spans(self._map):
            self.target.write(span.offset, self._head[span.offset : span.end])
            self._count(0 if span.is_zeros and self.target.clears else span.length)
        self._sync()
        self.contents = "unverified"
        self.write_seconds = time.monotonic() - self._began_at

    def _verify(self) -> None:
        self._enter("verifying")
        began = time.monotonic()
        self._total_bytes = self._map.data_bytes + self._map.zero_bytes
        verify(self.target, self._map, self._verified)
        self.contents = "image"
        self.verify_seconds = time.monotonic() - began

    def _verified(self, length: int) -> None:
        self._done_bytes += length
        self._meter.note(self.target.active_at, self._done_bytes)

    def _have_finished(self, finish: Finish) -> None:
        """How much that is nobody has said, so the figures stay at all of what came before."""
        self._phase, self._meter = "finishing", Meter()
        before, self.contents = self.contents, "unknown"
        finish(self.target)
        self.contents = before

    def _withdraw(self) -> None:
        """What is there is not what it should be, so it must not boot; if even that fails, it may."""
        self.contents = "unknown"
        with contextlib.suppress(WriteError, Stopped):
            self._blank_head()


class ChecksumSink:
    """Holds what comes out of the decoder against the block map, so that no damaged image ends as a bootable one."""

    def __init__(self, block_map: BlockMap, head: memoryview) -> None:
        self._checker = MapChecker(block_map)
        self._map = block_map
        self._head = head

    def begin(self) -> None:
        for span in head_spans(self._map):
            self._feed(span, self._head[span.offset : span.end])

    def put(self, piece: Piece) -> None:
        if piece.data is not None:
            self._feed(piece.span, piece.data)

    def end(self) -> None:
        pass

    def _feed(self, span: Span, data: memoryview) -> None:
        try:
            self._checker.feed(data, span.offset)
        except BlockMapInvalid as error:
            raise ImageCorrupt("The stored image is not what it was when it was taken in: delete it.") from error
