"""How an operation begins and ends: every transition is an UPDATE filtered on the state it leaves.

Exactly one caller wins each transition, on SQLite as on PostgreSQL; the others get False or None and do nothing.
Ending an operation frees its claim, writes the audit entry and tells open pages, in one transaction.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from hardware.errors import HardwareError
from operations import audit, claims, events, roles
from operations.models import Operation, OperationLogLine, OperationState
from operations.refusals import Conflict, Refused
from operations.roles import Actor

EXPIRY = timedelta(seconds=60 / settings.TIME_SCALE)
# Heartbeats are of the real clock, whatever the time scale.
HEARTBEAT = timedelta(seconds=10)
SILENCE = timedelta(seconds=60)
# Between two members of a group, so that their inrush does not add up. Our choice, UNVERIFIED.
STAGGER = timedelta(seconds=2 / settings.TIME_SCALE)
# How far ahead of now a time may lie that was taken earlier: more, and the clock was set back in between.
CLOCK_SLACK = timedelta(seconds=5)
FAULT = "The portal hit a fault of its own; the worker's log has the details."

#: How the audit log calls an end; else by its state.
OUTCOMES = {"succeeded": "done", "not-permitted": "refused"}


@dataclass(frozen=True)
class Settled:
    """What the end of an operation changed, for the record, and a sentence for the outcome."""

    message: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


#: Writes what is believed after an operation whose worker is gone, and returns what that changed.
Aftermath = Callable[[Operation], Settled]
#: Writes the outcome's effect; returns what that was, or a sentence, or "" to keep the one that there is.
Settle = Callable[[bool], str | Settled]


class Cancelled(Exception):
    """Raised inside a running operation that somebody cancelled."""


class Interrupted(Exception):
    """Raised inside a running operation whose worker was told to stop."""


def actor_of(operation: Operation) -> Actor:
    """The person for whom `operation` runs, without the rights that they had when they asked."""
    return Actor(
        name=operation.actor,
        user_id=operation.actor_user_id,
        source=operation.actor_source,
        credential=operation.actor_credential,
        address=operation.actor_address,
        token=operation.actor_token,
    )


def queue(
    kind: str, title: str, resource: str, actor: Actor, plan: dict[str, Any], *, reason: str = "", **more: Any
) -> Operation:
    """A new operation that holds its claim, QUEUED until it expires; `more` are further fields, for a group's member.

    Call it inside the request's transaction. Raises `Busy` naming who holds the resource.
    """
    now = timezone.now()
    fields: dict[str, Any] = {"state": OperationState.QUEUED, "expires_at": now + EXPIRY, **more}
    operation = Operation.objects.create(
        kind=kind,
        title=title,
        board=resource.partition("/")[0],
        resource=resource,
        actor=actor.name,
        actor_user_id=actor.user_id,
        actor_source=actor.source,
        actor_credential=actor.credential,
        actor_address=actor.address,
        actor_token=actor.token,
        reason=reason,
        created_at=now,
        plan=plan,
        steps=len(plan["steps"]),
        **fields,
    )
    claims.take(resource, operation)
    return operation


def changed(operation: Operation) -> None:
    """Hint that `operation`, and the slot it concerns, should be read again."""
    board, _, rest = operation.resource.partition("/")
    slot = int(rest.removeprefix("slot:")) if rest.startswith("slot:") else None
    events.hint("operation", board, slot, operation=str(operation.id))


def start(operation_id: str, *, worker: str, instance: str, details: str | None = None) -> Operation | None:
    """QUEUED to RUNNING if it is still in time; None when somebody else started it, it is too late, or the person who
    asked for it may not do it any more. Then it has ended and nothing was driven.

    `details` names the row that belongs to this kind of operation and is read along with it: every query counts here.
    """
    now = timezone.now()
    in_time = Q(expires_at__gt=now) & Q(created_at__lte=now + CLOCK_SLACK)  # a clock set back buys no time
    won = Operation.objects.filter(in_time, pk=operation_id, state=OperationState.QUEUED).update(
        state=OperationState.RUNNING, started_at=now, heartbeat_at=now, worker=worker, instance=instance
    )
    if not won:
        expire(operation_id)
        return None
    # No hint yet: the first step gives one, and nothing should stand between here and the line.
    rows = Operation.objects.select_related(details) if details else Operation.objects.all()
    operation = rows.get(pk=operation_id)
    return operation if _still_permitted(operation) else None


def _still_permitted(operation: Operation) -> bool:
    """End what was asked for with a right that is gone by now: taken away, run out, or somebody else's slot since."""
    if operation.actor_user_id is None:  # the portal's own, or that of somebody at the controller itself
        return True
    decision = roles.may(roles.renewed(actor_of(operation)), right_to(operation), operation.resource)
    if not decision:
        words = f"{decision.reason} Nothing was done."
        _end(_running(operation), OperationState.FAILED, "not-permitted", words)
    return bool(decision)


def expire(operation_id: str) -> bool:
    """End a QUEUED operation whose time has passed; False if there is nothing to expire."""
    now = timezone.now()
    late = Q(expires_at__lte=now) | Q(created_at__gt=now + CLOCK_SLACK)
    return _end(
        Operation.objects.filter(late, pk=operation_id, state=OperationState.QUEUED),
        OperationState.EXPIRED,
        "expired",
        "No worker took it in time. Nothing was switched.",
    )


def fail_before_start(operation: Operation, code: str, message: str) -> bool:
    """End an operation that could not even be handed to a worker; False if one has begun it all the same."""
    return _end(_not_begun(operation), OperationState.FAILED, code, message)


def interrupt(operation: Operation, message: str, settle: Aftermath = lambda operation: Settled("")) -> bool:
    """End a RUNNING operation whose worker is gone or whose board lost power; it is never run again.

    `settle` works in the same transaction.
    """
    return _end(_running(operation), OperationState.INTERRUPTED, "interrupted", message, settle)


def _not_begun(operation: Operation) -> QuerySet[Operation]:
    return Operation.objects.filter(pk=operation.pk, state__in=[OperationState.WAITING, OperationState.QUEUED])


def _running(operation: Operation) -> QuerySet[Operation]:
    return Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)


def _end(
    candidates: QuerySet[Operation],
    state: OperationState,
    code: str,
    message: str,
    settle: Callable[[Operation], str | Settled] = lambda operation: "",
) -> bool:
    """End the one operation among `candidates`, unless somebody else did; `settle` may have a better message.

    The audit entry comes last, since it holds the chain's head up to the commit: whoever waited for another row while
    holding it could wait for somebody who waits for the head.
    """
    with transaction.atomic():
        operation = candidates.first()
        if operation is None or not candidates.update(state=state, code=code, ended_at=timezone.now(), progress=""):
            return False
        settled = settle(operation)
        changes = settled if isinstance(settled, Settled) else Settled(settled)
        message = changes.message or message
        Operation.objects.filter(pk=operation.pk).update(message=message)
        claims.release(operation)
        _next_turn(operation, state)
        level = {"succeeded": "good", "failed": "bad", "interrupted": "bad"}.get(state.value, "warn")
        append_log(
            operation, message if message.startswith(state.label) else f"{state.label}. {message}".strip(), level
        )
        changed(operation)
        audit.record(
            operation.kind,
            actor=actor_of(operation),
            target=operation.resource,
            outcome=OUTCOMES.get(code) or OUTCOMES.get(state.value, state.value),
            code=code,
            reason=operation.reason,
            operation_id=operation.pk,
            before=changes.before,
            after=changes.after,
            detail={"title": operation.title, "message": message},
        )
        return True


def heartbeat(instance: str) -> None:
    """Say that `instance` still works on what it runs; only owners on other machines are judged by this."""
    Operation.objects.filter(instance=instance, state=OperationState.RUNNING).update(heartbeat_at=timezone.now())


def append_log(operation: Operation, text: str, level: str = "info") -> None:
    """Add the next numbered line to the live log."""
    with transaction.atomic():
        if connection.vendor == "postgresql":  # SQLite's IMMEDIATE transactions are alone already
            Operation.objects.select_for_update().get(pk=operation.pk)
        last = OperationLogLine.objects.filter(operation=operation).aggregate(n=Max("number"))["n"] or 0
        OperationLogLine.objects.create(operation=operation, number=last + 1, at=timezone.now(), level=level, text=text)


def set_step(operation: Operation, step: int, steps: int, words: str, seconds: float) -> None:
    """Record which step runs now, in words, and how long it is planned to take (0 = unknown)."""
    Operation.objects.filter(pk=operation.pk).update(
        step=step, steps=steps, progress=words, step_seconds=seconds, step_started_at=timezone.now()
    )
    changed(operation)


@contextlib.contextmanager
def running(operation: Operation, settle: Settle) -> Iterator[None]:
    """Whatever happens inside ends `operation` once: success, failure with its code, cancel, interruption.

    `settle(whole)` writes what is believed from now on, in the transaction that ends the operation; `whole` says
    whether all was done as planned. It is not called when somebody else has ended the operation already.
    The only place that catches everything: a bug ends the operation FAILED "internal" and is raised again.
    """
    try:
        yield
    except Cancelled as end:
        _finish(operation, settle, OperationState.CANCELLED, "cancelled", str(end))
    except Interrupted as end:
        _finish(operation, settle, OperationState.INTERRUPTED, "interrupted", str(end))
    except HardwareError as error:
        _finish(operation, settle, OperationState.FAILED, error.code, " ".join([str(error), *_notes(error)]))
    except Refused as refusal:
        _finish(operation, settle, OperationState.FAILED, refusal.code, refusal.message)
    except Exception:
        _finish(operation, settle, OperationState.FAILED, "internal", FAULT)
        raise
    else:
        _finish(operation, settle, OperationState.SUCCEEDED, "", "")


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _finish(operation: Operation, settle: Settle, state: OperationState, code: str, message: str) -> None:
    whole = state == OperationState.SUCCEEDED
    try:
        _end(_running(operation), state, code, message, lambda ended: settle(whole))
    except Exception:  # whatever could not be written down, the operation must not stay RUNNING for it
        _end(_running(operation), OperationState.FAILED, "internal", FAULT)
        raise


def right_to(operation: Operation) -> str:
    """The action that a person must be allowed for `operation`: to ask for it, at its turn, and to cancel it."""
    rights = {
        "flash.write": "flash",
        "switch.vlan": "switch.commit",
        "switch.restore": "switch.commit",
        "switch.scan": "switch.scan",
        "switch.reset": "switch.reset",
        "controller.restart": "controller.restart",
    }
    return rights.get(operation.kind, "power")


def cancel(operation: Operation, actor: Actor) -> None:
    """End at once what waits; ask the worker to end what runs as soon as its line is safe.

    Cancelling a press releases the button now; a shortened press may have acted as a short one. Raises
    `NotPermitted`, and `Conflict` if it has ended already.
    """
    roles.require(actor, right_to(operation), operation.resource)
    with transaction.atomic():
        # In the order in which an operation moves on, so that one which starts in between is not missed.
        words = f"Cancelled by {actor.name} before it began."
        outcome = "done" if _end(_not_begun(operation), OperationState.CANCELLED, "cancelled", words) else "requested"
        if outcome == "requested" and not _running(operation).update(cancel_requested_by=actor.name):
            operation.refresh_from_db(fields=["state"])
            raise Conflict(f"{operation.title} has ended already ({operation.get_state_display()}).", code="ended")
        audit.record(
            "operation.cancel",
            actor=actor,
            target=operation.resource,
            outcome=outcome,
            operation_id=operation.pk,
            detail={"title": operation.title},
        )


def sweep_dead(worker: str, instance: str, settle: Aftermath) -> None:
    """End as INTERRUPTED what an earlier life of `worker` was running.

    Called by a worker that holds the lock of its name: whoever had it before is dead, whatever the clock says.
    """
    for operation in Operation.objects.filter(state=OperationState.RUNNING, worker=worker).exclude(instance=instance):
        interrupt(operation, "The worker died while this ran. It is not repeated.", settle)


def sweep_silent(settle: Aftermath, alive: Iterable[str], limit: timedelta = SILENCE) -> None:
    """End what runs on a worker that has not been heard of for `limit`, the workers named in `alive` excepted: on this
    machine a lock says who lives, and a clock that jumps forward kills nobody."""
    silent = Operation.objects.filter(state=OperationState.RUNNING, heartbeat_at__lt=timezone.now() - limit)
    for operation in silent.exclude(worker__in=list(alive)):
        interrupt(operation, "The worker has not been heard of for a minute. It is not repeated.", settle)


def housekeeping_queue(boards: list[str]) -> list[Operation]:
    """Bring waiting members to their turn, expire what is late; return what should be sent (again) to a worker."""
    now = timezone.now()
    # A turn further away than any turn is set was set by a clock that has gone back since.
    due = Q(due_at__lte=now) | Q(due_at__gt=now + STAGGER + CLOCK_SLACK)
    Operation.objects.filter(due, state=OperationState.WAITING, board__in=boards).update(
        state=OperationState.QUEUED, expires_at=F("due_at") + EXPIRY
    )
    queued = Operation.objects.filter(state=OperationState.QUEUED, board__in=boards)
    return [operation for operation in queued if not expire(str(operation.pk))]


def _next_turn(operation: Operation, state: OperationState) -> None:
    """Whatever ends a member of a group sets the time of the next one; members fail alone."""
    members = Operation.objects.filter(group=operation.group)
    if operation.group is None or members.filter(state__in=[OperationState.QUEUED, OperationState.RUNNING]).exists():
        return  # (a waiting member was cancelled; the one before it still goes on)
    turn = _last_known_of(operation, state) + STAGGER
    while (following := members.filter(state=OperationState.WAITING).order_by("position").first()) is not None:
        if following.due_at or members.filter(pk=following.pk, state=OperationState.WAITING).update(due_at=turn):
            return  # else it was cancelled at this very moment, and the one after it is next


def _last_known_of(operation: Operation, state: OperationState) -> datetime:
    """When the operation came to its end. Where nobody was there to see it, the next one's turn came long ago as well:
    what could not be done in time is not done the next morning."""
    now = timezone.now()
    if state == OperationState.EXPIRED:
        return min(now, operation.expires_at or now)
    if state == OperationState.INTERRUPTED:
        return min(now, operation.heartbeat_at + HEARTBEAT if operation.heartbeat_at else now)
    return now
