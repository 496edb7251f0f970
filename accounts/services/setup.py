"""The first start: the one-time link by which the first administrator comes in."""

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

from django.db import transaction
from django.utils import timezone

from accounts import access
from accounts.actors import actor_for
from accounts.models import Role, User
from accounts.services.people import administrators
from operations import audit
from operations.refusals import Conflict, Expired, NotFound

SETUP_SECONDS = 3600.0
TOKEN_BYTES = 32
TOKEN_LENGTH = len(secrets.token_urlsafe(TOKEN_BYTES))

Monotonic = Callable[[], float]


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
    return administrators().exists()


def make_setup_token(data_dir: Path, monotonic: Monotonic = time.monotonic) -> str | None:
    """A new set-up token, valid for 60 minutes in place of any earlier one; None once an administrator exists.

    Writes `DATA/setup.token` (mode 0600), and into the audit log that it was made. Raises OSError if the file cannot be
    written.
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
    with transaction.atomic():
        audit.record("setup.link", actor=audit.os_actor(), target="portal")
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
