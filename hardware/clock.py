"""The two clocks: the machine's, and one for tests in which waiting costs nothing."""

import heapq
import itertools
import math
import os
import threading
import time
from collections.abc import Callable


def time_scale() -> float:
    """NANOPORTAL_TIME_SCALE, by which every wait is divided (default 1). Raises ValueError with one sentence."""
    text = os.environ.get("NANOPORTAL_TIME_SCALE", "1")
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"NANOPORTAL_TIME_SCALE must be a number above 0, not {text!r}.")
    return scale


class SystemClock:
    """The monotonic clock of this machine, shared by its processes, `scale` times as fast.

    Seconds from `monotonic()` can be compared between processes of one boot that run with the same scale.
    """

    def __init__(self, scale: float | None = None) -> None:
        self._scale = time_scale() if scale is None else scale

    def monotonic(self) -> float:
        return time.monotonic() * self._scale

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        real_seconds = max(0.0, seconds) / self._scale
        if stop is None:
            time.sleep(real_seconds)
            return False
        return stop.wait(real_seconds)


class VirtualClock:
    """A clock that waits by moving itself forward. What was put down with `at` happens on the way, in order."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.RLock()

    def monotonic(self) -> float:
        return self._now

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Calls `action` once the clock, `seconds` from now, passes that instant."""
        with self._lock:
            heapq.heappush(self._agenda, (self._now + seconds, next(self._order), action))

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        with self._lock:
            until = self._now + max(0.0, seconds)
            while not (stop and stop.is_set()) and self._agenda and self._agenda[0][0] <= until:
                instant, _, action = heapq.heappop(self._agenda)
                self._now = max(self._now, instant)
                action()
            if stop and stop.is_set():
                return True
            self._now = max(self._now, until)
            return False
