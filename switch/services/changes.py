"""Changes of the VLANs: previewed, committed, and then confirmed, extended or rolled back by the person who did it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from hardware.switch_errors import VlanTableRefused
from hardware.switch_setup import SwitchSetup
from operations import audit, idempotency, lifecycle, refusals, roles
from operations.models import IdempotencyKey, Operation
from operations.roles import Actor
from slots.models import Board
from slots.services import power
from switch import planning, wording
from switch.documents import Wiring, chip_from_json, chip_json, to_document
from switch.models import UNDER_WAY, VlanChange
from switch.planning import Plan
from switch.services import deciding, drafts, running

KIND, RESTORE_KIND = "switch.vlan", "switch.restore"
PHASES = ("read", "write", "confirm")
SHORTEST_SECONDS, USUAL_SECONDS, LONGEST_SECONDS = 30, 120, 600
#: A request repeated while the first one comes to nothing, at this very moment.
CAME_TO_NOTHING = "The first request with this Idempotency-Key came to nothing; try again."
NEVER_READ = "has never had its VLAN table read"
BROKER_WORDS = "The message broker does not answer, so no worker could be told. Nothing was written to the switch."


@dataclass(frozen=True)
class Preview:
    """What a commit of the draft would do now. Nothing of it is kept: a commit repeats the fingerprint."""

    plan: Plan
    setup: SwitchSetup
    version: int
    before: dict[str, Any]  # chip_json
    wiring: Wiring


def preview(board: Board, actor: Actor) -> Preview:
    """Read the chip and plan the draft. Blocks for the bus, some tenths of a second.

    Raises `NotPermitted`, `Conflict` (no-draft, scan-needed), `NotOffered` (the chip cannot do it), HardwareError.
    """
    roles.require(actor, "switch.view", running.resource(board))
    draft = drafts.get(board)
    if draft is None:
        raise refusals.Conflict("There is no draft: change the table first.", code="no-draft")
    return plan_for(board, draft.setup, draft.version)


def plan_for(board: Board, setup: SwitchSetup, version: int = 0) -> Preview:
    """What would take the switch from what it holds now to `setup`. Raises as `preview` does, but for who may."""
    state = running.state_of(board)
    if not state.needs_scan:
        running.look(board, state, tuple(vlan.vid for vlan in setup.table.vlans))
        state.refresh_from_db()
    if state.needs_scan:
        why = "could not be put back since its VLAN table was last read" if state.scan else NEVER_READ
        why = "was reset since its VLAN table was last read" if state.reset_at else why
        raise refusals.Conflict(
            f"The switch chip {why} as a whole, so nobody knows which of its 4,096 entries are open; scan it first.",
            code="scan-needed",
        )
    wiring, chip = running.wiring(board), chip_from_json(state.chip or {})
    try:
        made = planning.plan(chip, setup, wiring, scan=state.scan, names=running.names(board))
    except VlanTableRefused as error:
        raise refusals.NotOffered(
            wording.in_slots(str(error), wiring), code=error.code, refusals=_refusals(error, wiring)
        ) from error
    return Preview(made, setup, version, chip_json(chip), wiring)


def _refusals(error: VlanTableRefused, wiring: Wiring) -> list[dict[str, Any]]:
    return [
        {
            "code": one.code,
            "vid": one.vid,
            "ports": [wiring.place(port) for port in one.ports],
            "reason": wording.in_slots(one.reason, wiring),
            "nearest": wording.in_slots(one.nearest, wiring),
        }
        for one in error.refusals
    ]


def commit(
    board: Board,
    fingerprint: str,
    actor: Actor,
    *,
    revert_after_seconds: int = USUAL_SECONDS,
    overrides: Collection[str] = (),
    reason: str = "",
    key: str = "",
) -> VlanChange:
    """Carry out exactly what was previewed; it undoes itself unless it is confirmed within `revert_after_seconds`.

    Raises what `preview` does, `PlanStale` (it is not what was shown any more), `UnsafePlan`, `Busy`, `BadRequest`,
    `IdempotencyMismatch`, `BrokerUnavailable`. Blocks for the bus as `preview` does.
    """
    resource = running.resource(board)
    roles.require(actor, "switch.commit", resource)
    if overrides:
        roles.require(actor, "switch.override", resource)
    if not SHORTEST_SECONDS <= revert_after_seconds <= LONGEST_SECONDS:
        raise refusals.BadRequest(
            f"It can be undone after {SHORTEST_SECONDS} to {LONGEST_SECONDS} seconds, not {revert_after_seconds}."
        )
    body = {"fingerprint": fingerprint, "seconds": revert_after_seconds, "overrides": sorted(overrides), "why": reason}
    body["board"] = board.slug
    # The bus is read before the transaction, which is not to wait for it; of a repeated request nothing is read.
    shown = None if is_repeated(key, actor) else _checked(board, fingerprint, actor, overrides)

    def make() -> Operation:
        if shown is None:
            raise refusals.Conflict(CAME_TO_NOTHING)
        return _queue(board, shown, actor, revert_after_seconds, sorted(overrides), reason)

    operation, new = idempotency.once(key, actor, body, make)
    if new:
        hand_over(operation)
    return VlanChange.objects.select_related("operation", "board").get(operation=operation)


def is_repeated(key: str, actor: Actor) -> bool:
    """Whether that request was made before; then nothing is read for it."""
    return bool(key) and IdempotencyKey.objects.filter(actor=actor.name, key=key).exists()


def _checked(board: Board, fingerprint: str, actor: Actor, overrides: Collection[str]) -> Preview:
    refuse_if_open(board)
    shown = preview(board, actor)
    if shown.plan.fingerprint != fingerprint:
        raise refusals.PlanStale(
            "The switch or the draft changed since the preview was made; look at the new one.",
            fingerprint=shown.plan.fingerprint,
        )
    planning.raise_if_unsafe(shown.plan, overrides)
    return shown


def refuse_if_open(board: Board) -> None:
    """Raise `Busy` while the switch is another operation's, or a change has not come to its end, or to one that
    somebody has to see."""
    power.refuse_if_busy(running.resource(board))
    change = open_change(board)
    if change is None:
        return
    by, state = change.operation.actor, change.get_state_display().lower()
    words = f"Change {change.number} by {by} has not come to its end ({state})."
    if change.state == VlanChange.State.ROLLBACK_FAILED:
        words = f"Change {change.number} by {by} could not be rolled back; somebody has to take note of that first."
    raise refusals.Busy(words, holder=by)


def _queue(board: Board, shown: Preview, actor: Actor, seconds: int, overrides: list[str], reason: str) -> Operation:
    """Inside the request's transaction."""
    power.one_at_a_time(board)
    refuse_if_open(board)
    if drafts.version(board) != shown.version:
        raise refusals.PlanStale("The draft was changed at this very moment; look at the new preview.")
    return create(board, shown, actor, seconds=seconds, overrides=overrides, reason=reason)


def create(
    board: Board,
    shown: Preview,
    actor: Actor,
    *,
    seconds: int,
    overrides: Collection[str],
    reason: str,
    restores: int | None = None,
) -> Operation:
    """Claim, operation, change and audit entry, of a revision that is to be restored as well. Raises `Busy`."""
    number = (VlanChange.objects.filter(board=board).aggregate(last=Max("number"))["last"] or 0) + 1
    title, kind = f"VLAN change {number}", KIND
    if restores is not None:
        title, kind = f"Restore VLAN revision {restores}", RESTORE_KIND
    resource = running.resource(board)
    operation = lifecycle.queue(kind, title, resource, actor, {"steps": list(PHASES)}, reason=reason)
    # Whatever else was named by whoever asked was no reason.
    taken_on = sorted({one.code for one in shown.plan.unsafe} & set(overrides))
    words = list(shown.plan.words)
    _create_row(board, number, operation, shown, revert_after_seconds=seconds, overrides=taken_on, restores=restores)
    lifecycle.changed(operation)
    running.hint(board)
    audit.record(
        kind,
        actor=actor,
        target=resource,
        outcome="requested",
        reason=reason,
        operation_id=operation.pk,
        detail={"title": title, "words": words, "overrides": taken_on, "revert_after": seconds},
    )
    return operation


def _create_row(board: Board, number: int, operation: Operation, shown: Preview, **more: Any) -> None:
    VlanChange.objects.create(
        board=board,
        number=number,
        operation=operation,
        generation=operation.claim.pk,
        document=to_document(shown.setup, shown.wiring),
        before=shown.before,
        wanted=chip_json(shown.plan.wanted),
        fingerprint=shown.plan.fingerprint,
        words=list(shown.plan.words),
        isolated=[shown.wiring.place(port) for port in shown.plan.isolated],
        **more,
    )


def hand_over(operation: Operation) -> None:
    """Give it to the worker. Raises `BrokerUnavailable`; then nothing comes of the change."""
    try:
        power.hand_over([operation], BROKER_WORDS)
    except refusals.BrokerUnavailable:
        VlanChange.objects.filter(operation=operation).update(state=VlanChange.State.NOT_APPLIED)
        raise


# Finding them


def open_change(board: Board) -> VlanChange | None:
    """The change that has not come to its end, or whose failed way back nobody has acknowledged."""
    rows = VlanChange.objects.filter(board=board).select_related("operation", "board")
    failed = rows.filter(state=VlanChange.State.ROLLBACK_FAILED, acknowledged_by="")
    return rows.filter(state__in=UNDER_WAY).first() or failed.first()


def find(board: Board, number: int) -> VlanChange:
    """The change of that number. Raises `NotFound`."""
    change = VlanChange.objects.filter(board=board, number=number).select_related("operation", "board").first()
    if change is None:
        raise refusals.NotFound(f"There is no change {number} of this switch.", code="unknown-change")
    return change


# What decides about one that was written: `deciding`

confirm, extend, roll_back, acknowledge = deciding.confirm, deciding.extend, deciding.roll_back, deciding.acknowledge
