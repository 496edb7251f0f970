"""How an operation begins and ends: every transition is an UPDATE filtered on the state it leaves.

Exactly one caller wins each transition, on SQLite as on PostgreSQL; the others get False or None and do nothing.
Ending an operation frees its claim, writes the audit entry and tells open pages, in one transaction.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from hardware.errors import HardwareError
from operations import audit, claims, events, roles
from operations.models import Claim, Operation, OperationLogLine, OperationState
from operations.refusals import Conflict, Refused
from operations.roles import Actor

EXPIRY = timedelta(seconds=60 / settings.TIME_SCALE)
# Heartbeats come every 10 s of the real clock, whatever the time scale.
SILENCE = timedelta(seconds=60)
# Between two members of a group, so that their inrush does not add up. Our choice, UNVERIFIED.
STAGGER = timedelta(seconds=2 / settings.TIME_SCALE)
log = logging.getLogger("nanoportal.operations")

#: Writes the outcome's effect; returns a sentence for the outcome, or "" to keep the one that there is.
Settle = Callable[[bool], str]


class Cancelled(Exception):
    """Raised inside a running operation that somebody cancelled."""


class Interrupted(Exception):
    """Raised inside a running operation whose worker was told to stop."""


def actor_of(operation: Operation) -> Actor:
    """The person for whom `operation` runs, as they stood when they asked."""
    return Actor(
        name=operation.actor,
        user_id=operation.actor_user_id,
        source=operation.actor_source,
        credential=operation.actor_credential,
        address=operation.actor_address,
    )


def changed(operation: Operation) -> None:
    """Hint that `operation`, and the slot it concerns, should be read again."""
    board, _, rest = operation.resource.partition("/")
    slot = int(rest.removeprefix("slot:")) if rest.startswith("slot:") else None
    events.hint("operation", board, slot, operation=str(operation.id))


def start(operation_id: str, *, worker: str, instance: str) -> Operation | None:
    """QUEUED to RUNNING if it is still in time; None when somebody else started it, or it is too late."""
    now = timezone.now()
    in_time = Q(expires_at__gt=now) & Q(created_at__lte=now + timedelta(seconds=5))  # a clock set back buys no time
    with transaction.atomic():
        won = Operation.objects.filter(in_time, pk=operation_id, state=OperationState.QUEUED).update(
            state=OperationState.RUNNING, started_at=now, heartbeat_at=now, worker=worker, instance=instance
        )
        if won:
            Claim.objects.filter(operation_id=operation_id).update(instance=instance)
    if not won:
        expire(operation_id)
        return None
    operation = Operation.objects.get(pk=operation_id)
    changed(operation)
    return operation


def expire(operation_id: str) -> bool:
    """End a QUEUED operation whose time has passed; False if there is nothing to expire."""
    now = timezone.now()
    late = Q(expires_at__lte=now) | Q(created_at__gt=now + timedelta(seconds=5))
    return _end(
        Operation.objects.filter(late, pk=operation_id, state=OperationState.QUEUED),
        OperationState.EXPIRED,
        "expired",
        "No worker took it in time. Nothing was switched.",
    )


def fail_before_start(operation: Operation, code: str, message: str) -> bool:
    """End a QUEUED operation that could not even be handed to a worker."""
    queued = Operation.objects.filter(pk=operation.pk, state=OperationState.QUEUED)
    return _end(queued, OperationState.FAILED, code, message)


def interrupt(operation: Operation, message: str, settle: Callable[[Operation], None] | None = None) -> bool:
    """End a RUNNING operation whose worker is gone or whose board lost power; it is never run again.

    `settle` writes what is believed from now on, in the same transaction.
    """
    with transaction.atomic():
        won = _end(_running(operation), OperationState.INTERRUPTED, "interrupted", message)
        if won and settle is not None:
            settle(operation)
        return won


def _running(operation: Operation):  # type: ignore[no-untyped-def]
    return Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)


def _end(candidates, state: OperationState, code: str, message: str) -> bool:  # type: ignore[no-untyped-def]
    with transaction.atomic():
        operation = candidates.first()
        if operation is None:
            return False
        won = candidates.update(state=state, code=code, message=message, ended_at=timezone.now(), progress="")
        if not won:
            return False
        claims.release(operation)
        level = {"succeeded": "good", "failed": "bad", "interrupted": "bad"}.get(state.value, "warn")
        append_log(operation, f"{state.label}. {message}".strip(), level)
        audit.record(
            operation.kind,
            actor=actor_of(operation),
            target=operation.resource,
            outcome="done" if state == OperationState.SUCCEEDED else state.value,
            code=code,
            reason=operation.reason,
            operation_id=operation.pk,
            detail={"title": operation.title, "message": message},
        )
        _next_turn(operation)
        changed(operation)
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
        words = "The portal hit a fault of its own; the worker's log has the details."
        _finish(operation, settle, OperationState.FAILED, "internal", words)
        raise
    else:
        _finish(operation, settle, OperationState.SUCCEEDED, "", "")


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _finish(operation: Operation, settle: Settle, state: OperationState, code: str, message: str) -> None:
    with transaction.atomic():
        if Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING).exists():
            message = settle(state == OperationState.SUCCEEDED) or message
            _end(_running(operation), state, code, message)


def cancel(operation: Operation, actor: Actor) -> None:
    """End at once what waits; ask the worker to end what runs as soon as its line is safe.

    Cancelling a press releases the button now; a shortened press may have acted as a short one. Raises
    `NotPermitted`, and `Conflict` if it has ended already.
    """
    roles.require(actor, "power", operation.resource)
    if not operation.is_open:
        raise Conflict(f"{operation.title} has ended already ({operation.get_state_display()}).", code="ended")
    with transaction.atomic():
        Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING).update(cancel_requested_by=actor.name)
        audit.record(
            "operation.cancel",
            actor=actor,
            target=operation.resource,
            outcome="requested",
            operation_id=operation.pk,
            detail={"title": operation.title},
        )
    waiting = Operation.objects.filter(pk=operation.pk, state__in=[OperationState.WAITING, OperationState.QUEUED])
    _end(waiting, OperationState.CANCELLED, "cancelled", f"Cancelled by {actor.name} before it began.")


def sweep_dead(worker: str, instance: str, settle: Callable[[Operation], None]) -> None:
    """End as INTERRUPTED what an earlier life of `worker` was running.

    Called by a worker that holds the lock of its name: whoever had it before is dead, whatever the clock says.
    """
    for operation in Operation.objects.filter(state=OperationState.RUNNING, worker=worker).exclude(instance=instance):
        interrupt(operation, "The worker died while this ran. It is not repeated.", settle)


def sweep_silent(settle: Callable[[Operation], None], limit: timedelta = SILENCE) -> None:
    """End what runs on a worker that has not been heard of for `limit` (workers on other machines)."""
    silent = Operation.objects.filter(state=OperationState.RUNNING, heartbeat_at__lt=timezone.now() - limit)
    for operation in silent:
        interrupt(operation, "The worker has not been heard of for a minute. It is not repeated.", settle)


def housekeeping_queue(boards: list[str]) -> list[Operation]:
    """Bring waiting members to their turn, expire what is late; return what should be sent (again) to a worker."""
    now = timezone.now()
    turn = Operation.objects.filter(state=OperationState.WAITING, due_at__lte=now, board__in=boards)
    for pk in turn.values_list("pk", flat=True):
        Operation.objects.filter(pk=pk, state=OperationState.WAITING).update(
            state=OperationState.QUEUED, expires_at=now + EXPIRY, created_at=F("created_at")
        )
    queued = Operation.objects.filter(state=OperationState.QUEUED, board__in=boards)
    return [operation for operation in queued if not expire(str(operation.pk))]


def _next_turn(operation: Operation) -> None:
    """Whatever ends a member of a group sets the time of the next one; members fail alone."""
    if operation.group is None:
        return
    members = Operation.objects.filter(group=operation.group)
    if members.filter(state__in=[OperationState.QUEUED, OperationState.RUNNING]).exists():
        return  # a waiting member was cancelled; the one before it still goes on
    following = members.filter(state=OperationState.WAITING).order_by("position").first()
    if following is not None:
        Operation.objects.filter(pk=following.pk, due_at=None).update(due_at=timezone.now() + STAGGER)
