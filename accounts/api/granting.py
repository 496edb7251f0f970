"""Groups, and giving and taking rights: to people and to groups."""

from datetime import datetime
from typing import Any, Literal

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from accounts.api.shown import (
    GroupOut,
    RightOut,
    administrator_asks,
    grave_if,
    group_by,
    group_json,
    person_by,
    right_json,
    with_zone,
)
from accounts.models import AccessVersion, RightGrant
from accounts.services import groups, rights
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, Page, Strict, cut, one_of
from operations.etags import etag, unchanged
from operations.http import ActorRequest
from operations.refusals import NotFound, Outdated
from operations.rights import ADMINISTRATOR, ROLES
from operations.roles import Actor, require

router = Router()
MOST_NUMBER = 2**62  # what any database takes


class RightIn(Strict):
    role: str = Field(max_length=40, description=one_of(ROLES), examples=["operator"])
    scope: str = Field(
        max_length=100,
        description="Where: `*` everywhere, `demo` a board, `demo/slot:3` one slot.",
        examples=["demo/slot:3"],
    )
    console: Literal["", "none", "read", "write"] = Field("", description="empty: as the role says")
    until: datetime | None = Field(None, description="with its zone; null is without end")


class GroupIn(Strict):
    members: list[str] = Field(max_length=1000, examples=[["anna", "bert"]])


class RenameIn(Strict):
    name: str = Field(max_length=60, examples=["class of 2026"])


class GroupList(Schema):
    count: int
    groups: list[GroupOut]


def edited(group: Group) -> dict[str, Any]:
    """What of a group can be edited here: its ETag is of this."""
    return {"name": group.name, "members": sorted(group.user_set.values_list("username", flat=True))}


def grave_if_it_administers(request: ActorRequest, group: Group) -> None:
    """Who is in such a group is administrator: deciding about that wants a person who was there lately."""
    if group.grants.filter(role=ADMINISTRATOR).exists():
        grave_if(request, ADMINISTRATOR)


# ---- Rights ------------------------------------------------------------------------------------------------------


@router.post("/people/{name}/rights", response={201: RightOut, **ERRORS})
def give_right(request: ActorRequest, name: str, body: RightIn) -> Any:
    """Give somebody a right; the same one with another end takes its place."""
    actor = administrator_asks(request, "right.give", f"person:{name}")
    return Status(201, give(request, actor, person_by(name), body))


@router.post("/groups/{name}/rights", response={201: RightOut, **ERRORS})
def give_group_right(request: ActorRequest, name: str, body: RightIn) -> Any:
    """Give all in a group a right."""
    actor = administrator_asks(request, "right.give", f"group:{name}")
    return Status(201, give(request, actor, group_by(name), body))


def give(request: ActorRequest, actor: Actor, holder: rights.Holder, body: RightIn) -> dict[str, Any]:
    grave_if(request, body.role)
    row = rights.give(actor, holder, body.role, body.scope, until=with_zone(body.until), console=body.console)
    return right_json(rights.Shown(row, rights.words(row), runs=True))


@router.delete("/rights/{int:right}", response={204: None, **ERRORS})
def take_right(request: ActorRequest, right: int) -> Any:
    """Take a right away from whoever has it."""
    actor = administrator_asks(request, "right.take", "portal")
    row = RightGrant.objects.select_related("user", "group").filter(pk=min(right, MOST_NUMBER)).first()
    if row is None:
        raise NotFound("There is no such right; it may have been taken away already.", code="unknown-right")
    grave_if(request, row.role)
    rights.take(actor, row)
    return Status(204, None)


# ---- Groups ------------------------------------------------------------------------------------------------------


@router.get("/groups", response={200: GroupList, **ERRORS})
def list_groups(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """The groups by name, with their members and rights."""
    require(request.actor, "people.edit", "portal")
    count, found = cut(Group.objects.order_by("name").prefetch_related("user_set"), page)
    return {"count": count, "groups": [group_json(group) for group in found]}


@router.get("/groups/{name}", response={200: GroupOut, **ERRORS})
def get_group(request: ActorRequest, response: HttpResponse, name: str) -> dict[str, Any]:
    """One group. The ETag is for PUT and PATCH."""
    require(request.actor, "people.edit", "portal")
    group = group_by(name)
    response["ETag"] = etag(edited(group))
    return group_json(group)


@router.put("/groups/{name}", response={200: GroupOut, **EDIT_ERRORS})
def put_group(
    request: ActorRequest, response: HttpResponse, name: str, body: GroupIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Make a group, or say who is in one."""
    actor = administrator_asks(request, "people.edit", f"group:{name}")
    members = [person_by(member) for member in body.members]
    with transaction.atomic():
        group = Group.objects.filter(name=name.replace("\0", "")).first()
        if group is None:
            if if_match:
                raise Outdated("There is no such group any more.")
            group = groups.add(actor, name)
        grave_if_it_administers(request, group)
        with unchanged(if_match, AccessVersion.objects.all(), lambda: edited(group_by(name))):
            groups.set_members(actor, group, members)
    response["ETag"] = etag(edited(group))
    return group_json(group)


@router.patch("/groups/{name}", response={200: GroupOut, **EDIT_ERRORS})
def rename_group(
    request: ActorRequest, response: HttpResponse, name: str, body: RenameIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Another name for the same group."""
    actor = administrator_asks(request, "group.rename", f"group:{name}")
    group = group_by(name)
    grave_if_it_administers(request, group)
    with unchanged(if_match, AccessVersion.objects.all(), lambda: edited(group_by(name))):
        groups.rename(actor, group, body.name)
    response["ETag"] = etag(edited(group))
    return group_json(group)


@router.delete("/groups/{name}", response={204: None, **ERRORS})
def remove_group(request: ActorRequest, name: str) -> Any:
    """Remove a group, and with it what it gave."""
    actor = administrator_asks(request, "group.remove", f"group:{name}")
    group = group_by(name)
    grave_if_it_administers(request, group)
    groups.remove(actor, group)
    return Status(204, None)
