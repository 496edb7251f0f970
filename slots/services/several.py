"""Acting on several slots at once: in an order, staggered, within the supply, each a separate operation."""

import uuid
from dataclasses import dataclass
from typing import Any

from hardware.sequences import Sequence
from hardware.som import PowerState, ResetType
from operations import idempotency, refusals, roles
from operations.models import Operation, OperationState
from operations.roles import Actor
from slots.models import Board, Slot
from slots.services import budget, power
from slots.services.power import Ask

START, STOP, RESTART = "start", "stop", "restart"
WORDS = {START: "start", STOP: "shut down", RESTART: "restart"}


@dataclass(frozen=True)
class Member:
    """One slot of a selection with what it will be asked to do."""

    slot: Slot
    ask: Ask
    sequence: Sequence


def request_several(
    board: Board, numbers: list[int], verb: str, actor: Actor, reason: str = "", *, key: str = ""
) -> list[Operation]:
    """Queue `verb` ("start", "stop" gracefully, "restart") for the slots in the given order; if `key` was used for the
    same before, what came of it then.

    All or nothing at the request: raises the first refusal, naming its slot, before anything is queued. Afterwards
    each member runs, fails and is cancelled alone; its 60 s count from its turn.
    """
    require_power(board, numbers, actor)
    body = {"several": verb, "board": board.slug, "slots": numbers, "reason": reason}
    first, new = idempotency.once(key, actor, body, lambda: _queue(board, numbers, verb, actor, reason))
    made = list(Operation.objects.filter(group=first.group).order_by("position"))
    if new:
        power.hand_over(made)
    return made


def _queue(board: Board, numbers: list[int], verb: str, actor: Actor, reason: str) -> Operation:
    """Inside the request's transaction; the first of the group."""
    group = uuid.uuid4()
    power.one_at_a_time(board)
    members = plan_several(board, numbers, verb, reason)
    made = [_create(member, actor, group, place) for place, member in enumerate(members)]
    for operation, member in zip(made, members, strict=True):
        power.record_request(operation, member.ask, actor)
    return made[0]


def require_power(board: Board, numbers: list[int], actor: Actor) -> None:
    """Raise `NotPermitted` or `NotFound` for the first slot that `actor` may not switch."""
    for number in numbers:
        roles.require(actor, "power", f"{board.slug}/slot:{number}")


def plan_several(board: Board, numbers: list[int], verb: str, reason: str = "") -> list[Member]:
    """What each member would do, or the refusal. Opens and changes nothing but reads the database."""
    if verb not in WORDS:
        raise refusals.BadRequest(f"{verb!r} is not start, stop or restart.")
    if not numbers:
        raise refusals.BadRequest("Select at least one slot.")
    if len(set(numbers)) != len(numbers):
        raise refusals.BadRequest("A slot is named twice.")
    slots = [power.find_slot(board.slug, number) for number in numbers]
    for slot in slots:
        if slot.is_controller:
            raise refusals.ControllerSlotProtected("Slot 1 runs this portal and is never part of a bulk action.")
        power.refuse_if_busy(slot.resource(board.slug))
    members = [_member(slot, verb, reason) for slot in slots]
    if verb in (START, RESTART):
        budget.refuse_if_over(board, slots)
    return members


def _member(slot: Slot, verb: str, reason: str) -> Member:
    ask = Ask(_reset_type(slot, verb), reason)
    try:
        return Member(slot, ask, power.plan(slot, ask))
    except refusals.Refused as refused:
        # The refusal of a group names the slot, since its sentence was written for a single one.
        refused.message = f"Slot {slot.number}: {refused.message}"
        refused.detail["slot"] = slot.number
        raise


def _reset_type(slot: Slot, verb: str) -> ResetType:
    """The kindest way this SOM has for the verb; a stop is always graceful."""
    if verb == START:
        return ResetType.ON
    graceful = power.traits_of(slot).graceful
    if verb == STOP:
        if not graceful and power.believed(slot) != PowerState.OFF:
            raise refusals.NotOffered(
                f"Slot {slot.number} ({slot.som.som_type}) has no graceful way to shut down; force it off by itself or "
                "leave it out.",
                slot=slot.number,
            )
        return ResetType.GRACEFUL_SHUTDOWN
    return ResetType.GRACEFUL_RESTART if graceful else ResetType.FORCE_RESTART


def _create(member: Member, actor: Actor, group: uuid.UUID, place: int) -> Operation:
    first: dict[str, Any] = {} if place == 0 else {"state": OperationState.WAITING, "expires_at": None}
    return power.create_member(member.slot, member.ask, actor, member.sequence, group=group, position=place, **first)
