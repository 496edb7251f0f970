"""The simulated board's time: one queue of things that will happen, in simulated seconds."""

import heapq
import time
from collections.abc import Callable

Action = Callable[[], None]


class Timer:
    """One thing that will happen at `due_seconds`, unless cancelled."""

    def __init__(self, due_seconds: float, order: int, action: Action) -> None:
        self.due_seconds = due_seconds
        self._order = order
        self.action: Action | None = action

    def __lt__(self, other: "Timer") -> bool:
        return (self.due_seconds, self._order) < (other.due_seconds, other._order)

    def cancel(self) -> None:
        """Make sure that the action does not run; harmless after it ran."""
        self.action = None


class Scheduler:
    """Runs actions when their time has come.

    All times are simulated seconds: with a time scale of 10 the board lives ten seconds in one second of the wall.
    Nothing runs by itself: the owner calls `run_due`, and may sleep for `seconds_until_next` before it does.
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        if not 0 < time_scale < float("inf"):
            raise ValueError(f"The time scale must be a positive number, not {time_scale}.")
        self.time_scale = time_scale
        self._queue: list[Timer] = []
        self._order = 0

    def monotonic(self) -> float:
        """Return seconds on the clock that the trace shows: the system's monotonic clock."""
        return time.monotonic()

    def now(self) -> float:
        """Return simulated seconds; only differences mean anything."""
        return self.monotonic() * self.time_scale

    def call_later(self, seconds: float, action: Action) -> Timer:
        """Run `action` in `seconds` simulated seconds; timers that are due together run in the order of this call."""
        self._order += 1
        timer = Timer(self.now() + seconds, self._order, action)
        heapq.heappush(self._queue, timer)
        return timer

    def seconds_until_next(self) -> float | None:
        """Return wall seconds until the next action is due (0.0 when it is late), or None when nothing is planned."""
        self._drop_cancelled()
        if not self._queue:
            return None
        return max(0.0, (self._queue[0].due_seconds - self.now()) / self.time_scale)

    def run_due(self) -> None:
        """Run every action whose time has come, the earliest first."""
        while self.seconds_until_next() == 0.0:
            action = heapq.heappop(self._queue).action
            if action is not None:
                action()

    def _drop_cancelled(self) -> None:
        while self._queue and self._queue[0].action is None:
            heapq.heappop(self._queue)
