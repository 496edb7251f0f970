"""API tokens: made once, shown once, used within limits, revoked; and the machines that have nothing else.

The text is `np_<prefix>_<secret>`. The secret has 256 random bits, so a plain digest of it is safe to keep.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import access, places
from accounts.actors import actor_by_token
from accounts.models import ApiToken, Kind, User
from accounts.services.people import keep_new, target_of
from operations import audit, roles
from operations.refusals import BadRequest, Conflict, NotFound, NotPermitted, TokenRefused
from operations.rights import EVERYWHERE, SCOPES
from operations.roles import Actor

USED_SECONDS = timedelta(minutes=1)  # how exactly the last use is kept: not a write for every request
LONGEST = timedelta(days=3660)
MANY = 50  # open tokens of one owner
_TEXT = re.compile(r"np_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Wish:
    """What a token is to be for. `expires_at` None is for ever; `addresses` are addresses or networks."""

    name: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = (EVERYWHERE,)
    addresses: tuple[str, ...] = ()
    expires_at: datetime | None = None


def make(actor: Actor, owner: User, wish: Wish) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can read again. People make their own; whoever may change people makes
    those of machines. Raises NotPermitted, BadRequest, Conflict for too many."""
    _refuse_tokens(actor)
    if owner.pk != actor.user_id:
        roles.require(actor, "people.edit", "portal")
        if owner.kind != Kind.MACHINE:
            raise NotPermitted(f"{owner.username} makes their own tokens; nobody acts in another person's name.")
    fields = _checked(wish, actor)
    prefix, secret = "".join(secrets.choice(_ALPHABET) for _ in range(8)), secrets.token_urlsafe(32)
    with transaction.atomic():
        access.bump()  # also the lock under which they are counted
        if usable(owner).count() >= MANY:
            raise Conflict(f"{owner.username} has {MANY} tokens; revoke one that is not used.", code="too-many-tokens")
        token = ApiToken.objects.create(
            user=owner, prefix=prefix, digest=_digest(secret), made_by=actor.name, made_at=timezone.now(), **fields
        )
        audit.record("token.create", actor=actor, target=target_of(owner), detail={"token": str(token), **said(token)})
    return token, f"np_{prefix}_{secret}"


def revoke(actor: Actor, token: ApiToken) -> None:
    """End a token for good: requests at once, open sockets within 3 s. Its owner may, signed in, and whoever may change
    people; a token ends itself, and no other with less than that. Raises NotPermitted."""
    is_itself = actor.token.partition(" ")[0] == token.prefix
    if token.user_id != actor.user_id or (actor.credential == "token" and not is_itself):
        roles.require(actor, "people.edit", "portal")
    with transaction.atomic():
        row = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
        if row.update(revoked_at=timezone.now(), revoked_by=actor.name):
            access.bump()
            audit.record("token.revoke", actor=actor, target=target_of(token.user), detail={"token": str(token)})


def own(actor: Actor, prefix: str) -> ApiToken:
    """The token with that prefix, one's own or for whoever may change people. Raises NotFound."""
    token = ApiToken.objects.select_related("user").filter(prefix=prefix).first()
    if token is None or (token.user_id != actor.user_id and not roles.may(actor, "people.edit", "portal")):
        raise NotFound("There is no such token.", code="unknown-token")
    return token


def usable(owner: User, now: datetime | None = None) -> QuerySet[ApiToken]:
    """Those of somebody that are neither revoked nor expired."""
    alive = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
    return owner.tokens.filter(alive, revoked_at=None)


def enter(text: str, address: str) -> Actor:
    """Who acts by the token written like that, from `address`; its use is noted, to the minute. Raises TokenRefused
    saying what is wrong with it. Two queries, seldom three."""
    found = _TEXT.fullmatch(text.strip())
    token = ApiToken.objects.select_related("user").filter(prefix=found[1]).first() if found else None
    if found is None or token is None or not hmac.compare_digest(token.digest, _digest(found[2])):
        which = f"token {found[1]} with that secret" if found else "such token"  # (the log says whose it was)
        raise TokenRefused(f"There is no {which}; copy it whole, from np_ on, or make a new one.")
    actor = actor_by_token(token, address)
    now = timezone.now()
    if token.used_at is None or token.used_from != address or abs(now - token.used_at) > USED_SECONDS:
        ApiToken.objects.filter(pk=token.pk).update(used_at=now, used_from=address)
    return actor


def said(token: ApiToken) -> dict[str, object]:
    """A token's limits for the record."""
    return {
        "scopes": token.scopes,
        "resources": token.resources,
        "addresses": token.addresses,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }


# ---- Machines ----------------------------------------------------------------------------------------------------


def add_machine(actor: Actor, name: str) -> User:
    """A machine: it has no password and never signs in; give it rights, then a token. Raises NotPermitted, BadRequest
    for a name that cannot be."""
    _refuse_tokens(actor)
    roles.require(actor, "people.edit", "portal")
    machine = User(username=name.strip(), role="", kind=Kind.MACHINE)
    machine.set_unusable_password()
    try:
        machine.full_clean(exclude=["password", "role"])
    except ValidationError as problem:
        raise BadRequest(problem.messages[0], code="bad-name") from problem
    with transaction.atomic():
        keep_new(machine)
        audit.record("machine.add", actor=actor, target=target_of(machine))
    return machine


# ---- What is asked for -------------------------------------------------------------------------------------------


def _refuse_tokens(actor: Actor) -> None:
    if actor.credential == "token":
        raise NotPermitted("A token makes no tokens or machines; sign in at the portal's page.", code="person-needed")


def _checked(wish: Wish, actor: Actor) -> dict[str, object]:
    """The wish as columns. Raises BadRequest, also for places that `actor` may not see."""
    name = " ".join(wish.name.split())
    if not 0 < len(name) <= 60 or not name.isprintable():
        raise BadRequest("Give the token a name of up to 60 letters, so that you know it again.", code="bad-name")
    unknown = [scope for scope in wish.scopes if scope not in SCOPES]
    if unknown or not wish.scopes:
        known = ", ".join(SCOPES)
        raise BadRequest(f"Choose what the token is for: {known}; there is no {unknown}.", code="unknown-scope")
    if not wish.resources:
        raise BadRequest("Choose where the token may be used: everything, a board or a slot.", code="no-resource")
    now = timezone.now()
    if wish.expires_at is not None and not now < wish.expires_at <= now + LONGEST:
        raise BadRequest("Let the token end at a time to come, within ten years.", code="bad-end")
    return {
        "name": name,
        "scopes": sorted(set(wish.scopes)),
        "resources": sorted({places.scope_of(resource, actor) for resource in wish.resources}),
        "addresses": _networks(wish.addresses),
        "expires_at": wish.expires_at,
    }


def _networks(addresses: Sequence[str]) -> list[str]:
    return sorted({_network(text.strip()) for text in addresses if text.strip()})


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError as problem:
        said = f"{text!r} is none: write an address or a network, as 10.0.0.0/24."
        raise BadRequest(said, code="bad-address") from problem


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
