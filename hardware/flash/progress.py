"""How far a flash is, how fast it goes and when it will end: figures that do not lie."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

Phase = Literal["waiting", "writing", "verifying", "finishing", "done", "failed", "cancelled"]
RATE_SECONDS = 8.0  # the rate is of this last while: long enough for a card that pauses, short enough to be of now


@dataclass(frozen=True)
class Progress:
    """One target at one moment. `done_bytes` are on the device (or, verifying, were read from it), of `total_bytes`.

    Finishing, both stay what they were before, since nobody knows how much that will be.
    `eta_seconds` is None while there is no telling. `is_behind`: it was too slow for the others and now goes alone.
    """

    phase: Phase
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    eta_seconds: float | None
    is_behind: bool = False


class Meter:
    """The rate of something that is counted, over its last RATE_SECONDS."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, count: int) -> None:
        self._seen.append((now, count))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RATE_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0
