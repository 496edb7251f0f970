"""People at a board whose slots they reserve, and a clock that only tests move."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts import places
from accounts.actors import actor_for
from accounts.models import Notice, User
from accounts.places import Place
from operations.models import AuditEntry, Reservation
from operations.roles import Actor
from reservations.services import booking, turns
from reservations.services.booking import Wish
from slots.models import Board, Slot

BOARD = "b1"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = 3600


class Clock:
    """`timezone.now`, standing still until it is told to go on."""

    def __init__(self, monkeypatch: Any) -> None:
        self.now = NOON
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def go(self, **how: float) -> None:
        """Let that much time pass, and the worker see it."""
        self.now += timedelta(**how)
        turns.keep()

    def pass_unseen(self, **how: float) -> None:
        """Let time pass while no worker runs."""
        self.now += timedelta(**how)


def make_board(slug: str = BOARD) -> None:
    board = Board.objects.create(slug=slug, name=slug)
    for number in range(1, 8):
        Slot.objects.create(board=board, number=number, uart=number > 1)


def place(number: int = 3, board: str = BOARD) -> Place:
    return places.find(board, number)


def person(name: str, role: str = "operator") -> Actor:
    user, _ = User.objects.get_or_create(username=name, defaults={"role": role})
    return actor_for(user)


def reserve(actor: Actor, hours: float = 1, *, number: int = 3, purpose: str = "swap SSD", **more: Any) -> Reservation:
    """Now, or with `at` (hours from now) later, or with `queue`."""
    if "at" in more:
        more["starts_at"] = timezone.now() + timedelta(hours=more.pop("at"))
    return booking.reserve(place(number), Wish(purpose, int(hours * HOUR), **more), actor)


def state(row: Reservation) -> str:
    return Reservation.objects.get(pk=row.pk).state


def span(row: Reservation) -> tuple[float, float]:
    """Begin and end in hours from noon."""
    fresh = Reservation.objects.get(pk=row.pk)
    assert fresh.starts_at is not None
    assert fresh.ends_at is not None
    return (fresh.starts_at - NOON) / timedelta(hours=1), (fresh.ends_at - NOON) / timedelta(hours=1)


def told(actor: Actor) -> list[str]:
    return list(Notice.objects.filter(user_id=actor.user_id).order_by("id").values_list("text", flat=True))


def on_record(target: str = "b1/slot:3") -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(target=target).order_by("seq")
    return [(row.actor, row.action, row.outcome) for row in rows]
