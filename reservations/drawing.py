"""A calendar of reservations as numbers for an SVG: one line for each slot, days side by side. Knows no database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from accounts.places import Place
from operations.models import Reservation, ReservationState
from reservations.periods import Period

HEAD, LINE, BAR = 18, 22, 18  # pixels: the days' names, a slot, what is drawn in it


@dataclass(frozen=True)
class Bar:
    """A reservation: left edge and width as percentages of the drawing, top in pixels."""

    left: str
    width: str
    top: int
    kind: str  # "", "mine", "q" (waits), "past"
    words: str
    title: str


@dataclass(frozen=True)
class Day:
    """Where a day begins, and its name; "" where there is no room for one."""

    left: str
    name: str


@dataclass(frozen=True)
class Calendar:
    """Everything there is to draw."""

    places: Sequence[Place]
    days: list[Day]
    bars: list[Bar]
    now: str  # "" if it lies outside
    height: int


def draw(
    places: Sequence[Place],
    rows: Iterable[tuple[Reservation, Period]],
    user_id: int | None,
    first: date,
    days: int,
    now: datetime,
) -> Calendar:
    """The `days` from `first` on. `rows` are reservations with the time that they have or can expect."""
    begin = datetime.combine(first, time(), UTC)
    whole = Period(begin, begin + timedelta(days=days))
    lines = {place.resource: number for number, place in enumerate(places)}
    named = days <= 7
    return Calendar(
        places=places,
        days=[Day(_percent(number / days), _name(first + timedelta(days=number), named)) for number in range(0, days)],
        bars=[
            _bar(row, period, whole, HEAD + 4 + LINE * lines[row.resource], row.user_id == user_id, now)
            for row, period in rows
            if row.resource in lines and period.overlaps(whole)
        ],
        now=_percent((now - begin) / whole.length) if whole.starts_at <= now < whole.ends_at else "",
        height=HEAD + 4 + LINE * len(places),
    )


def _bar(row: Reservation, period: Period, whole: Period, top: int, mine: bool, now: datetime) -> Bar:
    begin, end = max(period.starts_at, whole.starts_at), min(period.ends_at, whole.ends_at)
    waits, share = row.state == ReservationState.WAITING, (end - begin) / whole.length
    kind = "q" if waits else "past" if not row.is_open else "mine" if mine else ""
    words = f"{row.holder} queues" if waits else row.holder
    span = f"{period.starts_at:%-d %b %H:%M} to {period.ends_at:%-d %b %H:%M} UTC"
    return Bar(
        left=_percent((begin - whole.starts_at) / whole.length),
        width=_percent(max(share, 0.004)),  # what lasts minutes is still seen
        top=top,
        kind=kind,
        words=words if share > 0.03 else "",
        title=f"{row.holder}, {span}: {row.purpose}",
    )


def _name(day: date, named: bool) -> str:
    if named:
        return f"{day:%a}"[:2] + f" {day.day}"
    return f"{day.day}" if day.day % 2 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"
