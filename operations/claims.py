"""Exclusive, visible use of a resource by one operation."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from operations.models import Claim, Operation
from operations.refusals import Busy


def take(resource: str, operation: Operation) -> Claim:
    """Claim `resource` for a saved `operation`, or raise `Busy` naming the holder.

    The INSERT runs in its own savepoint, so that `Busy` leaves the caller's transaction usable. Does not block
    beyond the database's own lock.
    """
    try:
        with transaction.atomic():
            return Claim.objects.create(
                resource=resource,
                operation=operation,
                holder=operation.actor,
                purpose=operation.title,
                since=timezone.now(),
            )
    except IntegrityError:
        holder = Claim.objects.filter(resource=resource).first()
        if holder is None:  # freed between our INSERT and this look: the next try will do
            raise Busy(f"{resource} was busy a moment ago; try again.", retryable=True) from None
        raise busy(holder) from None


def busy(holder: Claim) -> Busy:
    """The refusal that names who holds the resource, for what and since when."""
    place = holder.resource.replace("/", ", ").replace(":", " ")
    return Busy(
        f"{place} is busy: {holder.purpose}, asked for by {holder.holder} at {holder.since:%H:%M:%S} UTC.",
        holder=holder.holder,
        purpose=holder.purpose,
        since=holder.since.isoformat(),
        operation=str(holder.operation_id),
    )


def holds(operation: Operation, generation: int) -> bool:
    """Whether the claim taken as `generation` is still this operation's."""
    return Claim.objects.filter(pk=generation, operation=operation).exists()


def release(operation: Operation) -> None:
    """Free whatever `operation` holds; nothing to free is fine."""
    Claim.objects.filter(operation=operation).delete()
