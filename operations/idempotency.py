"""Idempotency-Key: the same key from the same actor within 24 hours means the same request."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.models import IdempotencyKey, Operation
from operations.refusals import BadRequest, IdempotencyMismatch
from operations.roles import Actor

LIFE = timedelta(hours=24)


class _Lost(Exception):
    """Another request with the same key was first; what this one made is rolled back."""


def once(key: str, actor: Actor, body: dict[str, Any], make: Callable[[], Operation]) -> tuple[Operation, bool]:
    """Run `make` unless `key` was used before; return the operation and whether it is new.

    `make` runs in this function's transaction: of two racing requests one acts, the other gets its operation.
    Raises `IdempotencyMismatch` when the key was used for another body, `BadRequest` for a bad key.
    """
    if not key:
        with transaction.atomic():
            return make(), True
    if len(key) > 200 or not key.isprintable():
        raise BadRequest("Idempotency-Key takes up to 200 printable characters.")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    IdempotencyKey.objects.filter(at__lt=timezone.now() - LIFE).delete()
    earlier = _earlier(actor, key, digest)
    if earlier is not None:
        return earlier, False
    try:
        with transaction.atomic():
            operation = make()
            _store(actor, key, digest, operation.pk)
            return operation, True
    except _Lost:
        winner = _earlier(actor, key, digest)
        if winner is None:
            raise
        return winner, False


def _earlier(actor: Actor, key: str, digest: str) -> Operation | None:
    row = IdempotencyKey.objects.filter(actor=actor.name, key=key).first()
    if row is None:
        return None
    if row.body != digest:
        raise IdempotencyMismatch("This Idempotency-Key was used before for another request; use a new key.")
    return Operation.objects.filter(pk=row.operation_id).first()


def _store(actor: Actor, key: str, digest: str, operation_id: UUID) -> None:
    try:
        with transaction.atomic():
            IdempotencyKey.objects.create(
                actor=actor.name, key=key, body=digest, operation_id=operation_id, at=timezone.now()
            )
    except IntegrityError as error:
        raise _Lost from error
