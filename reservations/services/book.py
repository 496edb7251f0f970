"""The rows of one slot: who has it, who has planned to, who queues; and what brings them up to date.

Whoever changes a row does so in a transaction that began with `locked`: reservations of all slots are decided one after
the other, and every change makes open sockets ask anew what their person may do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import access
from accounts.actors import actor_now
from accounts.services import notices
from operations import audit, events, rights, roles
from operations.models import OPEN_RESERVATIONS, Claim, Reservation, ReservationState
from operations.reservations import moment
from operations.roles import Actor
from reservations.periods import Period, turns

WAITING, PLANNED, ACTIVE = ReservationState.WAITING, ReservationState.PLANNED, ReservationState.ACTIVE
ENDED, BROKEN = ReservationState.ENDED, ReservationState.BROKEN
NO_RIGHT = "whoever held it may no longer reserve there"
TIME_OVER = "its time was over"


@dataclass(frozen=True)
class Page:
    """What is open of one slot, in order."""

    active: Reservation | None
    planned: tuple[Reservation, ...]
    waiting: tuple[Reservation, ...]

    @property
    def rows(self) -> tuple[Reservation, ...]:
        return (*([self.active] if self.active else []), *self.planned, *self.waiting)

    @property
    def taken(self) -> list[Period]:
        """The times that are somebody's."""
        return [period_of(row) for row in (*([self.active] if self.active else []), *self.planned)]

    def expected(self, now: datetime) -> list[Period]:
        """When each of those who wait can expect their turn."""
        return turns(self.taken, [timedelta(seconds=row.wanted_seconds) for row in self.waiting], now)


def period_of(row: Reservation) -> Period:
    """The time of a reservation that has one. Raises ValueError for one that still waits."""
    if row.starts_at is None or row.ends_at is None:
        raise ValueError(f"reservation {row.pk} has no time yet")
    return Period(row.starts_at, row.ends_at)


def read(resource: str) -> Page:
    """What is open of one slot. One query."""
    return page_of(Reservation.objects.filter(resource=resource, state__in=OPEN_RESERVATIONS))


def page_of(found: Any) -> Page:
    """The open rows of one slot, sorted."""
    rows = list(found)
    planned = sorted((row for row in rows if row.state == PLANNED), key=lambda row: period_of(row).starts_at)
    return Page(
        active=next((row for row in rows if row.state == ACTIVE), None),
        planned=tuple(planned),
        waiting=tuple(row for row in rows if row.state == WAITING),
    )


@contextmanager
def locked() -> Iterator[datetime]:
    """A transaction in which nobody else decides about reservations; gives the time that counts in it."""
    with transaction.atomic():
        access.bump()
        yield timezone.now()


# ---- What changes a row; inside `locked` ---------------------------------------------------------------------------


def begin(row: Reservation, period: Period, actor: Actor) -> None:
    """It is theirs from now on."""
    row.state, row.starts_at, row.ends_at = ACTIVE, period.starts_at, period.ends_at
    row.save(update_fields=["state", "starts_at", "ends_at"])
    record("reservation.begin", row, actor)


def end(row: Reservation, why: str, now: datetime, actor: Actor, state: ReservationState = ENDED, **more: Any) -> None:
    """It is theirs no longer, or will not be; `more` are fields that say how that came."""
    before = state_of(row)
    row.state, row.ended_why, row.ended_at = state, why, now
    for name, value in more.items():
        setattr(row, name, value)
    row.save(update_fields=["state", "ended_why", "ended_at", *more])
    reason = str(more.get("broken_reason", ""))
    record("reservation.break" if state == BROKEN else "reservation.end", row, actor, before=before, reason=reason)


def withdraw(row: Reservation, now: datetime) -> None:
    """Whoever has it may no longer reserve there: it is theirs no longer, and they are told."""
    end(row, NO_RIGHT, now, roles.PORTAL)
    # (no link: they may not even see the slot any more)
    notices.tell(row.user_id, f"Your reservation of {place_words(row)} has ended: you may no longer reserve it.")


def record(
    action: str, row: Reservation, actor: Actor, *, before: dict[str, Any] | None = None, reason: str = ""
) -> None:
    """Put a change on record and tell open pages."""
    audit.record(
        action,
        actor=actor,
        target=row.resource,
        reason=reason,
        detail={"reservation": row.pk, "holder": row.holder},
        before=before or {},
        after=state_of(row),
    )
    events.hint("reservation", rights.board_of(row.resource), rights.slot_of(row.resource))


def state_of(row: Reservation) -> dict[str, Any]:
    """A row as the audit log keeps it."""
    times = {name: value.isoformat() if (value := getattr(row, name)) else None for name in ("starts_at", "ends_at")}
    return {"state": str(row.state), "purpose": row.purpose, **times, "why": row.ended_why}


def tell(row: Reservation, text: str) -> None:
    """Tell the holder; the link leads to the slot."""
    board, slot = rights.board_of(row.resource), rights.slot_of(row.resource)
    link = reverse("slots:slot", kwargs={"board": board, "number": slot})
    notices.tell(row.user_id, text, link, about=f"reservation:{row.pk}")


def untell(row: Reservation) -> None:
    """What the holder was told of this reservation is not so any more."""
    notices.overtake(f"reservation:{row.pk}")


def place_words(row: Reservation) -> str:
    """`slot 3 of demo`"""
    return f"slot {rights.slot_of(row.resource)} of {rights.board_of(row.resource)}"


# ---- What the clock brings -----------------------------------------------------------------------------------------


def is_due(page: Page, now: datetime) -> bool:
    """Whether a time has come that nobody has written down yet. One query if somebody waits and the slot is free."""
    past = [row for row in (page.active, *page.planned) if row is not None and period_of(row).ends_at <= now]
    begun = [row for row in page.planned if period_of(row).starts_at <= now]
    return bool(past or (begun and page.active is None) or _next_in_queue(page, now))


def settle(resource: str, now: datetime) -> Page:
    """Write down what time has brought, one step after the other, and return what is open then. Inside `locked`."""
    while _step(page := read(resource), now):
        pass
    return page


def _step(page: Page, now: datetime) -> bool:
    for row in (page.active, *page.planned):
        if row is not None and period_of(row).ends_at <= now:
            end(row, TIME_OVER, now, holder_of(row))
            return True
    if page.active is not None:
        return False
    for row in page.planned:
        if period_of(row).starts_at <= now:
            _give(row, period_of(row), now)
            return True
    following = _next_in_queue(page, now)
    if following is not None:
        _give(*following, now)
    return following is not None


def _next_in_queue(page: Page, now: datetime) -> tuple[Reservation, Period] | None:
    """Whose turn it is and for how long, if it is anybody's: not while somebody else's operation goes on there."""
    if page.active is not None or not page.waiting:
        return None
    row, period = page.waiting[0], page.expected(now)[0]
    return (row, period) if period.starts_at <= now and foreign_claim(row.resource, row.user_id) is None else None


def foreign_claim(resource: str, user_id: int | None) -> Claim | None:
    """The claim of somebody else's operation on the slot. One query."""
    return Claim.objects.filter(resource=resource).exclude(operation__actor_user_id=user_id).first()


def _give(row: Reservation, period: Period, now: datetime) -> None:
    """Let it begin, if whoever asked for it still may; else it ends before it has begun."""
    if not may_still(row):
        withdraw(row, now)
        return
    begin(row, period, holder_of(row))
    tell(row, f"{place_words(row).capitalize()} is yours until {moment(period.ends_at, now)}, for “{row.purpose}”.")


def holder_of(row: Reservation) -> Actor:
    """The person for whom time acts."""
    return Actor(name=row.holder, user_id=row.user_id, source="worker")


def may_still(row: Reservation) -> bool:
    """Whether the holder may still reserve this slot. A few queries."""
    return bool(roles.may(actor_now(holder_of(row)), "reserve", row.resource))
