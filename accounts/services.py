"""What can be done with people: set up the first administrator, add, change, switch off; each act on record."""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth import login, logout
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import access
from accounts.actors import actor_for, address_of
from accounts.models import Role, User
from operations import audit
from operations.http import record_refusal
from operations.refusals import BadRequest, Conflict, Expired, NotFound, NotPermitted
from operations.roles import Actor

SETUP_SECONDS = 3600.0
TOKEN_BYTES = 32
TOKEN_LENGTH = len(secrets.token_urlsafe(TOKEN_BYTES))

Monotonic = Callable[[], float]


# ---- The first administrator -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetupToken:
    """What the data directory remembers of the set-up link: never the link itself.

    `expires_at` is on the monotonic clock of boot `boot`: a controller without a battery wakes in the past and jumps
    by years when it finds the network's time, which must neither end nor prolong the link.
    """

    sha256: str
    expires_at: float
    boot: str


def administrator_exists() -> bool:
    """Whether set-up is over. Somebody switched off does not count: nobody could sign in as them."""
    return User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exists()


def make_setup_token(data_dir: Path, monotonic: Monotonic = time.monotonic) -> str | None:
    """A new set-up token, valid for 60 minutes in place of any earlier one; None once an administrator exists.

    Writes `DATA/setup.token` (mode 0600). Raises OSError if that cannot be written.
    """
    path = token_file(data_dir)
    if administrator_exists():
        path.unlink(missing_ok=True)
        return None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    kept = {"sha256": digest(token), "expires_at": monotonic() + SETUP_SECONDS, "boot": boot_id()}
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        json.dump(kept, stream)
    fresh.replace(path)
    return token


def check_setup_token(data_dir: Path, token: str, monotonic: Monotonic = time.monotonic) -> datetime:
    """When this link stops working. Raises NotFound (incomplete, or not the last one printed), Expired, or Conflict
    (an administrator exists)."""
    if administrator_exists():
        raise Conflict("An administrator exists already, so set-up is over; sign in instead.", code="setup-link-used")
    if len(token) != TOKEN_LENGTH:
        raise NotFound(
            "This set-up link is incomplete; copy the whole address that the portal printed.",
            code="setup-link-incomplete",
        )
    kept = read_setup_token(data_dir)
    if kept is None or not hmac.compare_digest(kept.sha256, digest(token)):
        raise NotFound(
            "This is not the set-up link of the last start; use the one that the portal printed last.",
            code="setup-link-unknown",
        )
    left = kept.expires_at - monotonic()
    if left <= 0 or kept.boot != boot_id():
        raise Expired(
            "This set-up link has expired; start the portal again and it prints a new one.", code="setup-link-expired"
        )
    return timezone.now() + timedelta(seconds=left)


def redeem(
    data_dir: Path, token: str, name: str, password: str, address: str = "", monotonic: Monotonic = time.monotonic
) -> User:
    """Make the first administrator, once: of two who redeem at the same moment, one gets Conflict. Raises like
    `check_setup_token`. Blocks for the hashing of the password."""
    check_setup_token(data_dir, token, monotonic)
    person = User(username=name, role=Role.ADMINISTRATOR)
    person.set_password(password)
    with transaction.atomic():
        access.bump()  # from here to the commit nobody else decides about administrators
        check_setup_token(data_dir, token, monotonic)
        person.save()
        actor = actor_for(person, source="setup", credential="setup-link", address=address)
        audit.record("setup", actor=actor, target="portal", detail={"administrator": name})
    token_file(data_dir).unlink(missing_ok=True)
    return person


def token_file(data_dir: Path) -> Path:
    return data_dir / "setup.token"


def read_setup_token(data_dir: Path) -> SetupToken | None:
    """What `make_setup_token` wrote; None if there is nothing or nothing readable."""
    try:
        return SetupToken(**json.loads(token_file(data_dir).read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def boot_id() -> str:
    """The kernel's name for this boot; empty where there is no Linux."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


# ---- Signing in and out ------------------------------------------------------------------------------------------


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


# ---- People ------------------------------------------------------------------------------------------------------


def add_person(actor: Actor, name: str, role: str, password: str) -> User:
    """Add somebody. The name and password were validated by the form or command that asks."""
    person = User(username=name, role=role_of(role))
    person.set_password(password)
    with transaction.atomic():
        person.save()
        audit.record("person.add", actor=actor, target=f"person:{name}", detail={"role": role})
    return person


def change_role(actor: Actor, person: User, role: str) -> None:
    """Give somebody another role. Raises Conflict for the last administrator."""
    with transaction.atomic():
        person = locked(person)
        before = person.role
        if before == role_of(role):
            return
        keep_an_administrator(person)
        person.role = role
        person.save(update_fields=["role"])
        audit.record(
            "person.role", actor=actor, target=f"person:{person.username}", detail={"before": before, "after": role}
        )


def switch_off(actor: Actor, person: User) -> None:
    """End somebody's access; their history stays. Raises Conflict for the last administrator."""
    with transaction.atomic():
        person = locked(person)
        if not person.is_active:
            return
        keep_an_administrator(person)
        person.is_active = False
        person.save(update_fields=["is_active"])
        audit.record("person.switch-off", actor=actor, target=f"person:{person.username}")


def switch_on(actor: Actor, person: User) -> None:
    """Let somebody in again, with the role and password they had."""
    with transaction.atomic():
        person = locked(person)
        if person.is_active:
            return
        person.is_active = True
        person.save(update_fields=["is_active"])
        audit.record("person.switch-on", actor=actor, target=f"person:{person.username}")


def set_password(actor: Actor, person: User, password: str) -> None:
    """Give somebody (or oneself) a new password; all their sessions end, except the one that the caller renews."""
    person.set_password(password)
    with transaction.atomic():
        person.save(update_fields=["password"])
        audit.record("person.password", actor=actor, target=f"person:{person.username}")


def locked(person: User) -> User:
    """The person as they are now, while nobody else decides about administrators (until the commit)."""
    access.bump()
    return User.objects.get(pk=person.pk)


def keep_an_administrator(person: User) -> None:
    """Raise Conflict if nobody but `person` could administer the portal."""
    others = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exclude(pk=person.pk)
    if person.is_administrator and not others.exists():
        raise Conflict(
            f"{person.username} is the last administrator; make somebody else administrator first.",
            code="last-administrator",
        )


def role_of(word: str) -> str:
    """The role of that name. Raises BadRequest, naming the roles there are."""
    if word not in Role.values:
        raise BadRequest(f"There is no role {word}; the roles are {', '.join(Role.values)}.", code="unknown-role")
    return word
