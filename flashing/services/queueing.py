"""Runs and their jobs as rows: made, counted, recorded and handed over to the flash worker."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from flashing.models import FlashJob, FlashRun, Profile
from images.models import FirmwareImage
from operations import audit, events, lifecycle, refusals
from operations.models import OPEN_STATES, Operation
from operations.roles import Actor
from slots.models import Board, Slot
from slots.services import power

KIND = "flash.write"
PHASES = ("prepare", "boot-mode", "write", "verify", "restore")
# Each run takes its own buffers and decoder, on a controller with 2 GB; more wait better on a person's list.
RUNS_AT_ONCE = 3
START_SECONDS = 30  # of the real clock: the flash worker's process may have to start first
BROKER_WORDS = "The message broker does not answer, so no worker could be told. Nothing was written."


def open_runs() -> int:
    """How many runs, of whichever board, have not ended."""
    return FlashRun.objects.filter(jobs__operation__state__in=OPEN_STATES).distinct().count()


def refuse_if_full() -> None:
    """Raise `Busy` if the flash worker has as many runs as it takes at once."""
    if open_runs() >= RUNS_AT_ONCE:
        raise refusals.Busy(
            f"{RUNS_AT_ONCE} flashes are under way and no more are done at once; wait for one to end or cancel it.",
            code="flashes-full",
            retryable=True,
        )


def needs(image: FirmwareImage) -> str:
    """Why `image` cannot be deleted now: the flash that waits for it or reads it; "" if none does."""
    operation = Operation.objects.filter(flash__run__image=image, state__in=OPEN_STATES).first()
    if operation is None:
        return ""
    return f"{image.name} is needed: {operation.title}, asked for by {operation.actor}, has not ended."


def create_run(
    board: Board, image: FirmwareImage, profile: Profile | None, actor: Actor, *, unverified_reason: str
) -> FlashRun:
    """A run without jobs yet."""
    return FlashRun.objects.create(
        board=board.slug,
        image=image,
        image_name=image.name,
        image_sha256=image.sha256,
        size_bytes=image.size_bytes,
        data_bytes=image.mapped_bytes,
        profile=profile,
        profile_name=profile.name if profile else "",
        unverified_reason=unverified_reason,
        actor=actor.name,
        created_at=timezone.now(),
    )


def create_job(run: FlashRun, slot: Slot, actor: Actor, reason: str, **fields: Any) -> FlashJob:
    """One slot of a run, queued, with its claim. Raises `Busy`."""
    title = f"Flash {run.image_name} on slot {slot.number}"[:120]
    resource = slot.resource(run.board)
    expires = timezone.now() + lifecycle.EXPIRY + timedelta(seconds=START_SECONDS)
    plan = {"steps": list(PHASES), "method": fields["method"], "medium": fields["medium"], "run": str(run.pk)}
    operation = lifecycle.queue(KIND, title, resource, actor, plan, reason=reason, expires_at=expires)
    som = slot.som
    return FlashJob.objects.create(
        run=run,
        operation=operation,
        slot=slot,
        number=slot.number,
        som_name=", ".join(filter(None, (som.name, som.som_type.name)))[:60],
        generation=operation.claim.pk,
        total_bytes=run.data_bytes,
        **fields,
    )


def record(run: FlashRun, jobs: list[FlashJob], actor: Actor, reason: str) -> None:
    """The audit entries of a request, one for each slot: last statements of its transaction."""
    for job in jobs:
        lifecycle.changed(job.operation)
        audit.record(
            "flash.request",
            actor=actor,
            target=job.operation.resource,
            outcome="requested",
            reason=reason,
            operation_id=job.operation.pk,
            detail={
                "title": job.operation.title,
                "run": str(run.pk),
                "image": run.image_name,
                "sha256": run.image_sha256,
                "method": job.method,
                "medium": job.medium,
                "address": job.address,
                "power_after": job.power_after,
                "profile": run.profile_name,
                "unverified_reason": run.unverified_reason,
            },
        )
    hint(run)


def hint(run: FlashRun) -> None:
    """Open pages should read the run again."""
    events.hint("flash", run.board, run=str(run.pk))


def hand_over(run: FlashRun) -> None:
    """Give a committed run to the broker, or end it and raise `BrokerUnavailable`."""
    operations = [job.operation for job in run.jobs.select_related("operation")]
    power.hand_over(operations, BROKER_WORDS)


def open_operations(run: FlashRun) -> list[Operation]:
    """Those of its operations that have not ended."""
    return list(Operation.objects.filter(flash__run=run, state__in=OPEN_STATES))
