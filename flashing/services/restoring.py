"""The end of a slot's flash, however it came about: its power, what its storage holds, and that it is over."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from flashing.guidance import HOLD_BOOT
from flashing.models import FlashJob, Method, Phase
from flashing.services import promises, queueing
from hardware.errors import HardwareError
from hardware.sequencer import Stop, StopReason
from hardware.sequences import reset_sequence
from hardware.som import PowerState, ResetType, SomTraits
from hardware.steps import Sequence
from operations import claims, lifecycle
from operations.models import OPEN_STATES, Operation
from operations.refusals import Refused
from slots.models import Contents, Slot
from slots.services import contents, execution, power, pressing

if TYPE_CHECKING:
    from flashing.services.attending import Attendant

UNTOUCHED = "untouched"


def restore(one: "Attendant") -> None:
    """Leave the boot mode: the power as it was promised, or off where nobody knows what the storage holds.

    Sets the sentence that says so. Blocks for a press: 1 s, or 8 s where only a long one ends it. Raises HardwareError,
    `lifecycle.Interrupted`.
    """
    if not one.was_pressed or not claims.holds(one.operation, one.job.generation):
        return  # (somebody has ended it from outside, and the slot may be another's by now)
    one.enter(Phase.RESTORING, "seeing to its power")
    traits = power.traits_of(one.slot)
    wanted = _wanted(one, traits)
    sequence = _sequence(traits, wanted)
    if sequence is None:
        execution.write_state(one.slot, one.operation, PowerState.UNKNOWN, line_low=False)
        way_out = "only a board without power brings it" if _latches(traits) else "force it off to bring it"
        one.power_words = f"The {traits.name} stays in download mode: {way_out} out of that."
        return
    try:
        pressing.press(one.slot, sequence, one.operation, one.job.generation, Stop())
    except HardwareError:
        execution.write_state(one.slot, one.operation, PowerState.UNKNOWN, line_low=False)
        raise
    execution.write_state(
        one.slot, one.operation, sequence.result, line_low=wanted is PowerState.OFF and not traits.is_button
    )
    one.power_words = {PowerState.ON: "It was restarted.", PowerState.OFF: "It was left off."}[wanted]


def _wanted(one: "Attendant", traits: SomTraits) -> PowerState:
    if traits.is_button:
        # A shutdown of the worker has no eight seconds left for it.
        able = not _latches(traits) and one.stop.reason is not StopReason.SHUTDOWN
        return PowerState.OFF if able else PowerState.UNKNOWN
    if contents_of(one) == Contents.UNKNOWN:
        return PowerState.OFF
    return PowerState.ON if PowerState(one.job.power_before) in promises.RUNS else PowerState.OFF


def _latches(traits: SomTraits) -> bool:
    """Whether a long press of its button is no way out, since no short one starts it again then."""
    return traits.force_off_seconds is None or traits.latches_after_hold


def _sequence(traits: SomTraits, wanted: PowerState) -> Sequence | None:
    if wanted is PowerState.UNKNOWN:
        return None
    kind = ResetType.FORCE_OFF if wanted is PowerState.OFF else ResetType.FORCE_RESTART
    return reset_sequence(traits, kind, PowerState.ON)


def contents_of(one: "Attendant") -> str:
    """What the slot's storage holds now, as far as it is known."""
    if one.outcome is not None:
        return one.outcome.contents
    return Contents.UNKNOWN if one.has_begun else UNTOUCHED


def settle(one: "Attendant") -> lifecycle.Settled:
    """Inside the transaction that ends the operation; returns what is said of the end."""
    held = contents_of(one)
    failed_in = one.failed_in if one.error else ""
    mine = FlashJob.objects.filter(pk=one.job.pk)
    mine.update(contents=held, failed_in=failed_in, bytes_per_second=0, eta_seconds=None)
    if one.error is None:
        mine.update(done_bytes=F("total_bytes"))
    _keep(one, held)
    if one.was_pressed and not one.power_words:  # not even its power was seen to
        execution.write_state(one.slot, one.operation, PowerState.UNKNOWN, line_low=False)
        one.power_words = "Its power could not be seen to and is Unknown."
    words = " ".join(filter(None, (_error_words(one.error), _contents_words(one, held), one.power_words)))
    if not one.has_begun:
        return lifecycle.Settled(words)
    return lifecycle.Settled(words, contents.said(one.slot), contents.said(Slot.objects.get(pk=one.slot.pk)))


def _keep(one: "Attendant", held: str) -> None:
    """What the slot's storage holds, on record."""
    name = one.run.row.image_name
    if held == Contents.IMAGE:
        contents.keep(one.slot, Contents.IMAGE, f"{name}, read back and right")
    elif held == Contents.UNVERIFIED:
        contents.keep(one.slot, Contents.UNVERIFIED, f"{name}: {_why_unverified(one)}")
    elif held == Contents.UNKNOWN:
        contents.keep(one.slot, Contents.UNKNOWN, f"a flash of {name} did not come to its end")
    elif one.has_begun:
        contents.put_back(one.slot)


def _why_unverified(one: "Attendant") -> str:
    return one.run.row.unverified_reason or "reading it back was cut short"


def _error_words(error: BaseException | None) -> str:
    match error:
        case None:
            return ""
        case HardwareError() | lifecycle.Cancelled() | lifecycle.Interrupted():
            return str(error)
        case Refused():
            return error.message
    return lifecycle.FAULT


def _contents_words(one: "Attendant", held: str) -> str:
    match held:
        case Contents.IMAGE:
            return "All of it was read back and is right."
        case Contents.UNVERIFIED:
            return f"It was written and not read back: {_why_unverified(one)}."
        case Contents.UNKNOWN:
            boots = one.outcome is None or one.outcome.may_boot
            return (
                "What its storage holds is unknown now."
                if boots
                else "What its storage holds is unknown, and does not boot."
            )
    return "Nothing was written."


def close(one: "Attendant") -> None:
    """The job is over, whoever has ended its operation (a board that lost power ends what runs on it)."""
    mine = FlashJob.objects.filter(pk=one.job.pk)
    mine.exclude(phase=Phase.ENDED).update(failed_in=one.failed_in)
    if one.has_begun and Slot.objects.filter(pk=one.slot.pk, contents_words=one.writing_words).exists():
        held = contents_of(one)  # nobody has settled it
        mine.update(contents=held)
        _keep(one, held)
    _close(mine)
    queueing.hint(one.run.row)


def _close(jobs: QuerySet[FlashJob]) -> None:
    for job in jobs.exclude(phase=Phase.ENDED):
        failed_in = job.failed_in or ("" if job.contents in (Contents.IMAGE, Contents.UNVERIFIED) else job.phase)
        FlashJob.objects.filter(pk=job.pk).update(
            phase=Phase.ENDED, failed_in=failed_in, hands_step=0, bytes_per_second=0, eta_seconds=None
        )


def settle_interrupted(operation: Operation) -> lifecycle.Settled:
    """The worker of a flash died. What it was writing is unknown (and is on record as that since before the first
    byte); the power is unknown if its line has moved."""
    job = FlashJob.objects.select_related("run").get(operation=operation)
    slot = Slot.objects.select_related("board").get(pk=job.slot_id) if job.slot_id else None
    begun = job.contents == Contents.UNKNOWN
    pressed = slot is not None and _may_have_pressed(job, slot, operation)
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    if slot and begun:
        before |= contents.said(slot)
        contents.keep(slot, Contents.UNKNOWN, f"the worker died while {job.run.image_name} was being written")
        after |= contents.said(Slot.objects.get(pk=slot.pk))
    if slot and pressed:
        before, after = before | {"power": slot.power_state}, after | {"power": PowerState.UNKNOWN.value}
        execution.write_state(slot, operation, PowerState.UNKNOWN, line_low=False)
    said = ["What its storage holds is unknown now." if begun else "Nothing was written."]
    if pressed:
        said.append("It may still be in download mode; its power is Unknown.")
    lifecycle.append_log(operation, " ".join(said), "warn")
    _close(FlashJob.objects.filter(pk=job.pk))
    queueing.hint(job.run)
    return lifecycle.Settled("", before or None, after or None)


def _may_have_pressed(job: FlashJob, slot: Slot, operation: Operation) -> bool:
    """Whether the slot's line has moved, or was about to: nobody but the operation commands a slot that it holds."""
    if job.method != Method.RPIBOOT or operation.started_at is None:
        return False
    was_commanded = slot.commanded_at is not None and slot.commanded_at >= operation.started_at
    return was_commanded or job.hands_step > HOLD_BOOT


def close_what_has_ended() -> None:
    """Jobs whose operation has ended without a worker's help: expired, cancelled while queued, board without power."""
    with transaction.atomic():
        _close(FlashJob.objects.exclude(operation__state__in=OPEN_STATES))


def remove_left_over_files() -> None:
    """What an earlier life of this worker was computing. Only the worker that holds the name's lock may."""
    shutil.rmtree(Path(settings.DATA_DIR) / "flashing", ignore_errors=True)
