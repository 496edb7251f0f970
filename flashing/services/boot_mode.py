"""What a person says while a slot's boot mode is entered: that they hold BOOT, so that its line may be pressed."""

from django.db import transaction
from django.utils import timezone

from flashing.guidance import FEED, HOLD_BOOT
from flashing.models import FlashJob, Method, Phase
from flashing.services import queueing
from hardware import endpoints
from hardware.errors import HardwareError
from operations import audit, lifecycle, refusals, roles
from operations.models import OperationState
from operations.roles import Actor


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


def simulated_hands(job: FlashJob, actor: Actor) -> None:
    """Let a simulated board's hands do what the slot's present step asks for: plug the cable in and hold BOOT, or let
    go of it once the boot ROM has answered. The line is not pressed by this.

    Raises `NotPermitted`, `NotOffered` for a real board, `Conflict` if nothing is asked of hands now.
    """
    roles.require(actor, "flash", job.operation.resource)
    if not job.address.startswith(endpoints.SIMULATED):
        raise refusals.NotOffered("Only a simulated board has simulated hands.", code="not-simulated")
    job.refresh_from_db(fields=["phase", "hands_step"])
    if job.phase != Phase.BOOT_MODE or not job.hands_step:
        raise refusals.Conflict(f"Slot {job.number} asks nothing of hands now.", code="not-waiting")
    holds = job.hands_step < FEED
    try:
        endpoints.use_simulated_hands(job.address, job.number, holds, presses_reset=job.method == Method.UMS)
    except HardwareError as error:
        raise refusals.Unavailable(str(error), code=error.code) from error
