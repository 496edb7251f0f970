"""From a request or a person to the `Actor` that services, claims and the audit log speak of."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest

from accounts.models import RightGrant, Role, User
from operations.rights import Grant
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


def address_of(request: HttpRequest) -> str:
    """Where the request came from; empty over a unix socket."""
    return str(request.META.get("REMOTE_ADDR") or "")
