"""From a request or a person to the `Actor` that services, claims and the audit log speak of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import ApiToken, RightGrant, Role, User
from operations.refusals import TokenRefused
from operations.rights import Grant, Limits
from operations.roles import Actor


def actor_for(who: HttpRequest | User | AnonymousUser, **more: Any) -> Actor:
    """The actor of a web request (with session and address) or of a person alone; an anonymous one has no role.

    `more` overrides single fields, for instance `source="api", credential="token"`. One query for what the person and
    their groups were granted, none for an administrator.
    """
    fields: dict[str, Any] = {"name": ""}
    user = who.user if isinstance(who, HttpRequest) else who
    if isinstance(user, User) and user.is_active:
        fields |= {
            "name": user.username,
            "role": user.role,
            "user_id": user.pk,
            "grants": grants_of(user.pk, user.role),
        }
    if isinstance(who, HttpRequest):
        fields |= {"address": address_of(who), "credential": "session" if fields["name"] else "none"}
    return Actor(**fields | more)


def actor_now(actor: Actor) -> Actor:
    """The same actor with the rights that the person has now: none if they are switched off or gone. Two queries; one
    for an administrator."""
    if actor.user_id is None:
        return actor
    if actor.credential == "token":
        return _token_now(actor)
    role = User.objects.filter(pk=actor.user_id, is_active=True).values_list("role", flat=True).first()
    return replace(actor, role=role or "", grants=() if role is None else grants_of(actor.user_id, role))


def grants_of(user_id: int, role: str = "") -> tuple[Grant, ...]:
    """What a person was granted beside their role everywhere, and their groups; one query. An administrator needs no
    more, so nothing is asked for one."""
    if role == Role.ADMINISTRATOR:
        return ()
    rows = RightGrant.objects.filter(Q(user=user_id) | Q(group__user=user_id))
    fields = rows.values_list("role", "scope", "until", "console").order_by("scope", "role", "pk").distinct()
    return tuple(Grant(*row) for row in fields)


def actor_by_token(token: ApiToken, address: str) -> Actor:
    """Who acts by this token from `address`, within its limits. One query. Raises TokenRefused if it may not be used,
    or not from there."""
    why = _why_not(token, address, timezone.now())
    if why:
        raise TokenRefused(why, token=str(token))
    return Actor(
        name=token.user.username,
        role=token.user.role,
        user_id=token.user_id,
        source="api",
        credential="token",
        address=address,
        grants=grants_of(token.user_id, token.user.role),
        limits=Limits(frozenset(token.scopes), tuple(token.resources), token.expires_at),
        token=str(token),
    )


def _token_now(actor: Actor) -> Actor:
    """No rights at all once the token is revoked, has expired or is gone, perhaps with its owner."""
    prefix = actor.token.partition(" ")[0]
    token = ApiToken.objects.select_related("user").filter(prefix=prefix, user=actor.user_id).first()
    try:
        if token is None:
            raise TokenRefused(f"The token {prefix} is none any more.")
        return replace(actor_by_token(token, actor.address), source=actor.source)
    except TokenRefused as refusal:
        return replace(actor, role="", grants=(), limits=Limits(frozenset(), ended=refusal.message))


def _why_not(token: ApiToken, address: str, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"The token {token.prefix} was revoked by {token.revoked_by}; make a new one."
    if token.expires_at is not None and token.expires_at <= now:
        return f"The token {token.prefix} expired {token.expires_at:%Y-%m-%d %H:%M} UTC; make a new one."
    if not token.user.is_active:
        return f"The token {token.prefix} belongs to {token.user.username}, who is switched off."
    if token.addresses and not _lies_in(address, token.addresses):
        return f"The token {token.prefix} may not be used from {address or 'there'}."
    return ""


def _lies_in(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:  # a unix socket has none
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in ip_network(network) for network in networks)


def address_of(request: HttpRequest) -> str:
    """Where the request came from; empty over a unix socket."""
    return str(request.META.get("REMOTE_ADDR") or "")
