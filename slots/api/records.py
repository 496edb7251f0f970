"""What people record of boards and SOMs, over REST. A PUT says all of it anew: what is left out is as usual."""

from typing import Any

from django import forms
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from hardware.budget import SUPPLIES
from hardware.som import LineKind
from operations import roles
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, Page, Problem, Strict, cut
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act
from operations.refusals import BadRequest, Conflict, NotFound
from slots.forms import BoardForm, SomForm, SomTypeForm
from slots.models import Board, Slot, Som, SomType
from slots.services import overview, power, records

router = Router()
SOM_ERRORS = {**EDIT_ERRORS, 422: Problem}
MOST_GB = 32_767
MOST_NOTES = 10_000


class BoardSettings(Strict):
    name: str = Field(max_length=60, examples=["Lab bench"])
    supply: str = Field("usb-c-60", max_length=12, description=f"{', '.join(SUPPLIES)}; custom: as the board file says")
    notes: str = Field("", max_length=MOST_NOTES)


class SomIn(Strict):
    som_type: str = Field(max_length=30, description="The name of a SOM type.", examples=["CM4"])
    name: str = Field("", max_length=40, examples=["kestrel"])
    serial_number: str = Field("", max_length=60)
    memory_gb: int | None = Field(None, ge=0, le=MOST_GB)
    emmc_gb: int | None = Field(None, ge=0, le=MOST_GB, description="0 for a module without eMMC")
    sd_card: bool = False
    nvme: str = Field("", max_length=60)
    adapter_revision: str = Field("", max_length=40)
    latch_cured: bool = Field(False, description="It starts again after a long hold.")
    notes: str = Field("", max_length=MOST_NOTES)


class SomTypeIn(Strict):
    """The figures of a third party's SOM type; where they come from is said in `source`."""

    description: str = Field("", max_length=120)
    line_kind: LineKind
    pulse_seconds: float = Field(0, ge=0, le=60, description="Of a level line; 0 for a button.")
    press_seconds: float = Field(0, ge=0, le=60, description="Of a button; 0 for a level line.")
    force_off_seconds: float | None = Field(None, ge=0, le=60)
    latches_after_hold: bool = False
    graceful: bool = False
    idle_watts: float = Field(ge=0, le=1000, examples=[2])
    full_watts: float = Field(ge=0, le=1000, examples=[6])
    peak_watts: float = Field(ge=0, le=1000, examples=[9])
    baud: int = Field(115200, ge=50, le=10_000_000)
    flash_path: str = Field("network", max_length=20)
    boot_rom: str = Field("", max_length=9, description="USB ids of its boot ROM, 0a5c:2711 for instance.")
    boot_seconds: float = Field(60, ge=0, le=3600)
    shutdown_seconds: float = Field(30, ge=0, le=3600)
    link_mbps: int = Field(1000, ge=0, le=100_000)
    source: str = Field(min_length=1, max_length=200, examples=["Data sheet 1.2, table 4"])


class SomTypeOut(SomTypeIn):
    name: str
    shipped: bool = Field(description="It came with the portal and is not edited.")
    verified: bool


class SomTypeList(Schema):
    count: int
    som_types: list[SomTypeOut]


def checked(form: "forms.ModelForm[Any]") -> Any:
    """The form's row, not yet saved. Raises BadRequest with the first complaint."""
    if form.is_valid():
        return form.save(commit=False)
    name, errors = next(iter(form.errors.items()))
    raise BadRequest(f"{name}: {errors[0]}", code="invalid")


def plain(kind: type[Schema], row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in kind.model_fields}


# ---- Boards ------------------------------------------------------------------------------------------------------


@router.get("/boards/{board}/settings", response={200: BoardSettings, **ERRORS})
def get_settings(request: ActorRequest, response: HttpResponse, board: str) -> dict[str, Any]:
    """What people have said of a board. The ETag is for PUT."""
    roles.require(request.actor, "view", board)
    found = plain(BoardSettings, overview.find_board(board))
    response["ETag"] = etag(found)
    return found


@router.put("/boards/{board}/settings", response={200: BoardSettings, **EDIT_ERRORS})
def put_settings(
    request: ActorRequest, response: HttpResponse, board: str, body: BoardSettings, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Name a board, say what feeds it, keep notes."""
    actor = begin_act(request, "board.edit", board)
    roles.require(actor, "board.edit", board)
    row = overview.find_board(board)
    form = BoardForm(body.dict(), instance=row)
    with unchanged(if_match, Board.objects.filter(pk=row.pk), lambda: plain(BoardSettings, overview.find_board(board))):
        records.save_board(checked(form), form.changed_data, actor)
    return get_settings(request, response, board)


# ---- SOMs --------------------------------------------------------------------------------------------------------


def som_json(slot: Slot) -> dict[str, Any]:
    """What is recorded in a slot. Raises NotFound if nothing is."""
    som = Som.objects.select_related("som_type").filter(slot=slot).first()
    if som is None:
        raise NotFound(f"Slot {slot.number} is recorded as empty.", code="empty-slot")
    return plain(SomIn, som) | {"som_type": som.som_type.name}


@router.get("/boards/{board}/slots/{int:number}/som", response={200: SomIn, **ERRORS})
def get_som(request: ActorRequest, response: HttpResponse, board: str, number: int) -> dict[str, Any]:
    """What is recorded of the SOM in a slot; 404 `empty-slot` for none. The ETag is for PUT and DELETE."""
    roles.require(request.actor, "view", f"{board}/slot:{number}")
    found = som_json(power.find_slot(board, number))
    response["ETag"] = etag(found)
    return found


@router.put("/boards/{board}/slots/{int:number}/som", response={200: SomIn, **SOM_ERRORS})
def put_som(
    request: ActorRequest, response: HttpResponse, board: str, number: int, body: SomIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Record which SOM sits in a slot. Of another type than before, it is another SOM: what was believed of the slot
    is forgotten."""
    resource = f"{board}/slot:{number}"
    actor = begin_act(request, "som.record", resource)
    roles.require(actor, "slot.edit", resource)
    slot = power.find_slot(board, number)
    row = Som.objects.filter(slot=slot).first() or Som(slot=slot)
    form = SomForm({**body.dict(), "som_type": som_type_by(body.som_type).pk}, instance=row)
    with unchanged(if_match, Slot.objects.filter(pk=slot.pk), lambda: som_json(slot)):
        records.save_som(slot, checked(form), actor)
    return get_som(request, response, board, number)


@router.delete("/boards/{board}/slots/{int:number}/som", response={204: None, **SOM_ERRORS})
def delete_som(request: ActorRequest, board: str, number: int, if_match: str = IF_MATCH) -> Any:
    """Record that a slot is empty."""
    actor = begin_act(request, "som.remove", f"{board}/slot:{number}")
    slot = power.find_slot(board, number)
    with unchanged(if_match, Slot.objects.filter(pk=slot.pk), lambda: som_json(slot)):
        records.remove_som(slot, actor)
    return Status(204, None)


# ---- SOM types ---------------------------------------------------------------------------------------------------


def som_type_by(name: str) -> SomType:
    """Raises NotFound."""
    found = None if "\0" in name else SomType.objects.filter(name=name).first()
    if found is None:
        raise NotFound("There is no such SOM type.", code="unknown-som-type")
    return found


@router.get("/som-types", response={200: SomTypeList, **ERRORS})
def list_som_types(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """The SOM types by name, with their figures and where these come from."""
    roles.require(request.actor, "view", "portal")
    count, found = cut(SomType.objects.order_by("name"), page)
    return {"count": count, "som_types": found}


@router.get("/som-types/{name}", response={200: SomTypeOut, **ERRORS})
def get_som_type(request: ActorRequest, response: HttpResponse, name: str) -> dict[str, Any]:
    """One SOM type. The ETag is for PUT."""
    roles.require(request.actor, "view", "portal")
    found = plain(SomTypeOut, som_type_by(name))
    response["ETag"] = etag(found)
    return found


@router.put("/som-types/{name}", response={200: SomTypeOut, **EDIT_ERRORS})
def put_som_type(
    request: ActorRequest, response: HttpResponse, name: str, body: SomTypeIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Add or change a third party's SOM type; 409 `shipped` for those that came with the portal."""
    actor = begin_act(request, "som-type.record", "portal")
    roles.require(actor, "board.edit", "portal")
    there = SomType.objects.filter(name=name.replace("\0", ""))
    row = there.first() or SomType(source="")
    if row.shipped:
        raise Conflict(f"{row.name} is shipped with the portal; add a type of your own.", code="shipped")
    form = SomTypeForm({**body.dict(), "name": name, "line_kind": body.line_kind.value}, instance=row)
    with unchanged(
        if_match, SomType.objects.filter(name=name.replace("\0", "")), lambda: plain(SomTypeOut, som_type_by(name))
    ):
        records.save_som_type(checked(form), actor)
    return get_som_type(request, response, row.name)
