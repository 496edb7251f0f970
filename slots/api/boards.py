"""Boards and slots as they are, and resetting a SOM."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from hardware.som import PowerState, ResetType
from operations import reservations, roles
from operations.api import ACT_ERRORS, ERRORS, KEY, OperationOut, Page, Strict, cut, one_of, operation_out
from operations.http import ActorRequest, begin_act
from operations.models import Reservation
from slots.models import Slot
from slots.services import overview, power, sight
from slots.services.power import Ask

router = Router()


class EvidenceOut(Schema):
    kind: str = Field(description="Where it comes from: uart, line, link and others.")
    value: str
    life: bool | None = Field(description="Whether it says that the SOM runs; null: neither.")
    at: datetime
    life_at: datetime | None = Field(description="When it last said that the SOM runs.")


class PowerOut(Schema):
    power_state: str = Field(description=f"What is believed. {one_of(PowerState)} The board senses no power itself.")
    basis: str = Field(description="commanded: what was done to it; observed: what it shows.")
    latched: bool = Field(description="A long hold has left it dead until the whole board loses power.")
    contradiction: str | None = Field(description="What speaks against the state, in words.")
    since: datetime | None
    commanded_by: str | None
    evidence: list[EvidenceOut]


class ResetOffer(Schema):
    reset_type: str = Field(description=one_of(ResetType))
    offered: bool
    sentence: str = Field(description="What it does, or why it is not offered.")


class SomOut(Schema):
    type: str
    name: str
    serial_number: str
    memory_gb: int | None
    emmc_gb: int | None
    peak_watts: float


class HeldOut(Schema):
    """Who has reserved the slot now."""

    id: int
    holder: str
    purpose: str
    ends_at: datetime


class SlotOut(Schema):
    number: int
    controller: bool
    som: SomOut | None
    power: PowerOut
    resets: list[ResetOffer]
    operation: UUID | None = Field(description="What waits or runs there now.")
    reservation: HeldOut | None


class BoardRow(Schema):
    slug: str
    name: str
    simulated: bool
    problem: str = Field(description="Why it cannot be worked with; empty if it can.")
    soms: int = Field(description="How many SOMs are recorded on it.")
    on: int = Field(description="How many of them are believed to be on.")


class BoardOut(BoardRow):
    supply: str
    counted_watts: float = Field(description="What the SOMs may take at most as they are now, with the board itself.")
    headroom_watts: float = Field(description="What the supply has left of that; negative: too little.")
    power_lost_at: datetime | None
    slots: list[SlotOut]


class BoardList(Schema):
    count: int
    boards: list[BoardRow]


class ResetIn(Strict):
    reset_type: str = Field(description=one_of(ResetType), examples=["ForceOff"])
    reason: str = Field("", max_length=300)
    accept_stranding: bool = Field(False, description="Needed for a ForceOff that a CM5 does not recover from.")


def slot_json(slot: Slot, operation: Any = None, held: Reservation | None = None) -> dict[str, Any]:
    som = getattr(slot, "som", None)
    return {
        "number": slot.number,
        "controller": slot.is_controller,
        "som": som
        and {
            "type": som.som_type.name,
            "name": som.name,
            "serial_number": som.serial_number,
            "memory_gb": som.memory_gb,
            "emmc_gb": som.emmc_gb,
            "peak_watts": som.som_type.peak_watts,
        },
        "power": overview.power_json(slot),
        "resets": [
            {"reset_type": action.reset_type, "offered": action.offered, "sentence": action.sentence}
            for action in overview.actions(slot)
        ],
        "operation": operation.pk if operation else None,
        "reservation": held,
    }


@router.get("/boards", response={200: BoardList, **ERRORS})
def list_boards(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """The boards that you see, by name."""
    roles.require(request.actor, "view", "portal")
    count, found = cut(sight.boards(request.actor), page)
    rows = overview.fleet(found, request.actor)
    return {
        "count": count,
        "boards": [
            {
                "slug": row.board.slug,
                "name": row.board.name,
                "simulated": row.board.simulated,
                "problem": row.board.problem,
                "soms": row.soms,
                "on": row.on,
            }
            for row in rows
        ],
    }


@router.get("/boards/{board}", response={200: BoardOut, **ERRORS})
def get_board(request: ActorRequest, board: str) -> dict[str, Any]:
    """One board with its seven slots."""
    roles.require(request.actor, "view", board)
    row = overview.find_board(board)
    view = overview.board_view(row, request.actor)
    soms = [slot for slot in view.slots if not slot.empty]
    held = reservations.held([slot.slot.resource(board) for slot in view.slots])
    return {
        "slug": row.slug,
        "name": row.name,
        "simulated": row.simulated,
        "problem": row.problem,
        "soms": len(soms),
        "on": sum(slot.look == "on" for slot in soms),
        "supply": row.supply,
        "counted_watts": view.budget.counted_watts,
        "headroom_watts": view.budget.headroom_watts,
        "power_lost_at": row.power_lost_at,
        "slots": [slot_json(slot.slot, slot.operation, held.get(slot.slot.resource(board))) for slot in view.slots],
    }


@router.get("/boards/{board}/slots/{int:number}", response={200: SlotOut, **ERRORS})
def get_slot(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """One slot: its SOM, power state with evidence, and what may be asked of it."""
    roles.require(request.actor, "view", f"{board}/slot:{number}")
    slot = power.find_slot(board, number)
    operations = {row.resource: row for row in overview.open_operations(board)}
    return slot_json(slot, operations.get(slot.resource(board)), reservations.holder(slot.resource(board)))


class StateChangeOut(Schema):
    at: datetime
    state: str
    basis: str
    words: str
    tone: str = Field(description="info, good, warn or bad")


class HistoryOut(Schema):
    count: int
    changes: list[StateChangeOut]


@router.get("/boards/{board}/slots/{int:number}/history", response={200: HistoryOut, **ERRORS})
def get_history(request: ActorRequest, board: str, number: int, page: Query[Page]) -> dict[str, Any]:
    """What was believed of a slot, on what basis, the newest first; 500 at most are kept. Its operations are at
    `/operations?board=...&slot=...`."""
    roles.require(request.actor, "view", f"{board}/slot:{number}")
    count, changes = cut(power.find_slot(board, number).history.all(), page)
    return {"count": count, "changes": changes}


@router.post("/boards/{board}/slots/{int:number}/reset", response={202: OperationOut, **ACT_ERRORS})
def reset_slot(
    request: ActorRequest,
    response: HttpResponse,
    board: str,
    number: int,
    body: ResetIn,
    idempotency_key: str = KEY,
) -> Any:
    """Ask for a reset; 202 with the operation, which a worker runs within 60 s or lets expire."""
    actor = begin_act(request, "power.reset", f"{board}/slot:{number}")
    roles.require(actor, "power", f"{board}/slot:{number}")
    ask = Ask(power.parse_reset_type(body.reset_type), power.clean_reason(body.reason), body.accept_stranding)
    operation, _ = power.request_reset(power.find_slot(board, number), ask, actor, key=idempotency_key)
    response["Location"] = f"/api/v1/operations/{operation.pk}"
    return Status(202, operation_out(operation))
