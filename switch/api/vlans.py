"""The desired table over REST: its plan, commit and confirmation.

A port is a slot's number or "uplink". A commit undoes itself unless whoever made it confirms it in time.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Field, Router, Schema, Status

from accounts.recent import require_recent
from hardware.switch_setup import FlowControl
from hardware.vlan import Accepts
from operations import refusals, roles
from operations.api import (
    ACT_ERRORS,
    EDIT_ERRORS,
    IF_MATCH,
    KEY,
    OperationOut,
    Strict,
    one_of,
    operation_out,
    sends,
    takes,
)
from operations.http import ActorRequest, begin_act
from slots.models import Board
from slots.services import overview, power
from switch.documents import Duplex, Place, to_document
from switch.models import VlanChange
from switch.services import changes, drafts, files, running, scanning
from switch.services.changes import LONGEST_SECONDS, SHORTEST_SECONDS, USUAL_SECONDS

router = Router()
ERRORS = {**ACT_ERRORS, **EDIT_ERRORS}
YAML = "application/yaml; charset=utf-8"


class VlanRow(Strict):
    vid: int = Field(ge=1, le=4094)
    name: str = Field("", max_length=32)
    untagged: list[Place] = Field([], examples=[[1, 2]])
    tagged: list[Place] = Field([], examples=[["uplink"]])


class PortRow(Strict):
    port: Place
    pvid: int | None = Field(None, description="The VLAN of frames that come in without a tag; null for none.")
    accepts: Accepts = Accepts.TAGGED
    enabled: bool = True
    speed: Literal["auto", 10, 100, 1000] = Field(
        "auto", description="In Mb/s, offered to the other side as the only one; auto: the best that both can."
    )
    duplex: Duplex = Field(Duplex.FULL, description="Of a fixed speed.")
    negotiates: bool = Field(
        True, description="false: a fixed speed of 10 or 100 is set without asking. flow_control is then on or off."
    )
    flow_control: FlowControl = FlowControl.AUTO


class MirrorRow(Strict):
    """Copies of what enters the switch at some ports, and of what leaves it at some, go to one other port."""

    to: Place
    entering: list[Place] = Field([], examples=[[3, "uplink"]])
    leaving: list[Place] = Field([], examples=[[3]])


Pair = Annotated[list[Place], Field(min_length=2, max_length=2)]


class VlansIn(Strict):
    """The whole setup: what is not said is as usual. A port that `ports` does not name takes in what it is a member
    for, is on and negotiates."""

    management_vid: int = Field(description="The VLAN of the switch's own pages.")
    vlans: list[VlanRow]
    ports: list[PortRow] = Field([])
    isolation: Literal["all-separate"] | list[Pair] = Field(
        [],
        description="Pairs that do not hear each other, whatever the VLAN; all-separate: slots hear the uplink "
        "and the controller only.",
        examples=[[[2, 3], [2, "uplink"]]],
    )
    mirror: MirrorRow | None = None


class UnsafeOut(Schema):
    code: str = Field(description="What `overrides` names.")
    words: str
    can_be_overridden: bool


class PlanOut(Schema):
    fingerprint: str = Field(description="What a commit repeats: exactly this is done, or nothing.")
    version: int = Field(description="Of the draft, its ETag.")
    words: list[str]
    unsafe: list[UnsafeOut]
    isolated: list[Place] = Field(description="Cut off for the length of the apply.")
    writes_nothing: bool


class CommitIn(Strict):
    fingerprint: str = Field(max_length=16, description="Of the plan: exactly that is done, or nothing.")
    revert_after_seconds: int = Field(USUAL_SECONDS, ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)
    overrides: list[str] = Field([], max_length=10, description="Reasons taken on knowingly; administrators only.")
    reason: str = Field("", max_length=300)


class ExtendIn(Strict):
    seconds: int = Field(120, ge=30, le=600)


class ChangeOut(Schema):
    number: int
    state: str = Field(description=one_of(VlanChange.State.values))
    words: list[str]
    isolated: list[Place]
    overrides: list[str]
    revert_after_seconds: int
    extended_seconds: int
    applied_at: datetime | None
    deadline_at: datetime | None
    confirmed_by: str
    confirmed_at: datetime | None
    rolled_back_because: str
    differences: list[dict[str, Any]] = Field(
        description="Registers that could not be put back: register, address, wanted, found."
    )
    operation: OperationOut


class RevisionOut(Schema):
    number: int
    document: dict[str, Any]
    words: list[str]
    author: str
    reason: str
    confirmed_at: datetime


class SwitchOut(Schema):
    running: dict[str, Any] | None = Field(description="The setup that the switch holds; null if it is none of ours.")
    read_at: datetime | None
    scan: int
    scanned_at: datetime | None
    needs_scan: bool
    why_no_access: str
    drift: list[str] = Field(description="How what runs differs from what was confirmed last.")
    revision: int | None
    change: ChangeOut | None


def change_json(change: VlanChange) -> dict[str, Any]:
    plain = {name: getattr(change, name) for name in ChangeOut.model_fields if name != "operation"}
    return {**plain, "operation": operation_out(change.operation)}


def find_board(request: ActorRequest, board: str) -> Board:
    """The board, for somebody who may look at its switch. Raises `NotFound`, `NotPermitted`."""
    row = overview.find_board(board)
    roles.require(request.actor, "switch.view", running.resource(row))
    return row


def acting(request: ActorRequest, board: str, action: str) -> tuple[Board, Any]:
    """The board, and who asks for that to be done to its switch."""
    row = overview.find_board(board)
    return row, begin_act(request, action, running.resource(row))


def the_open(row: Board) -> VlanChange:
    """The change that can be decided about. Raises `Conflict`."""
    change = changes.open_change(row)
    if change is None:
        raise refusals.Conflict("No change of this switch is open.", code="no-change")
    return change


@router.get("/boards/{board}/switch", response={200: SwitchOut, **ERRORS})
def get_switch(request: ActorRequest, board: str) -> dict[str, Any]:
    """What is known of the switch, without reading it."""
    row = find_board(request, board)
    now, change = running.of(row), changes.open_change(row)
    return {
        **{name: getattr(now, name) for name in ("read_at", "scan", "scanned_at", "needs_scan", "why_no_access")},
        "drift": list(now.drift),
        "running": to_document(now.setup, running.wiring(row)) if now.setup else None,
        "revision": now.confirmed.number if now.confirmed else None,
        "change": change_json(change) if change else None,
    }


# The desired table


@router.get("/boards/{board}/switch/vlans", response={200: VlansIn, **ERRORS})
def get_vlans(request: ActorRequest, response: HttpResponse, board: str) -> dict[str, Any]:
    """The desired table: the draft; without one, what was confirmed last, else what runs. Its ETag is for PUT."""
    row = find_board(request, board)
    response["ETag"] = etag_of(row)
    return files.begun(row)


@router.put("/boards/{board}/switch/vlans", response={200: VlansIn, **ERRORS})
def put_vlans(
    request: ActorRequest,
    response: HttpResponse,
    board: str,
    body: VlansIn,
    if_match: str = IF_MATCH,
) -> dict[str, Any]:
    """Say anew what is desired. Nothing of it reaches the switch before a commit."""
    row, actor = acting(request, board, "switch.edit")
    document = body.model_dump(mode="json", exclude_unset=True)
    saved = drafts.save_document(row, document, actor, version_of(if_match))
    response["ETag"] = f'"{saved.version}"'
    return to_document(saved.setup, running.wiring(row))


def etag_of(row: Board) -> str:
    """That of the desired table, which is the draft's version."""
    return f'"{drafts.version(row)}"'


def version_of(if_match: str) -> int | None:
    """The version that an If-Match names; None for none or "*". Raises `Outdated` for what was never one of ours."""
    if if_match in ("", "*"):
        return None
    number = if_match.strip().removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise refusals.Outdated("If-Match names no version of the draft; read it again.")
    return int(number)


@router.delete("/boards/{board}/switch/vlans", response={204: None, **ERRORS})
def delete_vlans(request: ActorRequest, board: str) -> Any:
    """Throw the draft away."""
    row, actor = acting(request, board, "switch.edit")
    drafts.discard(row, actor)
    return Status(204, None)


@router.get(
    "/boards/{board}/switch/vlans.yaml", response={200: None, **ERRORS}, openapi_extra=sends("application/yaml")
)
def get_yaml(request: ActorRequest, board: str) -> HttpResponse:
    """The same as a file, with the same ETag."""
    row = find_board(request, board)
    headers = {"Content-Disposition": f'attachment; filename="{row.slug}-vlans.yaml"', "ETag": etag_of(row)}
    return HttpResponse(files.export_yaml(row), content_type=YAML, headers=headers)


@router.put(
    "/boards/{board}/switch/vlans.yaml", response={200: VlansIn, **ERRORS}, openapi_extra=takes("application/yaml")
)
def put_yaml(request: ActorRequest, response: HttpResponse, board: str, if_match: str = IF_MATCH) -> dict[str, Any]:
    """Make a file the draft; the request's body is the file."""
    row, actor = acting(request, board, "switch.edit")
    saved = files.import_yaml(row, files.text_of(request.body), actor, version_of(if_match))
    response["ETag"] = f'"{saved.version}"'
    return to_document(saved.setup, running.wiring(row))


# Plan and commit


@router.post("/boards/{board}/switch/plan", response={200: PlanOut, **ERRORS})
def plan_vlans(request: ActorRequest, board: str) -> dict[str, Any]:
    """What a commit of the desired table would do now. Reads the switch, changes nothing."""
    row = find_board(request, board)
    made = changes.preview(row, request.actor)
    plan = made.plan
    return {
        "fingerprint": plan.fingerprint,
        "version": made.version,
        "words": list(plan.words),
        "unsafe": [asdict(one) for one in plan.unsafe],
        "isolated": [made.wiring.place(port) for port in plan.isolated],
        "writes_nothing": plan.is_empty,
    }


@router.post("/boards/{board}/switch/commit", response={202: ChangeOut, **ERRORS})
def commit_vlans(
    request: ActorRequest,
    board: str,
    body: CommitIn,
    idempotency_key: str = KEY,
) -> Any:
    """Carry out what was planned. It undoes itself after `revert_after_seconds` unless you confirm it."""
    row, actor = acting(request, board, changes.KIND)
    if body.overrides and roles.may(actor, "switch.override", f"{board}/switch"):
        require_recent(request)
    change = changes.commit(
        row,
        body.fingerprint,
        actor,
        revert_after_seconds=body.revert_after_seconds,
        overrides=body.overrides,
        reason=power.clean_reason(body.reason),
        key=idempotency_key,
    )
    return Status(202, change_json(change))


@router.post("/boards/{board}/switch/confirm", response={200: RevisionOut, **ERRORS})
def confirm_change(request: ActorRequest, board: str) -> Any:
    """Keep what was written. Only whoever committed it can: this request proves that they still reach the portal."""
    row, actor = acting(request, board, "switch.confirm")
    return changes.confirm(the_open(row), actor)


@router.post("/boards/{board}/switch/extend", response={200: ChangeOut, **ERRORS})
def extend_change(request: ActorRequest, board: str, body: ExtendIn) -> dict[str, Any]:
    """Put the deadline off, never further than 600 s from now."""
    row, actor = acting(request, board, "switch.extend")
    return change_json(changes.extend(the_open(row), actor, body.seconds))


@router.post("/boards/{board}/switch/rollback", response={202: ChangeOut, **ERRORS})
def roll_back_change(request: ActorRequest, board: str) -> Any:
    """Have the switch put back to what it held before, within a second; also once more after that failed."""
    row, actor = acting(request, board, "switch.roll-back")
    change = the_open(row)
    changes.roll_back(change, actor)
    return Status(202, change_json(changes.find(row, change.number)))


@router.get("/boards/{board}/switch/changes/{int:number}", response={200: ChangeOut, **ERRORS})
def get_change(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """A change, how far it is or how it ended."""
    return change_json(changes.find(find_board(request, board), number))


@router.post("/boards/{board}/switch/changes/{int:number}/acknowledge", response={200: ChangeOut, **ERRORS})
def acknowledge_change(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """Take note that rolling back failed; 409 if there is nothing to take note of."""
    row, actor = acting(request, board, "switch.acknowledge")
    changes.acknowledge(changes.find(row, number), actor)
    return change_json(changes.find(row, number))


@router.post("/boards/{board}/switch/scan", response={202: OperationOut, **ERRORS})
def scan_switch(
    request: ActorRequest,
    board: str,
    idempotency_key: str = KEY,
) -> Any:
    """Read all 4,096 entries of the VLAN table: needed once, and after each reset of the chip."""
    row, actor = acting(request, board, scanning.KIND)
    return Status(202, operation_out(scanning.request_scan(row, actor, idempotency_key)))
