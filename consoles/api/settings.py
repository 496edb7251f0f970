"""How a serial port is opened and recorded, who may read it and type on it, and by what text a boot is recognised."""

from typing import Any

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from consoles.models import BAUD_RATES, Match, Stage, StageRule
from consoles.services import access, ports, stages
from consoles.services.history import resource
from operations import roles
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, Page, Strict, cut
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act
from operations.refusals import BadRequest, NotFound
from slots.models import Slot, SomType

router = Router()
MOST_NUMBER = 2**62  # what any database takes


class ConsoleSettings(Strict):
    """All of it anew: what is left out is as usual."""

    baud: int | None = Field(None, description=f"One of {BAUD_RATES}; null: as its SOM needs it.", examples=[115200])
    recording: bool = Field(True, description="Whether anybody watches or not. Keys are never recorded.")
    quota_mib: int = Field(64, ge=1, le=65536)
    retention_days: int = Field(30, ge=1, le=3650)
    read: str = Field("viewer", max_length=40, description="The least role that may watch and read recordings.")
    write: str = Field("console-operator", max_length=40, description="The least role that may type.")


class RuleIn(Strict):
    som_type: str | None = Field(None, max_length=30, description="For one SOM type; null for every.")
    stage: Stage = Field(examples=["login"])
    match: Match = Match.CONTAINS
    text: str = Field(min_length=1, max_length=120, examples=["login:"])
    enabled: bool = True


class RuleOut(RuleIn):
    id: int
    shipped: bool = Field(description="It came with the portal: it can be disabled, not changed.")


class RuleList(Schema):
    count: int
    rules: list[RuleOut]


# ---- A port ------------------------------------------------------------------------------------------------------


def settings_json(slot: Slot) -> dict[str, Any]:
    port = ports.port_of(slot)
    return {name: getattr(port, name) for name in ports.FIELDS} | access.least_roles(slot)


@router.get("/boards/{board}/slots/{int:number}/console/settings", response={200: ConsoleSettings, **ERRORS})
def get_console_settings(request: ActorRequest, response: HttpResponse, board: str, number: int) -> dict[str, Any]:
    """The settings of a console. The ETag is for PUT."""
    roles.require(request.actor, "view", f"{board}/slot:{number}")
    found = settings_json(ports.find(board, number))
    response["ETag"] = etag(found)
    return found


@router.put("/boards/{board}/slots/{int:number}/console/settings", response={200: ConsoleSettings, **EDIT_ERRORS})
def put_console_settings(
    request: ActorRequest,
    response: HttpResponse,
    board: str,
    number: int,
    body: ConsoleSettings,
    if_match: str = IF_MATCH,
) -> dict[str, Any]:
    """Say how the port is opened and recorded, and who may read it and type on it. Taken at once."""
    actor = begin_act(request, "console.settings", resource(board, number))
    roles.require(actor, ports.EDIT, resource(board, number))
    slot = ports.find(board, number)
    if body.baud is not None and body.baud not in BAUD_RATES:
        raise BadRequest(f"baud: one of {', '.join(map(str, BAUD_RATES))}, not {body.baud}.", code="invalid")
    with unchanged(if_match, Slot.objects.filter(pk=slot.pk), lambda: settings_json(ports.find(board, number))):
        port = ports.port_of(slot)
        wanted = {name: getattr(body, name) for name in ports.FIELDS}
        if any(getattr(port, name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                setattr(port, name, value)
            ports.save_port(port, actor)
        access.let(slot, actor, read=body.read, write=body.write)
    return get_console_settings(request, response, board, number)


# ---- Stage rules -------------------------------------------------------------------------------------------------


def rule_json(rule: StageRule) -> dict[str, Any]:
    plain = {name: getattr(rule, name) for name in ("id", "stage", "match", "text", "enabled", "shipped")}
    return plain | {"som_type": rule.som_type.name if rule.som_type else None}


def fill(rule: StageRule, body: RuleIn) -> StageRule:
    """The rule as the body says. Raises BadRequest for an unknown SOM type."""
    kind = None if body.som_type is None else SomType.objects.filter(name=body.som_type.replace("\0", "")).first()
    if body.som_type is not None and kind is None:
        raise BadRequest(f"There is no SOM type {body.som_type}.", code="unknown-som-type")
    rule.som_type, rule.stage, rule.match, rule.text = kind, body.stage.value, body.match.value, body.text
    rule.enabled = body.enabled
    return rule


@router.get("/console-stages", response={200: RuleList, **ERRORS})
def list_stage_rules(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """The rules by which boots are recognised, in the order in which they were made."""
    roles.require(request.actor, "view", "portal")
    count, found = cut(stages.rules(), page)
    return {"count": count, "rules": [rule_json(rule) for rule in found]}


@router.post("/console-stages", response={201: RuleOut, **ERRORS})
def add_stage_rule(request: ActorRequest, body: RuleIn) -> Any:
    """Add a rule; it counts from now on."""
    actor = begin_act(request, "stage-rule.add", stages.PORTAL)
    roles.require(actor, ports.EDIT, stages.PORTAL)
    rule = fill(StageRule(), body)
    stages.save_rule(rule, actor)
    return Status(201, rule_json(rule))


@router.get("/console-stages/{int:rule}", response={200: RuleOut, **ERRORS})
def get_stage_rule(request: ActorRequest, response: HttpResponse, rule: int) -> dict[str, Any]:
    """One rule. The ETag is for PUT."""
    roles.require(request.actor, "view", "portal")
    found = rule_json(rule_by(rule))
    response["ETag"] = etag(found)
    return found


@router.put("/console-stages/{int:rule}", response={200: RuleOut, **EDIT_ERRORS})
def put_stage_rule(
    request: ActorRequest, response: HttpResponse, rule: int, body: RuleIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Change a rule of one's own, or switch any on or off (then say the rest as it is)."""
    actor = begin_act(request, "stage-rule.change", stages.PORTAL)
    roles.require(actor, ports.EDIT, stages.PORTAL)
    found = rule_by(rule)
    with unchanged(if_match, StageRule.objects.filter(pk=found.pk), lambda: rule_json(rule_by(rule))):
        before = rule_json(found)
        fill(found, body)
        if rule_json(found) | {"enabled": None} == before | {"enabled": None}:
            stages.enable_rule(found, body.enabled, actor)
        else:
            stages.save_rule(found, actor)
    return get_stage_rule(request, response, rule)


@router.delete("/console-stages/{int:rule}", response={204: None, **ERRORS})
def delete_stage_rule(request: ActorRequest, rule: int) -> Any:
    """Remove a rule of one's own; 409 `shipped` for those that came with the portal."""
    actor = begin_act(request, "stage-rule.remove", stages.PORTAL)
    stages.remove_rule(rule_by(rule), actor)
    return Status(204, None)


def rule_by(number: int) -> StageRule:
    """Raises NotFound."""
    if number > MOST_NUMBER:
        raise NotFound("There is no such rule.", code="unknown-rule")
    return stages.find_rule(number)
