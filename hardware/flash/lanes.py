"""One thread for each target, and what it has yet to write.

A lane is given pieces by a pass (`writer`) and writes them in its own time. One condition guards the lanes and passes
of a flash; nothing blocks while holding it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hardware.errors import HardwareError
from hardware.flash.pieces import Piece


class Sink(Protocol):
    """Where a lane's pieces go. All of it runs in the lane's thread, in this order."""

    def begin(self) -> None: ...

    def put(self, piece: Piece) -> None: ...

    def end(self) -> None:
        """Called once everything was put."""
        ...


class Errand(threading.Thread):
    """Work in a thread of its own that keeps the error it ended with, whatever it was, for whoever waits for it."""

    def __init__(self, name: str, work: Callable[[], None], ended: Callable[[], None]) -> None:
        # Not waited for at exit: a write may be stuck in the kernel for as long as a dead cable keeps it.
        super().__init__(name=name, daemon=True)
        self._work = work
        self._ended = ended
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.error = error
        finally:
            self._ended()


class Lane:
    """A queue of pieces and the thread that empties it into a sink.

    Attributes (read under the condition):
        wanted_from: pieces before this offset are with the lane, or already through it.
        held_buffers: buffers that cannot be used again before this lane is done with them.
        is_idle: it waits for a piece.
        held_up_seconds: how long others had nothing to do because of it; counted by the pass.
        cancelled_at, cancelled_because: when it was (monotonic), and the error that it then ends with.
        finished: its thread has ended; `error` is what with, if not well.
    """

    def __init__(self, name: str, sink: Sink, changed: threading.Condition) -> None:
        self._sink = sink
        self._changed = changed
        self._queue: deque[Piece] = deque()
        self._complete = False
        self._failure: Exception | None = None
        self.wanted_from = 0
        self.held_buffers = 0
        self.is_idle = False
        self.is_behind = False
        self.held_up_seconds = 0.0
        self.finished = False
        self.cancelled_at: float | None = None
        self.cancelled_because: HardwareError | None = None
        self._errand = Errand(name, self._work, self._ended)

    @property
    def error(self) -> Exception | None:
        return self._errand.error

    def start(self) -> None:
        self._errand.start()

    # Called by others, under the condition

    def give(self, piece: Piece) -> None:
        """Adds a piece to the queue, if the lane can still use it."""
        if self.finished or piece.span.offset < self.wanted_from:
            return
        piece.users += 1
        self.held_buffers += piece.buffer is not None
        self._queue.append(piece)
        self.wanted_from = piece.span.end
        self._changed.notify_all()

    def complete(self) -> None:
        """There will be no more pieces, and those that there were are right."""
        self._complete = True
        self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """There will be no more pieces because of that."""
        self._failure = error
        self._changed.notify_all()

    def fall_behind(self) -> None:
        """Gives up what it has not begun to write; it wants that again, from another pass."""
        if self._queue:
            self.wanted_from = self._queue[0].span.offset
        self._drop_queue()
        self.is_behind = True

    def cancel(self, error: HardwareError) -> None:
        """It ends with that error before its next access to the target, unless it was cancelled before."""
        if self.cancelled_because is None:
            self.cancelled_at, self.cancelled_because = time.monotonic(), error
            self._changed.notify_all()

    # Its thread

    def raise_if_cancelled(self) -> None:
        if self.cancelled_because is not None:
            raise self.cancelled_because

    def _work(self) -> None:
        self._sink.begin()
        while piece := self._take():
            try:
                self._sink.put(piece)
            finally:
                with self._changed:
                    self._release(piece)
        self._sink.end()

    def _take(self) -> Piece | None:
        with self._changed:
            while True:
                self.raise_if_cancelled()
                if self._failure:
                    raise self._failure
                if self._queue:
                    return self._queue.popleft()
                if self._complete:
                    return None
                self.is_idle = True
                self._changed.wait()
                self.is_idle = False

    def _ended(self) -> None:
        with self._changed:
            self.finished = True
            self._drop_queue()
            self._changed.notify_all()

    def _drop_queue(self) -> None:
        while self._queue:
            self._release(self._queue.popleft())

    def _release(self, piece: Piece) -> None:
        self.held_buffers -= piece.buffer is not None
        piece.release()
        self._changed.notify_all()  # whoever waits for a buffer
