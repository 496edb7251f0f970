"""Coming to a console, leaving it, and having its keyboard: who may, and what of it is on record. Keystrokes are not.

Every function blocks for the database and, where the keyboard is concerned, for the broker.
"""

import contextlib
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from accounts.actors import actor_now
from consoles import keyboard
from consoles.keyboard import Call, Typist
from operations import audit
from operations.refusals import BrokerUnavailable, Busy, NotFound, NotPermitted
from operations.roles import PORTAL, Actor, may, require
from slots.models import Slot

READ, WRITE = "console.read", "console.write"
BROKER_SECONDS = 2.0
BROKER_AWAY = "The broker is away, so nobody can have the keyboard now."
NOT_YOURS = "You do not have the keyboard; take it first."
T = TypeVar("T")


@dataclass(frozen=True)
class Seat:
    """A person at a console through one socket."""

    actor: Actor
    board: str
    slot: int
    socket: str
    may_type: bool
    why_not: str = ""  # why they may not type

    @property
    def resource(self) -> str:
        return resource(self.board, self.slot)


def resource(board: str, slot: int) -> str:
    """The name under which permissions and the audit log know a console."""
    return f"{board}/uart:{slot}"


def attach(actor: Actor, board: str, slot: int, socket: str) -> Seat:
    """Let somebody watch. Raises `NotPermitted`, and `NotFound` for a slot without a serial port."""
    require(actor, READ, resource(board, slot))
    if not Slot.objects.filter(board__slug=board, number=slot, uart=True).exists():
        raise NotFound(f"Slot {slot} of {board} has no serial port.")
    typing = may(actor, WRITE, resource(board, slot))
    seat = Seat(actor, board, slot, socket, may_type=bool(typing), why_not=typing.reason)
    _record("console.attached", seat)
    return seat


def detach(seat: Seat, seconds: float) -> None:
    """They have left after that time; the keyboard, if it was theirs, is free. Does not raise for an absent broker:
    the lease runs out."""
    with contextlib.suppress(BrokerUnavailable):
        _ask(keyboard.release(seat.board, seat.slot, seat.socket))
    _record("console.detached", seat, seconds=round(seconds, 1))


def take(seat: Seat, why: str) -> Typist:
    """Take a free keyboard, or one's own from another window. Raises `NotPermitted`, `Busy`, `BrokerUnavailable`."""
    _require_write(seat)
    typist = _typist(seat, why)
    lease = _ask(keyboard.take(seat.board, seat.slot, typist))
    if not lease.granted and lease.holder is not None:
        if lease.holder.user_id != seat.actor.user_id or seat.actor.user_id is None:
            raise Busy(f"{lease.holder.person} has the keyboard.", since=lease.holder.since)
        _ask(keyboard.take_over(seat.board, seat.slot, typist))
    _record("console.taken", seat, why)
    return typist


def take_over(seat: Seat, why: str) -> Typist:
    """Take the keyboard whoever has it; they are told by whom and why. Raises `NotPermitted`, `BrokerUnavailable`."""
    _require_write(seat)
    typist = _typist(seat, why)
    loser = _ask(keyboard.take_over(seat.board, seat.slot, typist)).holder
    _record("console.taken-over", seat, why, loser=loser.person if loser else None)
    return typist


def release(seat: Seat) -> None:
    """Give the keyboard back. Raises `NotPermitted` if it was not theirs, `BrokerUnavailable`."""
    if not _ask(keyboard.release(seat.board, seat.slot, seat.socket)):
        raise NotPermitted(NOT_YOURS, code="not-typing")
    _record("console.released", seat)


def withdraw(seat: Seat) -> None:
    """Somebody lost the right to type: the keyboard, if it was theirs, is taken away. Raises `BrokerUnavailable`."""
    if _ask(keyboard.release(seat.board, seat.slot, seat.socket)):
        _record("console.withdrawn", replace(seat, actor=PORTAL), loser=seat.actor.name)


def why_not_typing(seat: Seat) -> str:
    """Why they may not type by now; "" if they may."""
    return may(actor_now(seat.actor), WRITE, seat.resource).reason


def send_break(seat: Seat, key: str = "") -> None:
    """Send a break; with `key`, that SysRq. On record before it is sent: what it does may take the portal along.
    Raises `NotPermitted`, `BrokerUnavailable`."""
    _require_write(seat)
    if not _ask(keyboard.renew(seat.board, seat.slot, seat.socket)).granted:
        raise NotPermitted(NOT_YOURS, code="not-typing")
    _record("console.sysrq" if key else "console.break", seat, **({"key": key} if key else {}))
    sent = _ask(keyboard.send_break(seat.board, seat.slot, seat.socket, seat.actor.name, key.encode()))
    if not sent.granted:
        raise NotPermitted(NOT_YOURS, code="not-typing")


def _require_write(seat: Seat) -> None:
    """With the role that they have now, not that of the moment when they came."""
    require(actor_now(seat.actor), WRITE, seat.resource)


def _typist(seat: Seat, why: str) -> Typist:
    return Typist(seat.socket, seat.actor.name, seat.actor.user_id, timezone.now().isoformat(), why)


def _record(action: str, seat: Seat, reason: str = "", **detail: str | float | None) -> None:
    with transaction.atomic():
        audit.record(
            action, actor=seat.actor, target=seat.resource, reason=reason, detail={"socket": seat.socket, **detail}
        )


def _ask(call: Call[T]) -> T:
    try:
        return call.on(_client(settings.JOURNAL_URL))
    except (RedisError, OSError):
        raise BrokerUnavailable(BROKER_AWAY) from None


@cache
def _client(url: str) -> Redis:
    never = Retry(NoBackoff(), 0)  # a break must not be sent twice
    return Redis.from_url(
        url, protocol=2, retry=never, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
    )
