"""From a request or a person to the `Actor` that services, claims and the audit log speak of."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from accounts.models import User
from operations.roles import Actor


def actor_for(who: HttpRequest | User | AnonymousUser, **more: Any) -> Actor:
    """The actor of a web request (with session and address) or of a person alone; an anonymous one has no role.

    `more` overrides single fields, for instance `source="api", credential="token"`. Does not block.
    """
    request = who if isinstance(who, HttpRequest) else None
    user = request.user if request is not None else who
    known = isinstance(user, User) and user.is_active
    fields: dict[str, Any] = {
        "name": user.username if known else "",
        "role": user.role if known else "",
        "user_id": user.pk if known else None,
        "address": address_of(request) if request is not None else "",
        "credential": "session" if known and request is not None else "none",
    }
    return Actor(**{**fields, **more})


def address_of(request: HttpRequest) -> str:
    """Where the request came from; empty over a unix socket."""
    return str(request.META.get("REMOTE_ADDR") or "")
