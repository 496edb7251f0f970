"""Power: what may be asked of a slot, the request, and the execution in the worker.

Request and execution meet in an `Operation` row only: the request decides and plans, the worker does what was
planned, once, and writes down how it ended.
"""

import logging
import time
import unicodedata
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hardware.errors import AlreadyInState, LatchedOff, SequenceRefused
from hardware.errors import AmbiguousPowerState as AmbiguousSequence
from hardware.sequences import Offer, Sequence, allowed_resets, reset_sequence
from hardware.som import PowerState, ResetType, SomTraits
from operations import audit, claims, dispatch, events, idempotency, lifecycle, refusals, roles
from operations.models import Claim, Operation
from operations.roles import Actor
from slots.models import Basis, Board, PowerDetails, Slot
from slots.services import budget, inventory, parts

log = logging.getLogger("nanoportal.power")

STARTS = {ResetType.ON, ResetType.FORCE_RESTART, ResetType.POWER_CYCLE, ResetType.GRACEFUL_RESTART}
VERBS = {
    ResetType.ON: "Power on",
    ResetType.FORCE_OFF: "Force off",
    ResetType.GRACEFUL_SHUTDOWN: "Shut down",
    ResetType.GRACEFUL_RESTART: "Restart",
    ResetType.FORCE_RESTART: "Force restart",
    ResetType.POWER_CYCLE: "Power cycle",
    ResetType.PUSH_POWER_BUTTON: "Press button on",
}
CONTROLLER_WORDS = (
    "Slot 1 is the controller that this portal runs on; its reset line is never driven, since it would end the portal "
    "before the line is released."
)


BROKER_WORDS = "The message broker does not answer, so no worker could be told. Nothing was switched."


@dataclass(frozen=True)
class Ask:
    """One wish as it came in, already parsed."""

    reset_type: ResetType
    reason: str = ""
    accept_stranding: bool = False

    def as_body(self, slot: Slot) -> dict[str, Any]:
        """What an Idempotency-Key stands for."""
        return {
            "slot": slot.pk,
            "reset_type": self.reset_type.value,
            "reason": self.reason,
            "accept_stranding": self.accept_stranding,
        }


def parse_reset_type(text: str) -> ResetType:
    """The reset type of that name. Raises `BadRequest` with the list of names."""
    try:
        return ResetType(text)
    except ValueError:
        names = ", ".join(ResetType)
        raise refusals.BadRequest(f"{text!r} is not a reset type; there are {names}.") from None


def clean_reason(text: str) -> str:
    """The reason on one line. Raises `BadRequest` beyond 300 characters, or for one that no database takes."""
    reason = " ".join(text.split())
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in reason):
        raise refusals.BadRequest("The reason holds a control character.")
    if len(reason) > 300:
        raise refusals.BadRequest("The reason is longer than 300 characters.")
    return reason


def find_slot(board: str, number: int) -> Slot:
    """The slot with its board and SOM. Raises `NotFound` naming what is unknown."""
    slots = Slot.objects.select_related("board", "som__som_type")
    slot = slots.filter(board__slug=board, board__present=True, number=number).first()
    if slot is not None:
        return slot
    if Board.objects.filter(slug=board, present=True).exists():
        raise refusals.NotFound(f"There is no slot {number}: a board has slots 1 to 7.", code="unknown-slot")
    raise refusals.NotFound(f"There is no board {board}.", code="unknown-board")


def traits_of(slot: Slot) -> SomTraits:
    """The traits of the recorded SOM, an owner's cure of the latch taken into account. Raises `Conflict` when the
    slot is empty."""
    som = getattr(slot, "som", None)
    if som is None:
        raise refusals.Conflict(
            f"No SOM is recorded in slot {slot.number}; record which one it is first.", code="empty-slot"
        )
    row = som.som_type.traits().to_mapping()
    if som.latch_cured:
        row["latches_after_hold"] = False
    return SomTraits.from_mapping(row)


def believed(slot: Slot) -> PowerState:
    """What to plan with: a contradicted state is no better than Unknown, but for an On that shows life."""
    if slot.contradiction and slot.power_state != PowerState.ON:
        return PowerState.UNKNOWN
    return PowerState(slot.power_state)


def offers(slot: Slot) -> list[Offer]:
    """Every reset type with one sentence: what will happen, or why it is not offered now."""
    if slot.is_controller:
        return [Offer(reset, False, CONTROLLER_WORDS) for reset in ResetType]
    traits = traits_of(slot)
    return allowed_resets(traits, believed(slot), latched=slot.latched, line_low=slot.line_low)


def plan(slot: Slot, ask: Ask) -> Sequence:
    """The sequence for `ask` as things stand. Raises the refusal that fits, changes nothing."""
    if slot.is_controller:
        raise refusals.ControllerSlotProtected(CONTROLLER_WORDS)
    traits = traits_of(slot)
    try:
        sequence = _sequence(slot, ask.reset_type)
    except SequenceRefused as refused:
        raise as_refusal(refused) from refused
    if sequence.latches and not ask.accept_stranding:
        raise refusals.StrandingNotAccepted(
            f"Force off holds the button of slot {slot.number} for {traits.force_off_seconds:g} s; a {traits.name} "
            "then does not start again until the whole board loses power. Repeat it with accept_stranding set to true "
            "if that is what you want."
        )
    if ask.reset_type in STARTS or (
        ask.reset_type == ResetType.PUSH_POWER_BUTTON and believed(slot) not in (PowerState.ON, PowerState.UNKNOWN)
    ):
        budget.refuse_if_over(slot.board, [slot])
    return sequence


def _sequence(slot: Slot, reset_type: ResetType) -> Sequence:
    return reset_sequence(traits_of(slot), reset_type, believed(slot), latched=slot.latched, line_low=slot.line_low)


def still_fits(slot: Slot, reset_type: str, sequence: Sequence) -> bool:
    """Whether `sequence` is still what `reset_type` takes here, and with the same consequences. A press that was to
    shut a SOM down starts it if it went off by itself in between."""
    try:
        return _sequence(slot, ResetType(reset_type)) == sequence
    except SequenceRefused:
        return False


def as_refusal(refused: SequenceRefused) -> refusals.Refused:
    """A planner's refusal as one of the portal's, with its sentence and code."""
    kind: type[refusals.Refused] = refusals.NotOffered
    if isinstance(refused, AmbiguousSequence):
        kind = refusals.AmbiguousPowerState
    elif isinstance(refused, AlreadyInState | LatchedOff):
        kind = refusals.Conflict
    return kind(str(refused), code=refused.code)


def request_reset(slot: Slot, ask: Ask, actor: Actor, *, key: str = "") -> tuple[Operation, bool]:
    """Decide, plan, claim and queue one reset; returns the operation and whether it is new.

    Raises `NotPermitted`, `ControllerSlotProtected`, `Conflict`, `NotOffered`, `AmbiguousPowerState`, `OverBudget`,
    `StrandingNotAccepted`, `Busy` (naming the holder), `IdempotencyMismatch`, `BrokerUnavailable`. One transaction;
    blocks for the database and the hand-over to the broker.
    """
    resource = slot.resource(slot.board.slug)
    roles.require(actor, "power", resource)
    operation, new = idempotency.once(key, actor, ask.as_body(slot), lambda: _queue(slot, ask, actor))
    if new:
        hand_over([operation])
    return operation, new


def _queue(slot: Slot, ask: Ask, actor: Actor) -> Operation:
    """Inside the request's transaction: plan, claim, operation, audit entry."""
    one_at_a_time(slot.board)
    slot = find_slot(slot.board.slug, slot.number)  # as it is by now
    refuse_if_busy(slot.resource(slot.board.slug))
    operation = create_member(slot, ask, actor, plan(slot, ask))
    record_request(operation, ask, actor)
    return operation


def one_at_a_time(board: Board) -> None:
    """From here to the commit nobody else decides about `board`: neither states nor the sum of what starts change
    between the look and the act. (On SQLite the transaction is alone from its beginning.)"""
    Board.objects.select_for_update().get(pk=board.pk)


def refuse_if_busy(resource: str) -> None:
    """The holder's name is a better answer than what the state would refuse; the claim itself decides later."""
    holder = Claim.objects.filter(resource=resource).first()
    if holder is not None:
        raise claims.busy(holder)


def create_member(slot: Slot, ask: Ask, actor: Actor, sequence: Sequence, **more: Any) -> Operation:
    """An operation with its claim and power details; `more` are fields of a group's member."""
    title = f"{VERBS[ask.reset_type]} slot {slot.number}"
    resource = slot.resource(slot.board.slug)
    operation = lifecycle.queue("power.reset", title, resource, actor, sequence.to_json(), reason=ask.reason, **more)
    PowerDetails.objects.create(
        operation=operation, reset_type=ask.reset_type, believed=believed(slot), generation=operation.claim.pk
    )
    return operation


def record_request(operation: Operation, ask: Ask, actor: Actor) -> None:
    """The audit entry of a request: last statement of its transaction."""
    lifecycle.changed(operation)
    audit.record(
        "power.reset",
        actor=actor,
        target=operation.resource,
        outcome="requested",
        reason=ask.reason,
        operation_id=operation.pk,
        detail={"reset_type": ask.reset_type.value, "title": operation.title, "plan": operation.plan},
    )


def hand_over(operations: list[Operation], words: str = BROKER_WORDS) -> None:
    """Give the first of one or several committed operations to the broker, or end all and raise `BrokerUnavailable`.

    A client that repeats the request with its Idempotency-Key then asks anew, since nothing came of the first time.
    `words` says for a person that the broker is away and that nothing was done.
    """
    try:
        dispatch.send(operations[0])
    except dispatch.BrokerAway:
        ended = [lifecycle.fail_before_start(one, "broker-unavailable", words) for one in operations]
        if not ended[0]:
            return  # a worker has begun it all the same: what was lost is the broker's answer only
        for operation in operations:
            idempotency.forget(operation)
        raise refusals.BrokerUnavailable(f"{words} Try again soon.") from None


def send_due() -> None:
    """Send what is queued and in time: members whose turn has come at once, everything again after 5 s, since a
    killed worker takes its prefetched messages along and the one after it begins here."""
    now = time.monotonic()
    queued = lifecycle.housekeeping_queue(list(parts.local()))
    for operation in queued:
        if _sent_at.get(operation.pk, _first_sent(operation, now)) > now - RESEND_SECONDS / settings.TIME_SCALE:
            continue
        try:
            dispatch.send(operation)
        except dispatch.BrokerAway:
            return  # it will be tried again until it expires
        _sent_at[operation.pk] = now
    for forgotten in set(_sent_at) - {operation.pk for operation in queued}:
        del _sent_at[forgotten]


RESEND_SECONDS = 5.0
_sent_at: dict[UUID, float] = {}  # by the monotonic clock, what this process has sent


def _first_sent(operation: Operation, now: float) -> float:
    """When somebody else sent it: at the request. Nobody did for a later member of a group, whose turn comes here."""
    if operation.due_at is not None:
        return float("-inf")
    return now - (timezone.now() - operation.created_at).total_seconds()


def mark_off(slot: Slot, actor: Actor, reason: str = "") -> None:
    """A person says that the slot is off. Raises `NotPermitted`, `ControllerSlotProtected`, `Conflict`, `Busy`."""
    resource = slot.resource(slot.board.slug)
    roles.require(actor, "slot.mark", resource)
    if slot.is_controller:
        raise refusals.ControllerSlotProtected("Slot 1 runs this portal, so it is not off.")
    traits_of(slot)
    with transaction.atomic():
        one_at_a_time(slot.board)
        refuse_if_busy(resource)
        life = inventory.fresh_life(slot)
        if life:
            raise refusals.Conflict(f"Slot {slot.number} shows life ({life}), so it is not off.", code="shows-life")
        before = {"power_state": slot.power_state, "basis": slot.basis}
        now = timezone.now()
        Slot.objects.filter(pk=slot.pk).update(
            power_state=PowerState.OFF.value,
            basis=Basis.PERSON,
            since=now,
            commanded_at=now,
            by=actor.name,
            contradiction="",
            contradiction_at=None,
        )
        inventory.note(slot, PowerState.OFF, Basis.PERSON, f"Marked as off by {actor.name}")
        events.hint("slot", slot.board.slug, slot.number)
        after = {"power_state": PowerState.OFF.value, "basis": Basis.PERSON.value}
        audit.record("slot.mark-off", actor=actor, target=resource, reason=reason, before=before, after=after)


def clear_latch(slot: Slot, actor: Actor, reason: str = "") -> None:
    """A person says that the board was without power since the long hold, so the button works again."""
    resource = slot.resource(slot.board.slug)
    roles.require(actor, "slot.mark", resource)
    if not slot.latched:
        raise refusals.Conflict(f"Slot {slot.number} is not marked as latched off.", code="not-latched")
    with transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(latched=False, latched_at=None, latched_note="")
        inventory.note(
            slot, slot.power_state, slot.basis, f"Latch cleared by {actor.name}: the board was without power"
        )
        events.hint("slot", slot.board.slug, slot.number)
        old, new = {"latched": True}, {"latched": False}
        audit.record("slot.clear-latch", actor=actor, target=resource, reason=reason, before=old, after=new)
