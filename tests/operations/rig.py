"""Operations without a board: rows as services make them, and many threads or processes at once."""

import multiprocessing
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from operations import audit, claims, lifecycle
from operations.models import Claim, Operation, OperationState
from operations.roles import PORTAL, Actor

MANY = 8


def new_operation(resource: str = "b1/slot:3", *, claim: bool = True, **fields: Any) -> Operation:
    """A queued operation with its claim, as a request leaves it."""
    now = timezone.now()
    row: dict[str, Any] = {
        "kind": "power.reset",
        "title": f"Force off {resource.partition('/')[2].replace(':', ' ')}",
        "board": resource.partition("/")[0],
        "resource": resource,
        "actor": "alice",
        "actor_source": "web",
        "created_at": now,
        "expires_at": now + timedelta(seconds=60),
        **fields,
    }
    with transaction.atomic():
        operation = Operation.objects.create(**row)
        if claim:
            claims.take(resource, operation)
    return operation


def new_group(*resources: str) -> list[Operation]:
    """A group as it is queued: the first may start, the others wait their turn."""
    group = uuid4()
    waiting = {"state": OperationState.WAITING, "expires_at": None}
    return [
        new_operation(resource, group=group, position=place, **(waiting if place else {}))
        for place, resource in enumerate(resources)
    ]


def begun(operation: Operation, worker: str = "local", instance: str = "i1") -> Operation:
    """The operation once a worker has started it."""
    started = lifecycle.start(str(operation.pk), worker=worker, instance=instance)
    assert started is not None
    return started


def now_is(operation: Operation) -> Operation:
    """The operation as the database has it now."""
    return Operation.objects.get(pk=operation.pk)


def held() -> list[str]:
    """The resources that are claimed."""
    return sorted(Claim.objects.values_list("resource", flat=True))


def say(action: str = "test.act", *, actor: Actor = PORTAL, **more: Any) -> int:
    """One audit entry in a transaction of its own."""
    with transaction.atomic():
        return audit.record(action, actor=actor, target=more.pop("target", "b1"), **more)


def outcomes(operation_id: UUID) -> list[str]:
    """What the audit log says of one operation, in order."""
    entries = audit.AuditEntry.objects.filter(operation_id=operation_id).order_by("seq")
    return [entry.outcome for entry in entries]


def together(work: Callable[[int], Any], count: int = MANY) -> list[Any]:
    """What `work(number)` returns or raises in `count` threads that begin at the same moment."""
    gate = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            gate.wait(10)
            results[number] = work(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"
    return results


def in_processes(work: Callable[[int], Any], count: int = MANY) -> list[Any]:
    """What `work(number)` returns in `count` processes that begin at the same moment; it has to be picklable."""
    connection.close()  # a child must not share it
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(count), context.Queue()

    def run(number: int) -> None:
        gate.wait(10)
        try:
            answers.put((number, work(number)))
        finally:
            connection.close()

    processes = [context.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    found = dict(answers.get(timeout=30) for _ in processes)
    for process in processes:
        process.join(10)
    return [found[number] for number in range(count)]
