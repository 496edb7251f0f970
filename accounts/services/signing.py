"""Signing in, in one step or two, and out; what failed; each on record."""

import secrets
from datetime import timedelta

from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.actors import actor_for, address_of
from accounts.models import Kind, User
from accounts.services import sessions
from operations import audit
from operations.http import record_refusal
from operations.refusals import NotPermitted, Refused
from operations.roles import Actor

# A browser in which somebody has signed in: what strangers try does not make it wait (`throttling`).
DEVICE_COOKIE = "known_device"
DEVICE_AGE = timedelta(days=180)
# Somebody whose password was right and whose second step is still to come.
HALF = "half_signed_in"
HALF_SECONDS = 300
LONGEST_NAME = User._meta.get_field("username").max_length or 0


def sign_in(request: HttpRequest, person: User, means: str = "password") -> None:
    """Begin a session, under a new key, for somebody who has just shown who they are; `means` says how."""
    request.sign_in_means = means  # type: ignore[attr-defined]  # read when the session notes its beginning
    request.session.pop(HALF, None)
    request.session.set_expiry(None)  # one that was anonymous until now was to end soon
    with transaction.atomic():
        login(request, person, backend="django.contrib.auth.backends.ModelBackend")
        audit.record("sign-in", actor=actor_for(request), target="portal", detail={"by": means})
    sessions.tidy()


def sign_out(request: HttpRequest) -> None:
    """End the session. Nothing happens for somebody who is signed out already."""
    actor = actor_for(request)
    if actor.user_id is None:
        return
    with transaction.atomic():
        logout(request)
        audit.record("sign-out", actor=actor, target="portal")


# ---- Between password and second step ----------------------------------------------------------------------------


def half_sign_in(request: HttpRequest, person: User) -> None:
    """Remember for 5 minutes, in a session of nobody, whose password was right."""
    began = {"user": person.pk, "hash": person.get_session_auth_hash(), "at": int(timezone.now().timestamp())}
    request.session[HALF] = began
    end_soon(request, HALF_SECONDS)


def half_signed_in(request: HttpRequest) -> User | None:
    """Who is between password and second step here: None after 5 minutes, a new password, or being switched off."""
    began = request.session.get(HALF)
    if not began or not 0 <= timezone.now().timestamp() - began["at"] < HALF_SECONDS:
        return None
    person = User.objects.filter(pk=began["user"], is_active=True, kind=Kind.PERSON).first()
    return person if person and person.get_session_auth_hash() == began["hash"] else None


def end_soon(request: HttpRequest, seconds: int) -> None:
    """Let a session that belongs to nobody yet run out, and remove those that did: strangers do not fill the table."""
    if not request.user.is_authenticated:
        request.session.set_expiry(seconds)
    sessions.tidy()


# ---- Who is said to be there -------------------------------------------------------------------------------------


def typed_name(request: HttpRequest) -> str:
    """The name that a sign-in form says, as it is looked up: without space around it and in one spelling, so that
    tries at one account are not counted as tries at several. Empty for one that no account can have."""
    name = request.POST.get("username", "").strip()
    is_possible = "\0" not in name and len(name) <= LONGEST_NAME
    return User.normalize_username(name) if is_possible else ""


# ---- Browsers that are known -------------------------------------------------------------------------------------


def device_cookie(person: User | AnonymousUser, present: str = "") -> str:
    """What a browser keeps in which `person` has signed in; a cookie of theirs that it has already stays."""
    return present if _device_in(present, person) else signing.dumps([person.pk, secrets.token_hex(8)], salt="device")


def device_of(request: HttpRequest, name: str) -> str:
    """The id of this browser if the person of that name has signed in here before; else empty. One query at most."""
    cookie = request.COOKIES.get(DEVICE_COOKIE, "")
    if not cookie or not name:
        return ""
    person = User.objects.filter(username__iexact=name).first()
    return _device_in(cookie, person) if person else ""


def _device_in(cookie: str, person: User | AnonymousUser) -> str:
    try:
        user_id, device = signing.loads(cookie, salt="device", max_age=DEVICE_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(device) if user_id == person.pk else ""


# ---- What failed -------------------------------------------------------------------------------------------------


def note_failed_sign_in(request: HttpRequest, name: str, refusal: Refused | None = None) -> None:
    """Put a failed sign-in on record. A name that nobody has is not written down: it may be a password in the wrong
    field."""
    person = User.objects.filter(username__iexact=name).first() if name else None
    actor = Actor(name=person.username if person else "an unknown name", address=address_of(request))
    if refusal is None:
        why = "switched-off" if person and not person.is_active else "wrong-password" if person else "unknown-name"
        refusal = NotPermitted("Name or password is wrong.", code=why)
    record_refusal(refusal, actor, "sign-in", "portal")
