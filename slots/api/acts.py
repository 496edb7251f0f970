"""What else is done to slots and boards over REST: several slots at once, a person's word, and the two gravest acts."""

from typing import Any, Literal

from django.http import HttpResponse
from ninja import Field, Router, Status

from accounts.recent import require_recent
from operations import reservations
from operations.api import ACT_ERRORS, KEY, OperationList, OperationOut, Strict, operation_out
from operations.http import ActorRequest, begin_act
from operations.roles import may
from slots.api.boards import SlotOut, slot_json
from slots.services import fenced, overview, power, several

router = Router()


class SayIn(Strict):
    reason: str = Field("", max_length=300, examples=["The LED is dark."])


class SeveralIn(Strict):
    verb: Literal["start", "stop", "restart"] = Field(examples=["start"], description="stop shuts down gracefully")
    slots: list[int] = Field(min_length=1, max_length=7, examples=[[3, 4]], description="in the order to act in")
    reason: str = Field("", max_length=300)


class GraveIn(Strict):
    typed: str = Field(max_length=80, description="The board's name: that it is meant.", examples=["demo"])
    reason: str = Field(min_length=1, max_length=300, examples=["The switch does not answer."])


@router.post("/boards/{board}/power", response={202: OperationList, **ACT_ERRORS})
def power_several(request: ActorRequest, board: str, body: SeveralIn, idempotency_key: str = KEY) -> Any:
    """Start, shut down or restart several slots, one after the other; all are queued or none. Each is an operation of
    its own, in one `group`."""
    actor = begin_act(request, "power.several", board)
    row, reason = overview.find_board(board), power.clean_reason(body.reason)
    made = several.request_several(row, body.slots, body.verb, actor, reason, key=idempotency_key)
    return Status(202, {"count": len(made), "operations": [operation_out(operation) for operation in made]})


@router.post("/boards/{board}/slots/{int:number}/mark-off", response={200: SlotOut, **ACT_ERRORS})
def mark_off(request: ActorRequest, board: str, number: int, body: SayIn) -> dict[str, Any]:
    """Say that a slot is off, as somebody who has seen it. Nothing is driven."""
    actor = begin_act(request, "slot.mark-off", f"{board}/slot:{number}")
    power.mark_off(power.find_slot(board, number), actor, power.clean_reason(body.reason))
    return shown(board, number)


@router.post("/boards/{board}/slots/{int:number}/clear-latch", response={200: SlotOut, **ACT_ERRORS})
def clear_latch(request: ActorRequest, board: str, number: int, body: SayIn) -> dict[str, Any]:
    """Say that the board was without power since a long hold latched this SOM off. Nothing is driven."""
    actor = begin_act(request, "slot.clear-latch", f"{board}/slot:{number}")
    power.clear_latch(power.find_slot(board, number), actor, power.clean_reason(body.reason))
    return shown(board, number)


def shown(board: str, number: int) -> dict[str, Any]:
    slot = power.find_slot(board, number)
    resource = slot.resource(board)
    return slot_json(slot, overview.open_operation(resource), reservations.holder(resource))


@router.post("/boards/{board}/switch/reset", response={202: OperationOut, **ACT_ERRORS})
def reset_switch(
    request: ActorRequest, response: HttpResponse, board: str, body: GraveIn, idempotency_key: str = KEY
) -> Any:
    """Reset the switch chip: every link of the board drops for seconds. For a person who signed in within ten minutes
    (403 `sign-in-again`), not for a token."""
    actor = begin_act(request, "switch.reset", f"{board}/switch")
    row = overview.find_board(board)
    if may(actor, "switch.reset", f"{board}/switch"):
        require_recent(request)
    reason = power.clean_reason(body.reason)
    operation = fenced.request_switch_reset(row, actor, reason=reason, typed=body.typed, key=idempotency_key)
    response["Location"] = f"/api/v1/operations/{operation.pk}"
    return Status(202, operation_out(operation))


@router.post("/boards/{board}/controller/restart", response={204: None, **ACT_ERRORS})
def restart_controller(request: ActorRequest, board: str, body: GraveIn) -> Any:
    """Restart slot 1 by its own operating system; the portal is away until it is back. For a person who signed in
    within ten minutes (403 `sign-in-again`), not for a token."""
    actor = begin_act(request, "controller.restart", f"{board}/slot:1")
    row = overview.find_board(board)
    if may(actor, "controller.restart", f"{board}/slot:1"):
        require_recent(request)
    fenced.restart_controller(row, actor, reason=power.clean_reason(body.reason), typed=body.typed)
    return Status(204, None)
