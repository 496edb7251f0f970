"""People, groups and rights as the API shows them, and how its operations find them."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from ninja import Field, Schema

from accounts.models import Kind, Role, User
from accounts.recent import require_recent
from accounts.services import rights
from operations.http import ActorRequest, begin_act
from operations.refusals import BadRequest, NotFound
from operations.rights import ADMINISTRATOR
from operations.roles import Actor, require


class RightOut(Schema):
    id: int
    role: Role
    scope: str = Field(description="`*` everywhere, `demo` a board, `demo/slot:3` one slot", examples=["demo/slot:3"])
    console: str = Field(description="`none`, `read` or `write` if it says so for itself, else empty")
    until: datetime | None
    group: str = Field("", description="by which group, if it is not their own")
    runs: bool = Field(description="false: it has ended")


class PersonOut(Schema):
    name: str
    kind: Kind
    role: str = Field(description="held everywhere; may be empty")
    is_active: bool
    last_login: datetime | None
    groups: list[str]
    rights: list[RightOut]


class GroupOut(Schema):
    name: str
    members: list[str]
    rights: list[RightOut]


def right_json(shown: rights.Shown) -> dict[str, Any]:
    row = shown.row
    plain = {name: getattr(row, name) for name in ("id", "role", "scope", "console", "until")}
    return plain | {"group": row.group.name if row.group else "", "runs": shown.runs}


def person_json(person: User) -> dict[str, Any]:
    plain = {name: getattr(person, name) for name in ("kind", "role", "is_active", "last_login")}
    return plain | {
        "name": person.username,
        "groups": sorted(group.name for group in person.groups.all()),
        "rights": [right_json(shown) for shown in rights.of_person(person)],
    }


def group_json(group: Group) -> dict[str, Any]:
    members = sorted(person.username for person in group.user_set.all())
    return {"name": group.name, "members": members, "rights": [right_json(one) for one in rights.of_group(group)]}


def administrator_asks(request: ActorRequest, action: str, target: str) -> Actor:
    """Who asks for that, on record if it is refused. Raises NotPermitted."""
    actor = begin_act(request, action, target)
    require(actor, "people.edit", "portal")
    return actor


def grave_if(request: ActorRequest, *roles: str) -> None:
    """What makes or unmakes an administrator wants a person who was there lately, and no token."""
    if ADMINISTRATOR in roles:
        require_recent(request)


def self_of(actor: Actor) -> User:
    """The row of whoever asks."""
    assert actor.user_id is not None  # the API lets nobody else in
    return User.objects.get(pk=actor.user_id)


def person_by(name: str) -> User:
    """Raises NotFound. For those who may change people."""
    found = None if "\0" in name else User.objects.filter(username=name).first()
    if found is None:
        raise NotFound("There is no such person.", code="no-such-person")
    return found


def group_by(name: str) -> Group:
    """Raises NotFound. For those who may change people."""
    found = None if "\0" in name else Group.objects.filter(name=name).first()
    if found is None:
        raise NotFound("There is no such group.", code="no-such-group")
    return found


def with_zone(moment: datetime | None) -> datetime | None:
    """The same moment. Raises BadRequest for one without a zone."""
    if moment is not None and moment.tzinfo is None:
        raise BadRequest("Give times with their zone, as 2026-11-23T18:00:00Z.", code="zone")
    return moment
