"""What becomes of a change that was written: confirmed, extended, rolled back. A conditional UPDATE decides races."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from operations import audit, lifecycle, refusals, roles
from operations.roles import Actor
from slots.services import power
from switch.documents import chip_from_json
from switch.models import SwitchDraft, VlanChange, VlanRevision
from switch.services import applying, running

State = VlanChange.State
LONGEST_AHEAD_SECONDS = 600
#: What a request is made with that proves who makes it, over the network that the change is about.
AUTHENTICATED = ("session", "token")


def confirm(change: VlanChange, actor: Actor) -> VlanRevision:
    """Keep what was written. Only whoever committed it can, in a new request that has come through what was written.

    Raises `NotPermitted`, `Expired` (too late, or rolled back already), `Conflict` (not yet written; the chip was reset
    and holds nothing of it), HardwareError. Blocks for the bus, some hundredths of a second.
    """
    _require(change, actor)
    if actor.credential not in AUTHENTICATED:
        raise refusals.NotPermitted("A change is confirmed by a request of its own from somebody who is signed in.")
    change.refresh_from_db()
    if change.state == State.AWAITING:
        _refuse_if_lost(change)
    now = timezone.now()
    with transaction.atomic():
        power.one_at_a_time(change.board)
        won = VlanChange.objects.filter(pk=change.pk, state=State.AWAITING, deadline_at__gt=now).update(
            state=State.CONFIRMED, confirmed_by=actor.name, confirmed_at=now
        )
        if not won:
            raise _too_late(change)
        revision = _new_revision(change, actor)
        # The draft has become what runs, unless somebody has gone on with it.
        SwitchDraft.objects.filter(board=change.board, document=change.document).update(
            document=None, version=F("version") + 1
        )
        running.hint(change.board)
        audit.record(
            "switch.confirm",
            actor=actor,
            target=running.resource(change.board),
            outcome="done",
            operation_id=change.operation_id,
            detail={"change": change.number, "revision": revision.number},
        )
    return revision


def _refuse_if_lost(change: VlanChange) -> None:
    """The worker looks for it every few seconds; between two looks nothing is kept that is not there any more."""
    if applying.was_reset(running.chip_of(change.board), chip_from_json(change.wanted)):
        raise refusals.Conflict(
            f"The switch chip was reset and no longer holds change {change.number}; it is about to be rolled back.",
            code="switch-was-reset",
        )


def _new_revision(change: VlanChange, actor: Actor) -> VlanRevision:
    last = VlanRevision.objects.filter(board=change.board).aggregate(last=Max("number"))["last"] or 0
    return VlanRevision.objects.create(
        board=change.board,
        number=last + 1,
        document=change.document,
        words=change.words,
        author=actor.name,
        reason=change.operation.reason,
        confirmed_at=timezone.now(),
    )


def extend(change: VlanChange, actor: Actor, seconds: int = 120) -> VlanChange:
    """Put the deadline off by 30 to 600 s, never to more than 600 s from now. Raises as `confirm` does."""
    _require(change, actor)
    if not 30 <= seconds <= LONGEST_AHEAD_SECONDS:
        raise refusals.BadRequest(f"The deadline can be put off by 30 to {LONGEST_AHEAD_SECONDS} seconds.")
    change.refresh_from_db()
    now, scale = timezone.now(), settings.TIME_SCALE
    if change.state != State.AWAITING or change.deadline_at is None or change.deadline_at <= now:
        raise _too_late(change)
    most = int(LONGEST_AHEAD_SECONDS - (change.deadline_at - now).total_seconds() * scale)
    more = max(0, min(seconds, most))
    with transaction.atomic():
        won = VlanChange.objects.filter(pk=change.pk, state=State.AWAITING, deadline_at=change.deadline_at).update(
            deadline_at=change.deadline_at + timedelta(seconds=more / scale),
            extended_seconds=F("extended_seconds") + more,
        )
        if not won:
            raise refusals.Conflict("The deadline was moved at this very moment; look again.", retryable=True)
        running.hint(change.board)
        audit.record(
            "switch.extend",
            actor=actor,
            target=running.resource(change.board),
            outcome="done",
            operation_id=change.operation_id,
            detail={"change": change.number, "seconds": more},
        )
    change.refresh_from_db()
    return change


def roll_back(change: VlanChange, actor: Actor) -> None:
    """Have the switch put back to what it held; also once more after that failed. The worker does it within a second.

    Anybody may who may commit. Raises `NotPermitted`, `Conflict` if there is nothing to undo.
    """
    resource = running.resource(change.board)
    roles.require(actor, "switch.commit", resource)
    change.refresh_from_db()
    if change.state in (State.QUEUED, State.APPLYING):
        return lifecycle.cancel(change.operation, actor)
    if change.state == State.ROLLBACK_FAILED:
        power.refuse_if_busy(resource)  # (while it waits to be confirmed, the switch is its own)
        if VlanChange.objects.filter(board=change.board, number__gt=change.number).exists():
            raise refusals.Conflict(f"Change {change.number} was followed by another.", code="ended")
    because = f"{actor.name} had it rolled back."
    with transaction.atomic():
        won = VlanChange.objects.filter(pk=change.pk, state__in=[State.AWAITING, State.ROLLBACK_FAILED]).update(
            state=State.ROLLING_BACK, rolled_back_because=because, differences=[], acknowledged_by=""
        )
        if not won:
            raise refusals.Conflict(
                f"Change {change.number} cannot be rolled back ({change.get_state_display().lower()}).", code="ended"
            )
        running.hint(change.board)
        audit.record(
            "switch.roll-back",
            actor=actor,
            target=resource,
            outcome="requested",
            operation_id=change.operation_id,
            detail={"change": change.number},
        )


def acknowledge(change: VlanChange, actor: Actor) -> None:
    """Take note that the switch could not be put back. Raises `NotPermitted`, `Conflict`."""
    resource = running.resource(change.board)
    roles.require(actor, "switch.commit", resource)
    with transaction.atomic():
        failed = VlanChange.objects.filter(pk=change.pk, state=State.ROLLBACK_FAILED, acknowledged_by="")
        if not failed.update(acknowledged_by=actor.name):
            raise refusals.Conflict("There is nothing to acknowledge.", code="ended")
        running.hint(change.board)
        audit.record(
            "switch.acknowledge",
            actor=actor,
            target=resource,
            outcome="done",
            operation_id=change.operation_id,
            detail={"change": change.number},
        )


def _require(change: VlanChange, actor: Actor) -> None:
    """Whether `actor` is the person who committed it, and still may."""
    roles.require(actor, "switch.commit", running.resource(change.board))
    operation = change.operation
    if (actor.user_id, actor.name) != (operation.actor_user_id, operation.actor):
        raise refusals.NotPermitted(
            f"{operation.actor} committed this change; only a request of theirs shows that they still reach the portal."
        )


def _too_late(change: VlanChange) -> refusals.Refused:
    change.refresh_from_db()
    if change.state in (State.QUEUED, State.APPLYING):
        return refusals.Conflict(f"Change {change.number} is still being written.", code="not-written")
    words = change.get_state_display().lower()
    return refusals.Expired(f"Change {change.number} can no longer be decided about ({words}).")
