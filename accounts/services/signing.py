"""Signing in and out, and what failed; each on record."""

from django.contrib.auth import login, logout
from django.db import transaction
from django.http import HttpRequest

from accounts.actors import actor_for, address_of
from accounts.models import User
from operations import audit
from operations.http import record_refusal
from operations.refusals import NotPermitted
from operations.roles import Actor


def sign_in(request: HttpRequest, person: User) -> None:
    """Begin a session for somebody whose password was just checked."""
    with transaction.atomic():
        login(request, person, backend="django.contrib.auth.backends.ModelBackend")
        audit.record("sign-in", actor=actor_for(request), target="portal")


def sign_out(request: HttpRequest) -> None:
    """End the session. Nothing happens for somebody who is signed out already."""
    actor = actor_for(request)
    if actor.user_id is None:
        return
    with transaction.atomic():
        logout(request)
        audit.record("sign-out", actor=actor, target="portal")


def note_failed_sign_in(request: HttpRequest, name: str) -> None:
    """Put a failed sign-in on record. A name that nobody has is not written down: it may be a password in the wrong
    field."""
    person = User.objects.filter(username__iexact=name).first()
    actor = Actor(name=person.username if person else "an unknown name", address=address_of(request))
    why = "switched-off" if person and not person.is_active else "wrong-password" if person else "unknown-name"
    record_refusal(NotPermitted("Name or password is wrong.", code=why), actor, "sign-in", "portal")
