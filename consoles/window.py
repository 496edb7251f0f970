"""How much may be on its way to one viewer: a bound on bytes that were sent and not acknowledged.

Pure. The web server never slows down for a slow browser: without this bound, whatever a stalled one does not read
would lie in our memory.
"""

from dataclasses import dataclass

WINDOW_BYTES = 65_536
STALL_SECONDS = 60.0


@dataclass
class _Stretch:
    """Bytes on their way without a gap between them: offsets from `start` to `end`."""

    start: int
    end: int


class SendWindow:
    """Bytes sent to one viewer that it has not acknowledged.

    What counts is bytes, not the distance between offsets: a gap is not data on its way. Times are seconds of any
    steady clock.
    """

    def __init__(self, limit_bytes: int = WINDOW_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.unacknowledged_bytes = 0
        self._stretches: list[_Stretch] = []  # as many as there are gaps on their way, which count as bytes too
        self._blocked_since: float | None = None

    def admits(self, size_bytes: int, now: float) -> bool:
        """Whether that many bytes may be sent now. A no starts the time that counts as stalled."""
        if self.unacknowledged_bytes + size_bytes <= self.limit_bytes:
            self._blocked_since = None
            return True
        if self._blocked_since is None:
            self._blocked_since = now
        return False

    def sent(self, start: int, size_bytes: int) -> None:
        """Bytes from offset `start` on are on their way. Offsets that go back belong to another count: what was on
        its way of the one before cannot be acknowledged any more and is forgotten."""
        last = self._stretches[-1] if self._stretches else None
        if last is not None and start < last.end:
            self._stretches, self.unacknowledged_bytes, last = [], 0, None
        if last is not None and start == last.end:
            last.end += size_bytes
        else:
            self._stretches.append(_Stretch(start, start + size_bytes))
        self.unacknowledged_bytes += size_bytes

    def acknowledge(self, offset: int, now: float) -> None:
        """The viewer has dealt with everything up to `offset`. More than was sent counts as all that was sent."""
        before = self.unacknowledged_bytes
        while self._stretches and self._stretches[0].start < offset:
            first = self._stretches[0]
            upto = min(offset, first.end)
            self.unacknowledged_bytes -= upto - first.start
            first.start = upto
            if first.start < first.end:
                break
            self._stretches.pop(0)
        if self._blocked_since is not None and self.unacknowledged_bytes < before:
            self._blocked_since = now

    @property
    def blocked(self) -> bool:
        """Whether something waits to be sent."""
        return self._blocked_since is not None

    def stalled_seconds(self, now: float) -> float:
        """For how long something has been waiting while nothing was acknowledged; 0.0 when nothing waits."""
        return 0.0 if self._blocked_since is None else now - self._blocked_since
