"""When a slot is free, and when those who queue for it can expect their turn: pure answers over times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(days=14)
FARTHEST = timedelta(days=90)  # how far ahead somebody may plan


@dataclass(frozen=True)
class Period:
    """From `starts_at` up to, and without, `ends_at`."""

    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at

    def overlaps(self, other: "Period") -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


def first_free(taken: Iterable[Period], after: datetime, wanted: timedelta) -> Period:
    """The first period from `after` on that nobody has, as long as `wanted` or as the gap before the next one allows;
    a gap below `SHORTEST` is passed over, unless no more was wanted."""
    least, begin = min(wanted, SHORTEST), after
    for period in sorted(taken, key=lambda one: one.starts_at):
        if period.ends_at <= begin:
            continue
        if period.starts_at - begin >= least:
            return Period(begin, min(begin + wanted, period.starts_at))
        begin = period.ends_at
    return Period(begin, begin + wanted)


def turns(taken: Sequence[Period], wanted: Sequence[timedelta], now: datetime) -> list[Period]:
    """When each of a queue can expect its turn, as things stand: strictly one after the other, each when the slot is
    next free, cut short where somebody has planned to have it."""
    found: list[Period] = []
    after = now
    for length in wanted:
        found.append(first_free(taken, after, length))
        after = found[-1].ends_at
    return found
