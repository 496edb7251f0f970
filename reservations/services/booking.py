"""What people do with reservations: take, plan, queue, extend, give back, and break the glass."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from accounts.places import Place
from operations import claims, idempotency, roles
from operations.models import OPEN_RESERVATIONS, Reservation, ReservationState
from operations.refusals import BadRequest, Conflict, NotFound, NotPermitted
from operations.reservations import moment
from operations.roles import Actor
from reservations.periods import FARTHEST, LONGEST, SHORTEST, Period
from reservations.services import book
from reservations.services.book import Page, period_of

OPEN_AT_MOST = 20  # reservations of one person, on all boards
BIGGEST = 2**63 - 1  # number that a database takes
BREAKER_HAS = timedelta(hours=1)  # what whoever breaks the glass holds the slot for, at most


@dataclass(frozen=True)
class Wish:
    """What somebody asks for: a slot for so many seconds, now or from `starts_at` on; with `queue`, in the end."""

    purpose: str
    seconds: int
    starts_at: datetime | None = None
    queue: bool = False


def find(reservation_id: int, actor: Actor) -> Reservation:
    """The reservation of that number. Raises `NotFound` if there is none, or none that the actor may see."""
    row = Reservation.objects.filter(pk=min(reservation_id, BIGGEST)).first()
    if row is None or not roles.may(actor, "view", row.resource):
        raise NotFound(f"There is no reservation {reservation_id}.", code="unknown-reservation")
    return row


def with_zone(when: datetime | None) -> datetime | None:
    """A time as it came from outside, in UTC. Raises `BadRequest` for one without its zone, since nobody guesses which
    is meant, and for one beyond all calendars."""
    if when is None:
        return None
    if when.tzinfo is None:
        raise BadRequest("A time needs its zone, as in 2026-11-23T18:00:00Z.", code="zone")
    try:
        return when.astimezone(UTC)
    except OverflowError:
        raise BadRequest("This time is in no calendar.") from None


def reserve(place: Place, wish: Wish, actor: Actor, *, key: str = "") -> Reservation:
    """Take the slot now, plan to have it, or join its queue; if `key` was used for the same before, what came of it.

    Raises `NotPermitted`; `BadRequest` for a purpose, length or time that cannot be; `Conflict` with code `reserved`
    (somebody has it, or waits for it), `overlap` (somebody has it then), `yours-already` or `too-many`; `Busy` while
    somebody else's operation goes on there; `IdempotencyMismatch`. Blocks for the database.
    """
    roles.require(actor, "reserve", place.resource)
    if actor.user_id is None:
        raise NotPermitted("Only somebody with an account can reserve a slot.")
    if not place.reservable:
        raise Conflict(f"Slot {place.number} is the controller, which all share; it cannot be reserved.", code="shared")
    row = Reservation(
        resource=place.resource,
        user_id=actor.user_id,
        holder=actor.name,
        purpose=clean_purpose(wish.purpose),
        wanted_seconds=wish.seconds,
    )
    body = {"reserve": place.resource, **asdict(wish), "starts_at": str(wish.starts_at)}
    return idempotency.once_of(Reservation, key, actor, body, lambda: _enter(row, wish, actor))[0]


def _enter(row: Reservation, wish: Wish, actor: Actor) -> Reservation:
    """Put the new row into the slot's book, or raise what stands against it."""
    with book.locked() as now:
        _check(wish, now)
        page = book.settle(row.resource, now)
        _refuse_too_many(row.user_id)
        row.queued_at = now
        _place(row, page, wish, actor, now)
        row.save()
        book.record("reservation.make", row, actor, reason=row.purpose)
        # (in the queue of a slot that is free, their turn is now)
        book.settle(row.resource, now)
        row.refresh_from_db()
        return row


def clean_purpose(text: str) -> str:
    """The purpose on one line. Raises `BadRequest` if there is none, or a character that no text has."""
    purpose = " ".join(text.split()).rstrip(".")  # it stands in sentences that have an end of their own
    if not purpose or len(purpose) > 200 or not purpose.isprintable():
        raise BadRequest("Say in 1 to 200 visible characters what the slot is for.", code="purpose")
    return purpose


def _check(wish: Wish, now: datetime) -> None:
    _check_length(timedelta(seconds=wish.seconds))
    if wish.starts_at is None:
        return
    if wish.queue:
        raise BadRequest("Whoever queues gets the slot as soon as it is free; leave the queue or the time out.")
    if wish.starts_at < now - timedelta(minutes=1):
        raise BadRequest(f"{moment(wish.starts_at, now)} has passed; choose a time to come, or none for now.")
    if wish.starts_at > now + FARTHEST:
        raise BadRequest(f"A slot can be reserved at most {FARTHEST.days} days ahead.")


def _check_length(length: timedelta) -> None:
    if not SHORTEST <= length <= LONGEST:
        raise BadRequest(
            f"A slot can be reserved for {SHORTEST.seconds // 60} minutes to {LONGEST.days} days.", code="length"
        )


def _refuse_too_many(user_id: int) -> None:
    if Reservation.objects.filter(user_id=user_id, state__in=OPEN_RESERVATIONS).count() >= OPEN_AT_MOST:
        raise Conflict(f"You have {OPEN_AT_MOST} reservations already; give one of them back first.", code="too-many")


def _place(row: Reservation, page: Page, wish: Wish, actor: Actor, now: datetime) -> None:
    """Give the new row its state and time, or raise what stands against it."""
    _refuse_second(page, wish, actor)
    if wish.queue:
        row.state = book.WAITING
        return
    starts_at = max(wish.starts_at or now, now)
    period = Period(starts_at, starts_at + timedelta(seconds=wish.seconds))
    _refuse_overlap(page, row, period, now)
    claim = book.foreign_claim(row.resource, row.user_id) if period.starts_at == now else None
    if claim is not None:
        raise claims.busy(claim)
    row.state = book.ACTIVE if period.starts_at == now else book.PLANNED
    row.starts_at, row.ends_at = period.starts_at, period.ends_at


def _refuse_second(page: Page, wish: Wish, actor: Actor) -> None:
    if page.active is not None and page.active.user_id == actor.user_id and wish.starts_at is None:
        until = moment(period_of(page.active).ends_at)
        raise Conflict(f"It is yours until {until} already; extend that instead.", code="yours-already")
    if wish.starts_at is None and any(row.user_id == actor.user_id for row in page.waiting):
        raise Conflict("You wait for this slot already.", code="yours-already")


def _refuse_overlap(page: Page, wanted: Reservation, period: Period, now: datetime) -> None:
    """Whoever has the time, or has waited longer for it, comes first."""
    for row in (page.active, *page.planned):
        if row is not None and period_of(row).overlaps(period):
            raise _in_the_way(row, wanted, now)
    for row, turn in zip(page.waiting, page.expected(now), strict=True):
        if turn.overlaps(period):
            span = f"from {moment(turn.starts_at, now)} until {moment(turn.ends_at, now)}"
            raise Conflict(
                f"{_who(row, wanted, 'waits', 'wait')} for this slot and can expect it {span}; "
                "queue behind, or choose a later time.",
                code="reserved",
                holder=row.holder,
                until=turn.ends_at.isoformat(),
            )


def _in_the_way(row: Reservation, wanted: Reservation, now: datetime) -> Conflict:
    """The refusal of `wanted` for the sake of `row`, which may be the same person's."""
    has, who, code = period_of(row), _who(row, wanted, "has", "have"), "overlap"
    until = moment(has.ends_at, now)
    if row.state == book.ACTIVE:
        is_own = row.user_id == wanted.user_id
        code, instead = ("yours-already", "extend that") if is_own else ("reserved", "queue for it")
        words = f"{who} this slot until {until}; {instead}, or choose a later time."
    else:
        words = f"{who} planned to have this slot from {moment(has.starts_at, now)} until {until}; choose another time."
    return Conflict(words, code=code, holder=row.holder, until=has.ends_at.isoformat(), reservation=row.pk)


def _who(row: Reservation, wanted: Reservation, does: str, do: str) -> str:
    """`alice has`, or `You have` to themselves."""
    return f"You {do}" if row.user_id == wanted.user_id else f"{row.holder} {does}"


# ---- What is one's own -----------------------------------------------------------------------------------------------


def change_end(reservation_id: int, ends_at: datetime, actor: Actor) -> Reservation:
    """Have it longer, or shorter. Raises `NotFound`, `NotPermitted` if it is another's, `BadRequest` for a time that
    cannot be, `Conflict` if it has ended, somebody waits, or somebody has planned to have the slot then."""
    row = find(reservation_id, actor)
    roles.require(actor, "reserve", row.resource)
    with book.locked() as now:
        page = book.settle(row.resource, now)
        row = _own(page, row, actor)
        if row.state == book.WAITING:
            raise Conflict("It has not begun; leave the queue and join it anew for another length.", code="waiting")
        had = period_of(row)
        wanted = Period(had.starts_at, ends_at)
        if ends_at <= now:
            raise BadRequest(f"{moment(ends_at, now)} has passed; give the slot back instead.")
        _check_length(wanted.length)
        if ends_at > had.ends_at:
            _refuse_longer(page, row, wanted, now)
        before = book.state_of(row)
        row.ends_at, row.reminded_at = ends_at, None
        row.save(update_fields=["ends_at", "reminded_at"])
        book.untell(row)
        book.record("reservation.extend", row, actor, before=before)
        return row


def _refuse_longer(page: Page, row: Reservation, wanted: Period, now: datetime) -> None:
    if page.waiting:
        first = page.waiting[0]
        raise Conflict(
            f"{first.holder} waits for this slot since {moment(first.queued_at, now)}; queue behind for more time.",
            code="reserved",
            holder=first.holder,
        )
    for other in page.planned:
        if other.pk != row.pk and period_of(other).overlaps(wanted):
            raise _in_the_way(other, row, now)


def release(reservation_id: int, actor: Actor) -> Reservation:
    """Give a slot back, give up a plan, or leave the queue; the next in the queue has their turn at once. Raises
    `NotFound`, `NotPermitted` if it is another's, `Conflict` if it has ended."""
    row = find(reservation_id, actor)
    if actor.limits is not None:  # people may always give back what is theirs, a token only does what it is for
        roles.require(actor, "reserve", row.resource)
    with book.locked() as now:
        row = _own(book.settle(row.resource, now), row, actor)
        why = "it was given back" if row.state == book.ACTIVE else "it was given up"
        book.end(row, why, now, actor)
        book.untell(row)
        book.settle(row.resource, now)
        return row


def _own(page: Page, wanted: Reservation, actor: Actor) -> Reservation:
    """The open row with the number of `wanted`, if it is theirs."""
    if actor.user_id is None or wanted.user_id != actor.user_id:
        raise NotPermitted(f"This reservation is {wanted.holder}’s; only they can change it.")
    return _open(page, wanted)


def _open(page: Page, wanted: Reservation) -> Reservation:
    for row in page.rows:
        if row.pk == wanted.pk:
            return row
    wanted.refresh_from_db()
    state = ReservationState(wanted.state).label.lower()
    raise Conflict(f"This reservation is over ({state}: {wanted.ended_why}).", code="ended")


# ---- Breaking the glass ----------------------------------------------------------------------------------------------


def break_glass(reservation_id: int, reason: str, actor: Actor, *, key: str = "") -> Reservation:
    """Override somebody's reservation, which is returned. Who breaks an active one has the slot instead, for an hour at
    most, so that no queue moves up meanwhile. The holder is told who and why. With a `key` that was used for the same
    before, nothing more is done.

    Raises `NotFound`, `NotPermitted`, `BadRequest` without a reason or for one's own, `Conflict` if it has ended,
    `IdempotencyMismatch`.
    """
    row = find(reservation_id, actor)
    roles.require(actor, "reserve.break", row.resource)
    reason = " ".join(reason.split()).rstrip(".")
    if not reason or len(reason) > 300 or not reason.isprintable():
        raise BadRequest("Say in 1 to 300 visible characters why; the holder is told.", code="reason")
    if row.user_id == actor.user_id:
        raise BadRequest("This reservation is your own; give it back instead.", code="yours-already")
    body = {"break": row.pk, "reason": reason}
    return idempotency.once_of(Reservation, key, actor, body, lambda: _break(row, reason, actor))[0]


def _break(row: Reservation, reason: str, actor: Actor) -> Reservation:
    with book.locked() as now:
        page = book.settle(row.resource, now)
        row = _open(page, row)
        was_active = row.state == book.ACTIVE
        why = f"{actor.name} broke the glass"
        book.end(row, why, now, actor, book.BROKEN, broken_by=actor.name, broken_reason=reason)
        book.untell(row)
        book.tell(row, f"{actor.name} overrode your reservation of {book.place_words(row)}: “{reason}”."[:300])
        if was_active and actor.user_id is not None:  # else it is the next one's
            _give_to_breaker(row, page, reason, actor, actor.user_id, now)
        book.settle(row.resource, now)
        return row


def _give_to_breaker(broken: Reservation, page: Page, reason: str, actor: Actor, user_id: int, now: datetime) -> None:
    following = [period_of(row).starts_at for row in page.planned]
    ends_at = min([now + BREAKER_HAS, *following])
    mine = Reservation(
        resource=broken.resource,
        user_id=user_id,
        holder=actor.name,
        purpose=f"Glass broken: {reason}"[:200],
        queued_at=now,
        wanted_seconds=int((ends_at - now).total_seconds()),
    )
    mine.state, mine.starts_at, mine.ends_at = book.ACTIVE, now, ends_at
    mine.save()
    book.record("reservation.make", mine, actor, reason=reason)
