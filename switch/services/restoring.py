"""The way back: the switch put back to what it held before a change, by its writer or by the worker's next life."""

import logging

from django.db import transaction

from hardware.contracts import Clock, SwitchChip
from hardware.errors import HardwareError
from hardware.jl6108.recipes import ChipVlans
from hardware.switch_errors import RegisterDifference, RegistersDiffer
from operations import audit, worker
from operations.models import OPEN_STATES
from operations.roles import PORTAL
from slots.models import Board
from slots.services import parts
from switch.documents import chip_from_json
from switch.errors import RollbackFailed
from switch.models import UNDER_WAY, SwitchState, VlanChange
from switch.services import applying, running
from switch.steps import named

log = logging.getLogger("nanoportal.switch")
State = VlanChange.State
#: Between two tries. A chip that was reset answers after about 1.5 s [inferred, section 1.1].
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


def put_back(board: Board, before: ChipVlans, wanted: ChipVlans, because: str, clock: Clock) -> ChipVlans:
    """Take the chip to `before` from wherever between the two it is, even after a reset; returns what it holds then.

    Tries five times within 8 s. Raises RollbackFailed, naming the registers that differ.
    """
    for pause in PAUSES_SECONDS:
        try:
            return try_to_put_back(running.chip_of(board), before, wanted)
        except HardwareError as error:
            log.warning("%s: the switch could not be put back yet: %s", board.slug, error)
            clock.wait(pause)
    try:
        return try_to_put_back(running.chip_of(board), before, wanted)
    except HardwareError as error:
        differences = differing(board, before, wanted, error)
        _keep_differences(board, differences)
        raise RollbackFailed(because, error, differences) from error


def try_to_put_back(chip: SwitchChip, before: ChipVlans, wanted: ChipVlans) -> ChipVlans:
    """One try. Raises HardwareError; ChipRefused while the firmware starts, which would write over what is written."""
    chip.identify()
    chip.bring_into_step()
    vids = named(before, wanted)
    known = ChipVlans({vid: before.entry(vid) for vid in vids}, before.ports)
    found = applying.read(chip, known, vids)
    held = applying.after_reset(found.chip, vids) if found.was_reset else found.chip
    applying.apply(chip, held, before, forgets=True)
    return before


def differing(
    board: Board, before: ChipVlans, wanted: ChipVlans, error: HardwareError
) -> tuple[RegisterDifference, ...]:
    """Every register that is known not to hold what it is to; none can be told while the chip does not answer."""
    told = error.differences if isinstance(error, RegistersDiffer) else ()
    try:
        return applying.compare(running.chip_of(board), before, named(before, wanted)) or told
    except HardwareError:
        return told


def _keep_differences(board: Board, differences: tuple[RegisterDifference, ...]) -> None:
    # Entries that it was opening or closing are in nobody's list of what is open.
    SwitchState.objects.filter(board=board).update(needs_scan=True)
    rows = [
        {"register": one.name, "address": f"0x{one.address:06X}", "wanted": one.wrote, "found": one.read}
        for one in differences
    ]
    VlanChange.objects.filter(board=board, state=State.ROLLING_BACK).update(
        state=State.ROLLBACK_FAILED, differences=rows
    )
    running.hint(board)


def undo_left_over() -> None:
    """Put back what a worker that died had written, and what somebody wants put back once more. Called by the worker of
    these boards at its start and every two seconds."""
    rows = VlanChange.objects.filter(state__in=UNDER_WAY, board__slug__in=parts.local())
    for change in rows.exclude(operation__state__in=OPEN_STATES).select_related("board", "operation"):
        if str(change.operation_id) in worker.current().running_ids():
            continue  # ended from outside, and still being put back by its own task
        if change.state == State.QUEUED:
            VlanChange.objects.filter(pk=change.pk, state=State.QUEUED).update(state=State.NOT_APPLIED)
            running.hint(change.board)
        else:
            _undo(change)


def _undo(change: VlanChange) -> None:
    because = change.rolled_back_because or "The worker died before it was confirmed."
    open_states = [State.APPLYING, State.AWAITING, State.ROLLING_BACK]
    if not VlanChange.objects.filter(pk=change.pk, state__in=open_states).update(
        state=State.ROLLING_BACK, rolled_back_because=because
    ):
        return  # it was confirmed at this very moment
    outcome, words = "done", because
    try:
        held = put_back(
            change.board, chip_from_json(change.before), chip_from_json(change.wanted), because, running.CLOCK
        )
    except RollbackFailed as error:
        outcome, words = "failed", str(error)
        log.warning("change %s: %s", change.number, error)
    else:
        running.keep(change.board, held, is_whole=True)
    with transaction.atomic():
        if outcome == "done":
            VlanChange.objects.filter(pk=change.pk).update(state=State.ROLLED_BACK)
        running.hint(change.board)
        audit.record(
            "switch.roll-back",
            actor=PORTAL,
            target=running.resource(change.board),
            outcome=outcome,
            operation_id=change.operation_id,
            detail={"change": change.number, "message": words},
        )
