"""Idempotency-Key: the same key from the same actor within 24 hours means the same request."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from operations.models import IdempotencyKey, Operation
from operations.refusals import BadRequest, Conflict, IdempotencyMismatch
from operations.roles import Actor

LIFE = timedelta(hours=24)
Row = TypeVar("Row", bound=Model)


class _Lost(Exception):
    """Another request with the same key was first."""


def once(key: str, actor: Actor, body: dict[str, Any], make: Callable[[], Operation]) -> tuple[Operation, bool]:
    """Run `make` unless `key` was used before; return the operation and whether it is new. Otherwise as `once_of`."""
    return once_of(Operation, key, actor, body, make)


def once_of(kind: type[Row], key: str, actor: Actor, body: dict[str, Any], make: Callable[[], Row]) -> tuple[Row, bool]:
    """Run `make` unless `key` was used before; return the row of `kind` that came of it, and whether it is new.

    `make` runs in this function's transaction, after the key is taken: of racing requests one acts, the others wait for
    it and get its row. A `make` that raises leaves the key unused. `body` says all that makes this request another one
    than others of the same actor, of other kinds too.
    Raises `IdempotencyMismatch` when the key was used for another body, `BadRequest` for a bad key.
    """
    if not key:
        with transaction.atomic():
            return make(), True
    if len(key) > 200 or not key.isprintable():
        raise BadRequest("Idempotency-Key takes up to 200 printable characters.")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    IdempotencyKey.objects.filter(at__lt=timezone.now() - LIFE).delete()
    try:
        with transaction.atomic():
            taken = _take(actor, key, digest)
            row = make()
            IdempotencyKey.objects.filter(pk=taken.pk).update(made=row.pk)
            return row, True
    except _Lost:
        return kind._default_manager.get(pk=_earlier(actor, key, digest)), False


def forget(operation: Operation) -> None:
    """Let a repeated request be a new one: nothing came of `operation`."""
    IdempotencyKey.objects.filter(made=operation.pk).delete()


def _take(actor: Actor, key: str, digest: str) -> IdempotencyKey:
    """The key's row, ours until the commit. Raises `_Lost` if it was used before."""
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(actor=actor.name, key=key, body=digest, at=timezone.now())
    except IntegrityError as error:
        raise _Lost from error


def _earlier(actor: Actor, key: str, digest: str) -> str:
    """The key of the row that the first request made."""
    row = IdempotencyKey.objects.filter(actor=actor.name, key=key).first()
    if row is None:  # it was forgotten at this very moment
        raise Conflict("The first request with this Idempotency-Key came to nothing; try again.", retryable=True)
    if row.body != digest:
        raise IdempotencyMismatch("This Idempotency-Key was used before for another request; use a new key.")
    return row.made
