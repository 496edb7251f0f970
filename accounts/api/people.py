"""People and machines: who there is, what each may do, and where they are signed in."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from accounts.api.shown import PersonOut, administrator_asks, grave_if, person_by, person_json
from accounts.models import AccessVersion, Role, User
from accounts.services import people, rights, sessions, tokens
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, Page, Strict, cut
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act
from operations.roles import require

router = Router()


class PersonList(Schema):
    count: int
    people: list[PersonOut]


class MachineIn(Strict):
    name: str = Field(max_length=150, examples=["ci-runner"])


class PersonIn(Strict):
    """What is left out stays."""

    role: str | None = Field(None, max_length=40, description="everywhere; empty for none", examples=["viewer"])
    is_active: bool | None = Field(None, description="false: switched off, with all sessions and tokens")


class Question(Schema):
    action: str = Field(max_length=40, examples=["flash"])
    scope: str = Field(max_length=100, examples=["demo/slot:3"])


class AnswerOut(Schema):
    allowed: bool
    reason: str = Field(description="Why, or why not and what would give it.")
    code: str = Field(description="Of the refusal; empty if it is allowed.")


class SessionOut(Schema):
    id: str = Field(description="By which it can be ended; of no use to sign in.")
    means: str
    address: str
    agent: str
    browser: str
    began_at: datetime | None
    seen_at: datetime | None
    expires_at: datetime
    is_this: bool = Field(description="The session that asks.")


class SessionList(Schema):
    count: int
    sessions: list[SessionOut]


def edited(person: User) -> dict[str, Any]:
    """What of a person can be edited here: their ETag is of this."""
    return {"name": person.username, "role": person.role, "is_active": person.is_active}


@router.get("/people", response={200: PersonList, **ERRORS})
def list_people(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """Everybody by name, machines too, with their rights."""
    require(request.actor, "people.edit", "portal")
    count, found = cut(User.objects.order_by("username").prefetch_related("groups"), page)
    return {"count": count, "people": [person_json(person) for person in found]}


@router.get("/people/{name}", response={200: PersonOut, **ERRORS})
def get_person(request: ActorRequest, response: HttpResponse, name: str) -> dict[str, Any]:
    """One person or machine. The ETag is for PATCH."""
    require(request.actor, "people.edit", "portal")
    person = person_by(name)
    response["ETag"] = etag(edited(person))
    return person_json(person)


@router.patch("/people/{name}", response={200: PersonOut, **EDIT_ERRORS})
def change_person(
    request: ActorRequest, response: HttpResponse, name: str, body: PersonIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Change somebody's role everywhere (may be empty), or switch them off and on; both or nothing."""
    actor = administrator_asks(request, "people.edit", f"person:{name}")
    person = person_by(name)
    if body.role is not None:
        grave_if(request, body.role, person.role)
    if body.is_active is not None and rights.is_administrator(person):
        grave_if(request, Role.ADMINISTRATOR)
    with unchanged(if_match, AccessVersion.objects.all(), lambda: edited(person_by(name))):
        if body.role is not None:
            people.change_role(actor, person, body.role)
        if body.is_active is not None:
            (people.switch_on if body.is_active else people.switch_off)(actor, person)
    person = person_by(name)
    response["ETag"] = etag(edited(person))
    return person_json(person)


@router.post("/machines", response={201: PersonOut, **ERRORS})
def add_machine(request: ActorRequest, body: MachineIn) -> Any:
    """Add a machine: somebody without a password, who acts by tokens alone."""
    actor = begin_act(request, "machine.add", f"person:{body.name}")
    return Status(201, person_json(tokens.add_machine(actor, body.name)))


@router.get("/people/{name}/may", response={200: AnswerOut, **ERRORS})
def ask_what_somebody_may(request: ActorRequest, name: str, question: Query[Question]) -> dict[str, Any]:
    """Whether somebody may do something to a board or slot now, and why not: what every door would answer them."""
    require(request.actor, "people.edit", "portal")
    answer = rights.explain(person_by(name), question.action, question.scope)
    return {"allowed": bool(answer), "reason": answer.reason, "code": "" if answer else answer.code}


# ---- Where they are signed in ------------------------------------------------------------------------------------


@router.get("/people/{name}/sessions", response={200: SessionList, **ERRORS})
def list_sessions(request: ActorRequest, name: str, page: Query[Page]) -> dict[str, Any]:
    """Where somebody is signed in, the last seen first: one's own, or anybody's for whoever may change people."""
    person = whose(request, name)
    count, found = cut(sessions.sessions_of(person, request.session.session_key), page)
    return {"count": count, "sessions": [asdict(one) for one in found]}


@router.delete("/people/{name}/sessions", response={204: None, **ERRORS})
def end_sessions(request: ActorRequest, name: str) -> Any:
    """End all of somebody's sessions but the one that asks; their open sockets close within 3 s."""
    actor = begin_act(request, "session.end-all", f"person:{name}")
    sessions.end_all(actor, whose(request, name), except_key=request.session.session_key)
    return Status(204, None)


@router.delete("/people/{name}/sessions/{session}", response={204: None, **ERRORS})
def end_session(request: ActorRequest, name: str, session: str) -> Any:
    """End one session of somebody."""
    actor = begin_act(request, "session.end", f"person:{name}")
    sessions.end(actor, whose(request, name), session)
    return Status(204, None)


def whose(request: ActorRequest, name: str) -> User:
    """Oneself with a session of one's own, or anybody for whoever may change people. Raises NotPermitted, NotFound."""
    is_own = name == request.actor.name and request.actor.credential == "session"
    if not is_own:
        require(request.actor, "people.edit", "portal")
    return person_by(name)
