"""Writes one image to several targets at once: one reader and one decoder, a thread for each target.

What is between them is bounded: POOL_PIECES buffers of 1 MiB. A target that holds the others up for longer than they
should wait falls behind, and a second pass over the image brings it what is missing, at its own speed.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.contracts import BlockTarget
from hardware.errors import HardwareError, ImageTruncated, Stopped, TargetTooSmall
from hardware.flash.blockmap import BlockMap
from hardware.flash.image import ImageReader
from hardware.flash.lanes import Errand, Lane
from hardware.flash.pieces import HEAD_BYTES, Piece, Pool, body_spans, page_aligned
from hardware.flash.progress import Phase, Progress
from hardware.flash.sinks import ChecksumSink, Contents, Finish, TargetSink

POOL_PIECES = 16
LATE_POOL_PIECES = 8
LATE_WINDOW_BYTES = 16 * 1024**2  # a decoder that needs more is not run twice at once
PATIENCE_SECONDS = 3.0  # that the others wait for a slow target in all, and
PATIENCE_SHARE = 0.1  # this share of the time so far
CANCEL_SECONDS = 0.7  # what a write under way is given to end after a cancel
STALL_SECONDS = 180.0  # a target that does not answer for so long has failed
LOOK_SECONDS = 0.1
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class FlashJob:
    """One target of a flash. Setting `stop` ends this one alone; `verifies` reads it back afterwards.

    `finish` is called with the target once the image is on it and verified, in a thread of its own for each target, so
    that a slow one delays no other. It may write and read; its HardwareError ends this target as failed. A cancel
    reaches it as Stopped from its next access.
    """

    target: BlockTarget
    stop: threading.Event
    verifies: bool = True
    finish: Finish | None = None


@dataclass(frozen=True)
class Outcome:
    """How one target ended. `state` is "done", "failed" or "cancelled"; `error` says why if it is not "done".

    `contents` is what the target holds: "untouched", "unknown", "unverified" (the image was written, and not read back
    as a whole) or "image" (it was, and is right). `may_boot`: something may be started from it; False if its head is
    blank, as it is while the image is being written. `is_stuck`: its last access has not come back from the kernel yet;
    it must not be closed as long as this process lives, or what opens next would take its number.
    """

    state: Phase
    error: HardwareError | None
    contents: Contents
    may_boot: bool
    written_bytes: int
    write_seconds: float
    verify_seconds: float
    is_stuck: bool


def flash(
    image: Path,
    block_map: BlockMap,
    jobs: Sequence[FlashJob],
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[tuple[Progress, ...]], None] = lambda progress: None,
    on_end: Callable[[int, Outcome], None] = lambda index, outcome: None,
    patience_seconds: float = PATIENCE_SECONDS,
    stall_seconds: float = STALL_SECONDS,
) -> tuple[Outcome, ...]:
    """Writes the image to all targets and verifies them; returns how each ended, in the order of `jobs`.

    Blocks until all have ended; within a second of `stop`. `on_progress` is called in this thread, twice a second and
    once at the end, with the progress of each, `on_end` as soon as a target has ended, with its place among `jobs`;
    what they raise cancels everything and is raised here.

    Raises TargetTooSmall if the image does not fit on one of them, ImageError if its first MiB cannot be read: nothing
    was written then. All that happens later to a target is in its outcome. Does not close the targets.
    """
    for job in jobs:
        if job.target.size_bytes < block_map.size_bytes:
            raise TargetTooSmall(
                f"The image has {block_map.size_bytes:,} bytes and {job.target.name} only {job.target.size_bytes:,}."
            )
    run = _Run(image, block_map, jobs, stop or threading.Event(), patience_seconds, stall_seconds)
    return run.go(on_progress, on_end)


class _NobodyLeft(Exception):
    """All lanes of a pass have ended or fallen behind."""


class _Pass:
    """One way through the image, from `start` on, for some lanes; `checks` is the one that holds it against its map."""

    def __init__(self, run: "_Run", lanes: list[Lane], checks: Lane | None, pool: Pool, start: int) -> None:
        self._run = run
        self._changed = run.changed
        self._lanes = lanes
        self._checks = checks
        self._pool = pool
        self._start = start
        self._began_at = time.monotonic()
        self.is_over = False
        self._errand = Errand("image reader", self._work, self._ended)
        self._errand.start()

    def _work(self) -> None:
        with ImageReader(self._run.image) as reader:
            for span in body_spans(self._run.block_map, self._start):
                buffer = None if span.is_zeros else self._take_buffer()
                if buffer is not None:
                    reader.skip_to(span.offset, self._raise_if_pointless)
                    if reader.readinto(buffer[: span.length]) < span.length:
                        raise ImageTruncated(f"The image is cut short: it ends at {reader.position:,} bytes.")
                self._hand_out(Piece(span, buffer, self._pool))
            # The checksums of packed formats come at the very end, after all data.
            reader.skip_to(self._run.block_map.size_bytes, self._raise_if_pointless)
            reader.raise_unless_at_end()
        self._await_checks()

    def _take_buffer(self) -> memoryview:
        with self._changed:
            while not self._pool.free:
                self._raise_if_pointless()
                before = time.monotonic()
                self._changed.wait(LOOK_SECONDS)
                self._blame(time.monotonic() - before)
            return self._pool.free.popleft()

    def _hand_out(self, piece: Piece) -> None:
        self._raise_if_pointless()
        with self._changed:
            piece.users += 1  # ours, so that it is not gone before all have got it
            for lane in (*self._lanes, *([self._checks] if self._checks else [])):
                lane.give(piece)
            piece.release()

    def _blame(self, seconds: float) -> None:
        """Whoever holds most of the buffers while another target has nothing to do holds it up, and not for long."""
        live = [lane for lane in self._lanes if not lane.finished]
        slowest = max(live, key=lambda lane: lane.held_buffers, default=None)
        if not slowest or slowest.held_buffers < self._pool.count // 2 or not any(lane.is_idle for lane in live):
            return
        slowest.held_up_seconds += seconds
        elapsed = time.monotonic() - self._began_at
        if slowest.held_up_seconds > self._run.patience_seconds + PATIENCE_SHARE * elapsed:
            slowest.fall_behind()
            self._lanes.remove(slowest)
            self._run.behind.append(slowest)

    def _raise_if_pointless(self) -> None:
        if self._checks and self._checks.error:
            raise self._checks.error
        if all(lane.finished or lane.cancelled_at is not None for lane in self._lanes):
            raise _NobodyLeft

    def _await_checks(self) -> None:
        """Nobody's head is written before all of the image has been held against its map."""
        with self._changed:
            if self._checks:
                self._checks.complete()
                while not self._checks.finished:
                    self._changed.wait()
        if self._checks and self._checks.error:
            raise self._checks.error

    def _ended(self) -> None:
        with self._changed:
            self.is_over = True
            for lane in self._lanes:
                if self._errand.error is None:
                    lane.complete()
                elif not isinstance(self._errand.error, _NobodyLeft):
                    lane.fail(self._errand.error)
            if self._checks:
                self._checks.cancel(Stopped("The flash"))
            self._changed.notify_all()


class _Run:
    """One flash: lanes, passes, and the thread that called us, which watches over both."""

    def __init__(
        self,
        image: Path,
        block_map: BlockMap,
        jobs: Sequence[FlashJob],
        stop: threading.Event,
        patience_seconds: float,
        stall_seconds: float,
    ) -> None:
        self.image = image
        self.block_map = block_map
        self.changed = threading.Condition()
        self.behind: list[Lane] = []
        self.patience_seconds = patience_seconds
        self._stall_seconds = stall_seconds
        self._stop = stop
        self._jobs = jobs
        self._passes: list[_Pass] = []
        head = page_aligned(HEAD_BYTES)
        with ImageReader(image) as reader:
            self._may_read_twice = reader.decoder_window_bytes <= LATE_WINDOW_BYTES
            reader.readinto(head)
        self._sinks = [TargetSink(job.target, block_map, head, job.verifies, job.finish) for job in jobs]
        self._lanes = [
            Lane(f"writer of {job.target.name}", sink, self.changed)
            for job, sink in zip(jobs, self._sinks, strict=True)
        ]
        self._checks = Lane("checksums", ChecksumSink(block_map, head), self.changed)

    def go(
        self, on_progress: Callable[[tuple[Progress, ...]], None], on_end: Callable[[int, Outcome], None]
    ) -> tuple[Outcome, ...]:
        self._begin()
        try:
            self._watch(on_progress, on_end)
        finally:
            with self.changed:
                for lane in self._lanes:
                    lane.cancel(Stopped("The flash"))  # those that have ended do not mind
                self.changed.wait_for(self._all_over, CANCEL_SECONDS)
        on_progress(self._progress())
        self._raise_what_nobody_expected()
        return tuple(self._outcome(lane, sink) for lane, sink in zip(self._lanes, self._sinks, strict=True))

    def _watch(
        self, on_progress: Callable[[tuple[Progress, ...]], None], on_end: Callable[[int, Outcome], None]
    ) -> None:
        reported_at, told = 0.0, set[int]()
        while not self._all_over():
            self._cancel_lanes()
            self._tell_who_ended(told, on_end)
            self._begin_late_pass()
            if time.monotonic() - reported_at >= REPORT_SECONDS:
                on_progress(self._progress())
                reported_at = time.monotonic()
            with self.changed:
                self.changed.wait(LOOK_SECONDS)

    def _tell_who_ended(self, told: set[int], on_end: Callable[[int, Outcome], None]) -> None:
        """Not of those that ended by a fault of ours, which is raised at the end."""
        for index, (lane, sink) in enumerate(zip(self._lanes, self._sinks, strict=True)):
            expected = lane.error is None or isinstance(lane.error, HardwareError)
            if index not in told and expected and self._is_over(lane):
                told.add(index)
                on_end(index, self._outcome(lane, sink))

    def _begin(self) -> None:
        for lane, sink in zip(self._lanes, self._sinks, strict=True):
            sink.target.raise_if_cancelled = lane.raise_if_cancelled
            lane.start()
        self._checks.start()
        self._passes.append(_Pass(self, list(self._lanes), self._checks, Pool(POOL_PIECES), 0))

    def _begin_late_pass(self) -> None:
        """For all that have fallen behind by now; one at a time, so that memory stays bounded."""
        with self.changed:
            self._passes = [one for one in self._passes if not one.is_over]
            late = [lane for lane in self.behind if not lane.finished]
            if late and len(self._passes) < (2 if self._may_read_twice else 1):
                self.behind.clear()
                start = min(lane.wanted_from for lane in late)
                self._passes.append(_Pass(self, late, None, Pool(LATE_POOL_PIECES), start))

    def _cancel_lanes(self) -> None:
        """Those that are told to stop, and those whose target, and not we, has had its last access for too long.

        What has once been given up is given up: if the target comes back after all, it is left alone.
        """
        now = time.monotonic()
        with self.changed:
            for job, lane, sink in zip(self._jobs, self._lanes, self._sinks, strict=True):
                if self._stop.is_set() or job.stop.is_set():
                    lane.cancel(Stopped("The flash"))
                elif not lane.is_idle and now - sink.target.active_at > self._stall_seconds:
                    lane.cancel(sink.target.silence(self._stall_seconds))

    def _all_over(self) -> bool:
        return all(self._is_over(lane) for lane in self._lanes)

    def _is_over(self, lane: Lane) -> bool:
        """It has ended, or was cancelled and cannot be waited for."""
        cancelled_at = lane.cancelled_at
        return lane.finished or (cancelled_at is not None and time.monotonic() - cancelled_at > CANCEL_SECONDS)

    def _progress(self) -> tuple[Progress, ...]:
        return tuple(
            sink.progress(self._state(lane) if self._is_over(lane) else None, lane.is_behind)
            for lane, sink in zip(self._lanes, self._sinks, strict=True)
        )

    def _error(self, lane: Lane) -> Exception | None:
        return lane.error if lane.finished else lane.cancelled_because

    def _state(self, lane: Lane) -> Phase:
        error = self._error(lane)
        return "done" if not error else "cancelled" if isinstance(error, Stopped) else "failed"

    def _outcome(self, lane: Lane, sink: TargetSink) -> Outcome:
        error = self._error(lane)
        return Outcome(
            state=self._state(lane),
            error=error if isinstance(error, HardwareError) else None,
            contents=sink.contents,
            may_boot=sink.may_boot,
            written_bytes=sink.written_bytes,
            write_seconds=sink.write_seconds,
            verify_seconds=sink.verify_seconds,
            is_stuck=not lane.finished,
        )

    def _raise_what_nobody_expected(self) -> None:
        for lane in self._lanes:
            if lane.error and not isinstance(lane.error, HardwareError):
                raise lane.error
