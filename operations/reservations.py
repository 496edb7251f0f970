"""Whose a slot is now, and what others may not do to it meanwhile. Taking and giving back is `reservations`' task."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from operations import rights
from operations.models import Claim, Reservation, ReservationState

# What only the holder may do. Watching is everybody's who may watch anyway.
RESERVED = frozenset({"power", "slot.mark", "slot.edit", "flash", "console.write"})


def slot_of(resource: str) -> str:
    """The slot that a resource belongs to (`b1/uart:3` -> `b1/slot:3`); "" for what is no part of a slot."""
    number = rights.slot_of(resource)
    return "" if number is None else f"{rights.board_of(resource)}/slot:{number}"


def held(resources: Iterable[str], now: datetime | None = None) -> dict[str, Reservation]:
    """Who holds which of these slots at `now`, by resource. One query.

    The clock decides, not whether somebody has written down that a time has come: a reservation holds from its
    beginning to its end even while no worker runs.
    """
    now = now or timezone.now()
    has_begun = Q(state=ReservationState.ACTIVE) | Q(state=ReservationState.PLANNED, starts_at__lte=now)
    rows = Reservation.objects.filter(has_begun, resource__in=list(resources), ends_at__gt=now)
    # Of two that touch, one may not be written down as ended yet: the earlier one still holds.
    return {row.resource: row for row in rows.order_by("-starts_at")}


def holder(resource: str, now: datetime | None = None) -> Reservation | None:
    """The reservation that holds the slot of `resource` at `now`. One query at most."""
    slot = slot_of(resource)
    return held([slot], now).get(slot) if slot else None


def next_change(resource: str, now: datetime) -> datetime | None:
    """When, after `now`, somebody's time on the slot of `resource` begins or is over by itself; None if nothing is
    agreed. One query."""
    agreed = Reservation.objects.filter(
        resource=slot_of(resource), state__in=(ReservationState.ACTIVE, ReservationState.PLANNED)
    )
    times = [time for row in agreed.values_list("starts_at", "ends_at") for time in row]
    return min((time for time in times if time is not None and time > now), default=None)


def in_the_way(user_id: int | None, action: str, resource: str, now: datetime | None = None) -> Reservation | None:
    """Somebody else's reservation that keeps this person from `action` at `now`; None if there is none. One query for
    what is in `RESERVED`, else none; a second one if there is such a reservation."""
    if action not in RESERVED:
        return None
    found = holder(resource, now)
    if found is None or found.user_id == user_id or _is_finishing(user_id, action, found):
        return None
    return found


def _is_finishing(user_id: int | None, action: str, found: Reservation) -> bool:
    """Whether an operation of this person goes on there since before the other one's time: they may still help it on,
    or cancel it. Nothing else comes of that: while it goes on the slot is busy for everything new."""
    if action not in ("power", "flash") or user_id is None:
        return False
    begun = {"operation__actor_user_id": user_id, "operation__started_at__lt": found.starts_at}
    return Claim.objects.filter(resource=found.resource, **begun).exists()


def words(found: Reservation, now: datetime | None = None) -> str:
    """`alice has reserved slot 3 until 18:00 UTC, for “swap SSD”.`"""
    until = f" until {moment(found.ends_at, now)}" if found.ends_at else ""
    return f"{found.holder} has reserved {rights.place_words(found.resource)}{until}, for “{found.purpose}”."


def moment(when: datetime, now: datetime | None = None) -> str:
    """`18:00 UTC`, with the day where it is not today, and the year where it is another one."""
    today = (now or timezone.now()).date()
    year = "" if when.year == today.year else f" {when.year}"
    day = "" if when.date() == today else f"{when.day} {when:%b}{year} "
    return f"{day}{when:%H:%M} UTC"
