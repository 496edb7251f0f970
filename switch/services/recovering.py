"""What happens by itself around a reset of the switch chip: it is noticed, read as a whole, and set up again.

Reading is always safe and done for every switch that answers. Writing is done for a board that says so, and then only
what somebody has confirmed before; everybody else is offered the same.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from hardware.errors import ChipRefused, HardwareError
from operations import audit, idempotency, refusals, roles
from operations.models import Claim, Operation
from operations.roles import PORTAL, Actor
from slots.models import Board
from slots.services import parts, power
from switch import planning
from switch.documents import chip_from_json
from switch.models import SwitchState, VlanChange, VlanRevision
from switch.planning import Plan
from switch.services import applying, changes, running, scanning
from switch.services.changes import Preview

log = logging.getLogger("nanoportal.switch")
#: Between two tries of the same, doubled each time: a broker that is away is back soon, a broken bus is not.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 3600.0
#: A restore waits for nobody; the field is for changes that do.
NO_WAIT = 0


@dataclass
class _Tries:
    """How often something was tried in a row that is still to be done, and when it may be tried again."""

    count: int = 0
    not_before: float = 0.0


_tries: dict[tuple[str, str], _Tries] = {}


def look() -> None:
    """Notice resets, and do next what is to be done about them: a scan, then the restore. Called by the worker every
    ten seconds; 14 transfers for a switch that is as it was. One switch's trouble does not stop the others."""
    for state in _states():
        if state.scan:
            _look_at(state.board, state)


def meet() -> None:
    """Read the whole table of every switch that was never read, which disturbs nobody. Called by the worker, but not
    in its first minute."""
    for board in Board.objects.filter(present=True, switch_problem="", slug__in=_with_a_switch()):
        if not running.state_of(board).scan and board.links_read_at and _is_free(board):
            _try(board, scanning.request_scan)


def _look_at(board: Board, state: SwitchState) -> None:
    try:
        if not _is_free(board) or not _is_known(board, state):
            return
    except HardwareError as error:
        log.info("%s: it cannot be told whether the switch was reset: %s", board.slug, error)
        return
    if state.needs_scan:
        if settings.SWITCH_SCANS_BY_ITSELF or state.restores_by_itself:
            _try(board, scanning.request_scan)
    elif state.restores_by_itself and of(board).is_due:
        _try(board, request_restore)
    else:
        for act in (scanning.request_scan, request_restore):
            _tries.pop((board.slug, act.__name__), None)


def _is_known(board: Board, state: SwitchState) -> bool:
    """Whether the chip is up and `state` as new as it; a reset is written down. Raises HardwareError."""
    chip = running.chip_of(board)
    if not state.needs_scan and applying.was_reset(chip, chip_from_json(state.chip or {})):
        running.look(board, state)
        state.refresh_from_db()
    if state.needs_scan or state.reset_at:
        try:
            chip.identify()  # what is read before the firmware is up is not what will be there
        except ChipRefused:
            return False
    return True


def _states() -> list[SwitchState]:
    return list(SwitchState.objects.filter(board__slug__in=_with_a_switch()).select_related("board"))


def _with_a_switch() -> list[str]:
    return [slug for slug, hardware in parts.local().items() if hardware.spec.switch is not None]


def _is_free(board: Board) -> bool:
    """Whether no operation is at the switch and no change of it is open."""
    is_claimed = Claim.objects.filter(resource=running.resource(board)).exists()
    return not is_claimed and changes.open_change(board) is None


def _try(board: Board, act: Callable[[Board, Actor], object]) -> None:
    """Ask for it as anybody would, unless it was tried a moment ago and came to nothing."""
    tries, now = _tries.setdefault((board.slug, act.__name__), _Tries()), running.CLOCK.monotonic()
    if now < tries.not_before:
        return
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(tries.count, 10), LONGEST_PAUSE_SECONDS)
    tries.count, tries.not_before = tries.count + 1, now + pause
    try:
        act(board, PORTAL)
    except (refusals.Refused, HardwareError) as error:
        log.warning("%s: %s by itself: %s", board.slug, act.__name__, error)


# The restore


@dataclass(frozen=True)
class Recovery:
    """What happens to a board's switch after a reset. `is_due`: there was one, and `revision` is not on it any more."""

    revision: VlanRevision | None
    is_due: bool
    reset_at: datetime | None
    needs_scan: bool
    by_itself: bool


def of(board: Board) -> Recovery:
    """From rows only."""
    state = SwitchState.objects.filter(board=board).first() or SwitchState(board=board)
    revision = VlanRevision.objects.filter(board=board).first()
    is_due = running.is_lost(state, revision)
    return Recovery(revision, is_due, state.reset_at, state.needs_scan, state.restores_by_itself)


def request_restore(board: Board, actor: Actor, *, reason: str = "", key: str = "") -> VlanChange:
    """Put the last confirmed revision on the switch again, as an operation of its own that waits for no confirmation:
    somebody has given it. Blocks for the bus as a preview does.

    What is unsafe for a moment only is taken on: after a reset, every link was down anyway. Raises `NotPermitted`,
    `Conflict` (no-revision, nothing-to-do, scan-needed), `UnsafePlan` if it would cut the portal off for good, `Busy`,
    `NotOffered`, `BrokerUnavailable`, HardwareError.
    """
    roles.require(actor, "switch.commit", running.resource(board))
    revision = VlanRevision.objects.filter(board=board).first()
    if revision is None:
        raise refusals.Conflict("Nobody has confirmed a table on this board yet.", code="no-revision")
    shown = None if changes.is_repeated(key, actor) else _checked(board, revision)

    def make() -> Operation:
        if shown is None:
            raise refusals.Conflict(changes.CAME_TO_NOTHING)
        power.one_at_a_time(board)
        changes.refuse_if_open(board)
        taken_on = _passing(shown.plan)
        return changes.create(
            board, shown, actor, seconds=NO_WAIT, overrides=taken_on, reason=reason, restores=revision.number
        )

    operation, new = idempotency.once(key, actor, {"restore": board.slug, "why": reason}, make)
    if new:
        changes.hand_over(operation)
    return VlanChange.objects.select_related("operation", "board").get(operation=operation)


def _checked(board: Board, revision: VlanRevision) -> Preview:
    changes.refuse_if_open(board)
    shown = changes.plan_for(board, revision.setup(running.wiring(board)))
    if shown.plan.is_empty:
        SwitchState.objects.filter(board=board).update(reset_at=None)
        raise refusals.Conflict(f"The switch holds revision {revision.number} already.", code="nothing-to-do")
    planning.raise_if_unsafe(shown.plan, _passing(shown.plan))
    return shown


def _passing(plan: Plan) -> list[str]:
    """What is unsafe about it for as long as it is carried out."""
    return [one.code for one in plan.unsafe if not one.lasts]


def let_restore(board: Board, actor: Actor, by_itself: bool) -> None:
    """Say whether the last confirmed revision comes back by itself after a reset. Raises `NotPermitted`."""
    roles.require(actor, "board.edit", board.slug)
    with transaction.atomic():
        rows = SwitchState.objects.filter(pk=running.state_of(board).pk).exclude(restores_by_itself=by_itself)
        if not rows.update(restores_by_itself=by_itself):
            return
        running.hint(board)
        audit.record(
            "switch.restores-by-itself",
            actor=actor,
            target=running.resource(board),
            outcome="done",
            detail={"by_itself": by_itself},
        )
