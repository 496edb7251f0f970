"""Who one is, API tokens, machines, people, groups and rights over REST."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from ninja import Field, Router, Schema, Status

from accounts.models import ApiToken, RightGrant, User
from accounts.recent import require_recent
from accounts.services import groups, people, rights, tokens
from operations.api import Problem
from operations.http import ActorRequest, begin_act
from operations.refusals import BadRequest, NotFound
from operations.rights import ADMINISTRATOR
from operations.roles import Actor, require

router = Router(tags=["people"])
ERRORS = dict.fromkeys((400, 401, 403, 404, 409), Problem)


class RightOut(Schema):
    id: int
    role: str
    scope: str = Field(description="`*` everywhere, `demo` a board, `demo/slot:3` one slot", examples=["demo/slot:3"])
    console: str = Field(description="`none`, `read` or `write` if it says so for itself, else empty")
    until: datetime | None
    group: str = Field("", description="by which group, if it is not their own")
    runs: bool


class MeOut(Schema):
    name: str
    role: str = Field(description="held everywhere; may be empty")
    credential: str
    token: str = Field(description="prefix and name of the token in use; else empty")
    scopes: list[str] | None = Field(description="what the token is for; null for a session")
    rights: list[RightOut]


class TokenOut(Schema):
    prefix: str
    name: str
    owner: str
    scopes: list[str]
    resources: list[str]
    addresses: list[str]
    made_at: datetime
    made_by: str
    expires_at: datetime | None
    used_at: datetime | None
    used_from: str
    revoked_at: datetime | None


class TokenMade(TokenOut):
    token: str = Field(description="the token itself, this once")


class TokenIn(Schema):
    name: str = Field(max_length=60, examples=["ci-runner"])
    scopes: list[str] = Field(min_length=1, max_length=20, examples=[["read", "power"]])
    resources: list[str] = Field(["*"], min_length=1, max_length=100, examples=[["demo/slot:3"]])
    addresses: list[str] = Field([], max_length=20, examples=[["10.0.0.0/24"]])
    expires_at: datetime | None = Field(None, description="with its zone; null is never")
    machine: str = Field("", max_length=60, description="for this machine; empty is for oneself")


class PersonOut(Schema):
    name: str
    kind: str
    role: str
    is_active: bool
    last_login: datetime | None
    groups: list[str]
    rights: list[RightOut]


class MachineIn(Schema):
    name: str = Field(max_length=60, examples=["ci-runner"])


class RightIn(Schema):
    role: str = Field(max_length=40, examples=["operator"])
    scope: str = Field(max_length=100, examples=["demo/slot:3"])
    console: str = Field("", max_length=10)
    until: datetime | None = Field(None, description="with its zone; null is without end")


class PersonIn(Schema):
    role: str | None = Field(None, max_length=40, description="everywhere; empty for none")
    is_active: bool | None = None


class GroupIn(Schema):
    members: list[str] = Field(max_length=1000, examples=[["anna", "bert"]])


class GroupOut(Schema):
    name: str
    members: list[str]
    rights: list[RightOut]


# ---- Oneself and one's tokens --------------------------------------------------------------------------------------


@router.get("/me", response={200: MeOut, **ERRORS})
def me(request: ActorRequest) -> dict[str, Any]:
    """Who one is here, and what one may do."""
    actor = request.actor
    person = _self(actor)
    return {
        "name": actor.name,
        "role": actor.role,
        "credential": actor.credential,
        "token": actor.token,
        "scopes": sorted(actor.limits.scopes) if actor.limits else None,
        "rights": [_right(shown) for shown in rights.of_person(person)],
    }


@router.get("/tokens", response={200: list[TokenOut], **ERRORS})
def token_list(request: ActorRequest, everybody: bool = False) -> list[dict[str, Any]]:
    """One's own tokens, ended ones too; `everybody` those of all, for whoever may change people."""
    if everybody:
        require(request.actor, "people.edit", "portal")
    rows = ApiToken.objects.select_related("user")
    return [_token(row) for row in (rows if everybody else _self(request.actor).tokens.select_related("user"))]


@router.post("/tokens", response={201: TokenMade, **ERRORS})
def make_token(request: ActorRequest, body: TokenIn) -> Any:
    """Make a token; its text is in the answer and nowhere else. A token makes none."""
    actor = begin_act(request, "token.create", f"person:{body.machine or request.actor.name}")
    require_recent(request)
    owner = _person(body.machine, actor) if body.machine else _self(actor)
    places = tuple(body.resources), tuple(body.addresses)
    row, text = tokens.make(actor, owner, tokens.Wish(body.name, tuple(body.scopes), *places, _zoned(body.expires_at)))
    return Status(201, {**_token(row), "token": text})


@router.delete("/tokens/{prefix}", response={204: None, **ERRORS})
def revoke_token(request: ActorRequest, prefix: str) -> Any:
    """Revoke a token: one's own, or any for whoever may change people. Its open sockets close within 3 s."""
    actor = begin_act(request, "token.revoke", f"person:{request.actor.name}")
    tokens.revoke(actor, tokens.own(actor, prefix))
    return Status(204, None)


# ---- People --------------------------------------------------------------------------------------------------------


@router.get("/people", response={200: list[PersonOut], **ERRORS})
def person_list(request: ActorRequest) -> list[dict[str, Any]]:
    """Everybody, machines too, with their rights."""
    require(request.actor, "people.edit", "portal")
    return [_person_json(row) for row in User.objects.prefetch_related("groups")]


@router.post("/machines", response={201: PersonOut, **ERRORS})
def add_machine(request: ActorRequest, body: MachineIn) -> Any:
    """Add a machine: somebody without a password, who acts by tokens alone."""
    actor = begin_act(request, "machine.add", f"person:{body.name}")
    return Status(201, _person_json(tokens.add_machine(actor, body.name)))


@router.post("/people/{name}/rights", response={201: RightOut, **ERRORS})
def give_right(request: ActorRequest, name: str, body: RightIn) -> Any:
    """Give somebody a right; the same one with another end takes its place."""
    actor = _asks(request, "right.give", f"person:{name}")
    return Status(201, _give(request, actor, _person(name, actor), body))


@router.get("/groups", response={200: list[GroupOut], **ERRORS})
def group_list(request: ActorRequest) -> list[dict[str, Any]]:
    """The groups with their members and rights."""
    require(request.actor, "people.edit", "portal")
    return [_group(row) for row in Group.objects.order_by("name").prefetch_related("user_set")]


@router.put("/groups/{name}", response={200: GroupOut, **ERRORS})
def put_group(request: ActorRequest, name: str, body: GroupIn) -> dict[str, Any]:
    """Make a group, or say who is in one."""
    actor = _asks(request, "people.edit", f"group:{name}")
    found = [_person(member, actor) for member in body.members]
    group = Group.objects.filter(name=name).first() or groups.add(actor, name)
    groups.set_members(actor, group, found)
    return _group(group)


@router.delete("/groups/{name}", response={204: None, **ERRORS})
def remove_group(request: ActorRequest, name: str) -> Any:
    """Remove a group, and with it what it gave."""
    actor = _asks(request, "group.remove", f"group:{name}")
    groups.remove(actor, _group_by(name))
    return Status(204, None)


@router.post("/groups/{name}/rights", response={201: RightOut, **ERRORS})
def give_group_right(request: ActorRequest, name: str, body: RightIn) -> Any:
    """Give all in a group a right."""
    actor = _asks(request, "right.give", f"group:{name}")
    return Status(201, _give(request, actor, _group_by(name), body))


@router.delete("/rights/{int:right}", response={204: None, **ERRORS})
def take_right(request: ActorRequest, right: int) -> Any:
    """Take a right away from whoever has it."""
    actor = _asks(request, "right.take", "portal")
    row = RightGrant.objects.select_related("user", "group").filter(pk=min(right, 2**62)).first()
    if row is None:
        raise NotFound("There is no such right; it may have been taken away already.", code="unknown-right")
    _grave_if(request, row.role)
    rights.take(actor, row)
    return Status(204, None)


@router.patch("/people/{name}", response={200: PersonOut, **ERRORS})
def change_person(request: ActorRequest, name: str, body: PersonIn) -> Any:
    """Change somebody's role everywhere (may be empty), or switch them off and on."""
    actor = _asks(request, "people.edit", f"person:{name}")
    person = _person(name, actor)
    if body.role is not None:
        _grave_if(request, body.role, person.role)
        people.change_role(actor, person, body.role)
    if body.is_active is not None:
        (people.switch_on if body.is_active else people.switch_off)(actor, person)
    return _person_json(_person(name, actor))


# ---- Parts ---------------------------------------------------------------------------------------------------------


def _asks(request: ActorRequest, action: str, target: str) -> Actor:
    actor = begin_act(request, action, target)
    require(actor, "people.edit", "portal")
    return actor


def _grave_if(request: ActorRequest, *roles: str) -> None:
    """What makes or unmakes an administrator wants a person who was there lately, and no token."""
    if ADMINISTRATOR in roles:
        require_recent(request)


def _self(actor: Actor) -> User:
    assert actor.user_id is not None  # the API lets nobody else in
    return User.objects.get(pk=actor.user_id)


def _person(name: str, actor: Actor) -> User:
    require(actor, "people.edit", "portal")
    found = User.objects.filter(username=name).first()
    if found is None:
        raise NotFound("There is no such person.", code="no-such-person")
    return found


def _group_by(name: str) -> Group:
    found = Group.objects.filter(name=name).first()
    if found is None:
        raise NotFound("There is no such group.", code="no-such-group")
    return found


def _give(request: ActorRequest, actor: Actor, holder: rights.Holder, body: RightIn) -> dict[str, Any]:
    _grave_if(request, body.role)
    row = rights.give(actor, holder, body.role, body.scope, until=_zoned(body.until), console=body.console)
    return _right(rights.Shown(row, rights.words(row), runs=True))


def _zoned(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise BadRequest("Give times with their zone, as 2026-11-23T18:00:00Z.", code="zone")
    return moment


def _right(shown: rights.Shown) -> dict[str, Any]:
    row = shown.row
    plain = {name: getattr(row, name) for name in ("id", "role", "scope", "console", "until")}
    return plain | {"group": row.group.name if row.group else "", "runs": shown.runs}


def _token(row: ApiToken) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in TokenOut.model_fields if name != "owner"}
    return plain | {"owner": row.user.username}


def _person_json(person: User) -> dict[str, Any]:
    plain = {name: getattr(person, name) for name in ("kind", "role", "is_active", "last_login")}
    groups_of = sorted(group.name for group in person.groups.all())
    return plain | {
        "name": person.username,
        "groups": groups_of,
        "rights": [_right(shown) for shown in rights.of_person(person)],
    }


def _group(group: Group) -> dict[str, Any]:
    members = sorted(person.username for person in group.user_set.all())
    return {"name": group.name, "members": members, "rights": [_right(one) for one in rights.of_group(group)]}
