"""What the daemon's first thread waits for: descriptors, and other threads that want something done on it."""

import os
import select
from collections import deque
from collections.abc import Callable

#: Called with the events that came.
Ready = Callable[[int], None]
READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Watch:
    """An epoll, an inbox, and the way to wake whoever waits. Only `post` may be called by other threads."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._inbox: deque[Callable[[], None]] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.add(self._bell, READ, lambda events: self._empty_inbox())

    def add(self, descriptor: int, events: int, ready: Ready) -> None:
        """Call `ready` whenever one of `events` (or an error) is there."""
        self._epoll.register(descriptor, events)
        self._ready[descriptor] = ready

    def change(self, descriptor: int, events: int) -> None:
        """Wait for `events` instead; an error is told even with none."""
        self._epoll.modify(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Before it is closed."""
        self._epoll.unregister(descriptor)
        del self._ready[descriptor]

    def post(self, work: Callable[[], None]) -> None:
        """Have `work` done by the thread that waits."""
        self._inbox.append(work)
        try:
            os.eventfd_write(self._bell, 1)
        except OSError:  # rung so often that it cannot be missed, or nobody waits any more
            return

    def wait(self, seconds: float) -> None:
        """Wait for at most that long (rounded up to a millisecond) and call whoever is ready."""
        for descriptor, events in self._epoll.poll(max(0.0, seconds)):
            ready = self._ready.get(descriptor)
            if ready is not None:
                ready(events)

    def _empty_inbox(self) -> None:
        os.eventfd_read(self._bell)
        while self._inbox:
            self._inbox.popleft()()

    def close(self) -> None:
        """Nothing is waited for any more; who posts now is not heard."""
        self._epoll.close()
        bell, self._bell = self._bell, -1
        os.close(bell)
