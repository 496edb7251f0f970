"""For processes that a test starts: a wall clock that somebody sets while they run.

Python imports this by itself at the start when its directory is on the path. SET_CLOCK_FILE holds by how many seconds
the clock was set; the monotonic clock is nobody's to set.
"""

import datetime
import os
import time

_wall, _monotonic = time.time, time.monotonic
_seen_at, _shift = -1.0, 0.0


def shift() -> float:
    """Seconds by which the clock was set; looked up twenty times a second."""
    global _seen_at, _shift
    now = _monotonic()
    if now - _seen_at > 0.05:
        _seen_at = now
        with open(os.environ["SET_CLOCK_FILE"]) as stream:
            _shift = float(stream.read() or 0)
    return _shift


class Moment(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "Moment":
        return cls.fromtimestamp(_wall() + shift(), tz)


time.time = lambda: _wall() + shift()
datetime.datetime = Moment  # type: ignore[misc]
