"""What a person says while a slot's boot mode is entered: that they hold BOOT, so that its line may be pressed."""

from django.db import transaction
from django.utils import timezone

from flashing.models import FlashJob, Phase
from flashing.services import queueing
from operations import audit, lifecycle, refusals, roles
from operations.models import OperationState
from operations.roles import Actor

HOLD_BOOT = 1  # the step of flashing.guidance in which BOOT is held and the line is pressed


def holding(job: FlashJob, actor: Actor) -> None:
    """ "I am holding BOOT; press now." The flash worker presses the line within a second, once.

    Raises `NotPermitted`, `Conflict` unless this slot is being waited for right now.
    """
    roles.require(actor, "flash", job.operation.resource)
    with transaction.atomic():
        waiting = FlashJob.objects.filter(
            pk=job.pk,
            phase=Phase.BOOT_MODE,
            hands_step=HOLD_BOOT,
            press_asked_at=None,
            operation__state=OperationState.RUNNING,
        )
        if not waiting.update(press_asked_at=timezone.now(), press_asked_by=actor.name):
            raise refusals.Conflict(
                f"Slot {job.number} is not waiting for BOOT to be held now; the page says what it waits for.",
                code="not-waiting",
            )
        lifecycle.append_log(job.operation, f"{actor.name} says that BOOT is held.")
        queueing.hint(job.run)
        audit.record(
            "flash.hands",
            actor=actor,
            target=job.operation.resource,
            operation_id=job.operation.pk,
            detail={"title": job.operation.title, "step": HOLD_BOOT},
        )
