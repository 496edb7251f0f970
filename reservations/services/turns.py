"""What the clock does with reservations; called once a second by the worker."""

import time
from datetime import timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import access
from accounts.services import notices
from operations.models import OPEN_RESERVATIONS, Reservation
from operations.reservations import moment
from reservations.services import book

REMINDER = timedelta(minutes=10)  # before the end; a quarter of the whole where that is less
LOOK_SECONDS = 60.0  # at rights that end by themselves, which nobody announces
KEPT = timedelta(days=365)
_looked: dict[str, float] = {"version": -1.0, "at": 0.0}


def keep() -> None:
    """End what is over, begin what is due, remind who is about to lose a slot, take it from who may no longer have it.

    Two queries where nothing is due. Any number of workers may do this at once: each step is decided in a
    transaction of which there is one at a time.
    """
    rows = Reservation.objects.filter(state__in=OPEN_RESERVATIONS).order_by("resource", "id")
    now = timezone.now()
    for resource, found in groupby(rows, key=lambda row: row.resource):
        if book.is_due(book.page_of(found), now):
            with book.locked() as at:
                book.settle(resource, at)
    remind()
    look_at_rights()


def remind() -> None:
    """Tell once who holds a slot that it ends soon, and who waits for it."""
    now = timezone.now()
    soon = Q(state=book.ACTIVE, reminded_at=None, ends_at__lte=now + REMINDER, ends_at__gt=now)
    for row in Reservation.objects.filter(soon):
        period = book.period_of(row)
        if period.ends_at - now > min(REMINDER, period.length / 4):
            continue
        waiting = book.read(row.resource).waiting
        after = f"{waiting[0].holder} waits for it." if waiting else "Extend it if you need it longer."
        with transaction.atomic():
            if Reservation.objects.filter(soon, pk=row.pk).update(reminded_at=now):
                book.tell(row, f"Your time on {book.place_words(row)} ends at {moment(period.ends_at, now)}. {after}")


def look_at_rights() -> None:
    """Take reservations from those who may no longer reserve there: at once after any change of rights, and once a
    minute for rights that end by themselves. Also drops what is old."""
    version, now = access.current_version(), time.monotonic()
    if version == _looked["version"] and now - _looked["at"] < LOOK_SECONDS:
        return
    _looked.update(version=version, at=now)
    for row in Reservation.objects.filter(state__in=OPEN_RESERVATIONS):
        if not book.may_still(row):
            _withdraw(row)
    Reservation.objects.filter(ended_at__lt=timezone.now() - KEPT).delete()
    notices.drop_old()


def _withdraw(row: Reservation) -> None:
    with book.locked() as now:
        fresh = Reservation.objects.filter(pk=row.pk, state__in=OPEN_RESERVATIONS).first()
        if fresh is None or book.may_still(fresh):
            return
        book.withdraw(fresh, now)
        book.settle(fresh.resource, now)
