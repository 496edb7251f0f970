"""What pages and the API show of reservations: read-only, in a number of queries that does not grow with slots."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from django.db.models import Q
from django.utils import timezone

from accounts.places import Place
from operations import rights, roles
from operations.models import OPEN_RESERVATIONS, Reservation
from operations.roles import Actor, Decision
from reservations import drawing
from reservations.drawing import Calendar
from reservations.periods import Period
from reservations.services import book

ORDER = (book.ACTIVE, book.PLANNED, book.WAITING)


@dataclass(frozen=True)
class Shown:
    """A reservation as one person sees it; `period` is what it has, or what who waits can expect."""

    row: Reservation
    period: Period
    mine: bool
    may_break: bool
    turn: int = 0  # 1 is the next in the queue; 0 does not wait

    @property
    def number(self) -> int:
        return rights.slot_of(self.row.resource) or 0

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.row.wanted_seconds)


@dataclass(frozen=True)
class SlotBook:
    """All that is open of one slot, and what the person may do about it."""

    place: Place
    active: Shown | None
    planned: list[Shown]
    queue: list[Shown]
    may_reserve: Decision

    @property
    def is_theirs(self) -> bool:
        """Whether the person has it now, or stands in the queue already."""
        return any(shown.mine for shown in (*([self.active] if self.active else []), *self.queue))

    @property
    def must_queue(self) -> bool:
        """Whether somebody else comes first now."""
        return (self.active is not None and not self.active.mine) or bool(self.queue)


@dataclass(frozen=True)
class BoardBook:
    """The reservations of the slots of a board that the person may see."""

    places: list[Place]
    open: list[Shown]
    calendar: Calendar
    first: date
    days: int
    reservable: list[Place] = field(default_factory=list)

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    @property
    def before(self) -> date:
        return self.first - timedelta(days=self.days)

    @property
    def after(self) -> date:
        return self.first + timedelta(days=self.days)


def of_slot(place: Place, actor: Actor) -> SlotBook:
    """One slot. One query."""
    shown = shown_of(place.resource, book.read(place.resource), actor, timezone.now())
    return SlotBook(
        place=place,
        active=next((one for one in shown if one.row.state == book.ACTIVE), None),
        planned=[one for one in shown if one.row.state == book.PLANNED],
        queue=[one for one in shown if one.turn],
        may_reserve=roles.may(actor, "reserve", place.resource),
    )


def shown_of(resource: str, page: book.Page, actor: Actor, now: datetime) -> list[Shown]:
    """The open rows of one slot as `actor` sees them."""
    may_break = bool(roles.may(actor, "reserve.break", resource))
    fixed = [row for row in page.rows if row.state != book.WAITING]
    timed = [*((row, book.period_of(row), 0) for row in fixed)]
    timed += [
        (row, turn, place + 1) for place, (row, turn) in enumerate(zip(page.waiting, page.expected(now), strict=True))
    ]
    return [
        Shown(row, period, mine, may_break and not mine, turn)
        for row, period, turn in timed
        for mine in [actor.user_id is not None and row.user_id == actor.user_id]
    ]


def own(actor: Actor) -> list[Shown]:
    """What is the person's own on all boards, as far as they may still see it. A query for each slot."""
    now = timezone.now()
    mine = Reservation.objects.filter(user_id=actor.user_id or 0, state__in=OPEN_RESERVATIONS)
    resources = sorted({row.resource for row in mine if roles.may(actor, "view", row.resource)})
    return [one for name in resources for one in shown_of(name, book.read(name), actor, now) if one.mine]


def of_row(row: Reservation, actor: Actor) -> Shown:
    """One reservation, also after it is over. One query if it is open."""
    if row.is_open:
        for shown in shown_of(row.resource, book.read(row.resource), actor, timezone.now()):
            if shown.row.pk == row.pk:
                return shown
    mine = actor.user_id is not None and row.user_id == actor.user_id
    begin = row.starts_at or row.queued_at
    return Shown(row, Period(begin, row.ended_at or row.ends_at or begin), mine, may_break=False)


def open_of(resources: Sequence[str], actor: Actor) -> list[Shown]:
    """What is open of several slots, slot by slot. One query."""
    now = timezone.now()
    rows = Reservation.objects.filter(resource__in=resources, state__in=OPEN_RESERVATIONS).order_by("resource", "id")
    found: list[Shown] = []
    for resource, some in groupby(rows, key=lambda row: row.resource):
        found += shown_of(resource, book.page_of(some), actor, now)
    return found


def of_board(places: Sequence[Place], actor: Actor, first: date | None = None, days: int = 7) -> BoardBook:
    """A board's calendar for `days` from `first` (else today, UTC) on, and all that is open there. Two queries.
    Slots that the person may not see are left out."""
    now = timezone.now()
    seen = [place for place in places if roles.may(actor, "view", place.resource)]
    first = first or now.astimezone(UTC).date()
    resources = [place.resource for place in seen]
    shown = open_of(resources, actor)
    drawn = [(one.row, one.period) for one in shown] + _over(resources, first, days)
    return BoardBook(
        places=seen,
        open=shown,
        calendar=drawing.draw(seen, drawn, actor.user_id, first, days, now),
        first=first,
        days=days,
        reservable=[place for place in seen if place.reservable and roles.may(actor, "reserve", place.resource)],
    )


def _over(resources: Sequence[str], first: date, days: int) -> list[tuple[Reservation, Period]]:
    """What has ended already and lies in these days, with the time that it really had."""
    begin = datetime.combine(first, time(), UTC)
    past = Q(starts_at__lt=begin + timedelta(days=days), ended_at__gt=begin, ended_at__isnull=False)
    rows = Reservation.objects.filter(past, resource__in=resources).order_by("-ended_at")[:200]
    return [
        (row, Period(row.starts_at, row.ended_at))
        for row in rows
        if row.starts_at is not None and row.ended_at is not None and row.starts_at < row.ended_at
    ]
