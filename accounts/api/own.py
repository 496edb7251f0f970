"""Who one is, and one's tokens."""

from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema, Status

from accounts.api.shown import RightOut, person_by, right_json, self_of, with_zone
from accounts.models import ApiToken
from accounts.recent import require_recent
from accounts.services import rights, tokens
from operations.api import ERRORS, Page, Strict, cut, one_of
from operations.http import ActorRequest, begin_act
from operations.rights import SCOPES
from operations.roles import Actor, require, require_scope

router = Router()


class MeOut(Schema):
    name: str
    role: str = Field(description="held everywhere; may be empty")
    credential: str = Field(description="`session` or `token`")
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


class TokenList(Schema):
    count: int
    tokens: list[TokenOut]


class TokenIn(Strict):
    name: str = Field(max_length=60, examples=["ci-runner"])
    scopes: list[str] = Field(
        min_length=1,
        max_length=20,
        description=f"What for. Each: {one_of(SCOPES)}",
        examples=[["read", "power"]],
    )
    resources: list[str] = Field(
        ["*"], min_length=1, max_length=100, description="Where: `*`, a board, or a slot.", examples=[["demo/slot:3"]]
    )
    addresses: list[str] = Field(
        [],
        max_length=20,
        description="From where: addresses or networks; none is anywhere.",
        examples=[["10.0.0.0/24"]],
    )
    expires_at: datetime | None = Field(None, description="with its zone; null is never")
    machine: str = Field("", max_length=150, description="for this machine; empty is for oneself")


class Whose(Page):
    everybody: bool = Field(False, description="those of all, for whoever may change people")


def token_json(row: ApiToken) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in TokenOut.model_fields if name != "owner"}
    return plain | {"owner": row.user.username}


@router.get("/me", response={200: MeOut, **ERRORS})
def me(request: ActorRequest) -> dict[str, Any]:
    """Who one is here, and what one may do."""
    actor = request.actor
    plain = {name: getattr(actor, name) for name in ("name", "role", "credential", "token")}
    return plain | {
        "scopes": sorted(actor.limits.scopes) if actor.limits else None,
        "rights": [right_json(shown) for shown in rights.of_person(self_of(actor))],
    }


@router.get("/tokens", response={200: TokenList, **ERRORS})
def list_tokens(request: ActorRequest, whose: Query[Whose]) -> dict[str, Any]:
    """One's own tokens, ended ones too, the newest first."""
    require_scope(request.actor, "view")
    if whose.everybody:
        require(request.actor, "people.edit", "portal")
    rows = ApiToken.objects.all() if whose.everybody else self_of(request.actor).tokens.all()
    count, page = cut(rows.select_related("user").order_by("-made_at", "-pk"), whose)
    return {"count": count, "tokens": [token_json(row) for row in page]}


@router.post("/tokens", response={201: TokenMade, **ERRORS})
def make_token(request: ActorRequest, body: TokenIn) -> Any:
    """Make a token; its text is in the answer and nowhere else. A token makes none, and a session only within ten
    minutes of signing in (403 `sign-in-again`)."""
    actor = begin_act(request, "token.create", f"person:{body.machine or request.actor.name}")
    if body.machine:
        require(actor, "people.edit", "portal")
    require_recent(request)
    owner = person_by(body.machine) if body.machine else self_of(actor)
    row, text = tokens.make(actor, owner, wish_of(body))
    return Status(201, {**token_json(row), "token": text})


def wish_of(body: TokenIn) -> tokens.Wish:
    places = tuple(body.resources), tuple(body.addresses)
    return tokens.Wish(body.name, tuple(body.scopes), *places, with_zone(body.expires_at))


@router.delete("/tokens/{prefix}", response={204: None, **ERRORS})
def revoke_token(request: ActorRequest, prefix: str) -> Any:
    """Revoke a token: one's own, or any for whoever may change people. Its open sockets close within 3 s. Revoking
    it once more changes nothing."""
    actor = begin_act(request, "token.revoke", f"person:{request.actor.name}")
    tokens.revoke(actor, token_by(prefix, actor))
    return Status(204, None)


def token_by(prefix: str, actor: Actor) -> ApiToken:
    """Raises NotFound."""
    return tokens.own(actor, prefix.replace("\0", " "))
