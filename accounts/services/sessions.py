"""Where somebody is signed in, and ending that. A session's key is a secret: people are shown a fingerprint of it."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import Session, User
from operations import audit
from operations.refusals import NotFound
from operations.roles import Actor
from operations.sealing import fingerprint

# The first that fits, since browsers name each other.
BROWSERS = (
    ("Edge", "Edg/"),
    ("Opera", "OPR/"),
    ("Firefox", "Firefox/"),
    ("Chromium", "Chrome/"),
    ("Safari", "Safari/"),
    ("curl", "curl/"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Mac OS X"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class SignedIn:
    """One session as people see it."""

    id: str  # 16 hex digits, of no use to sign in
    user_id: int
    name: str
    means: str
    address: str
    agent: str
    browser: str  # "Firefox on Linux"
    began_at: datetime | None
    seen_at: datetime | None
    expires_at: datetime
    is_this: bool


def sessions_of(person: User, this_key: str | None = None) -> list[SignedIn]:
    """Where somebody is signed in now, the last seen first; `this_key` is the key of the session that asks."""
    return [shown(row, this_key) for row in _open(person)]


def all_sessions(this_key: str | None = None) -> list[SignedIn]:
    """Everybody's sessions, the last seen first. For administrators."""
    return [shown(row, this_key) for row in _open()]


def end(actor: Actor, person: User, public_id: str) -> None:
    """End one session of somebody; its open sockets close within 3 s. Raises NotFound if it has ended already."""
    with transaction.atomic():
        row = next((row for row in _open(person) if id_of(row.session_key) == public_id), None)
        if row is None:
            raise NotFound("There is no such session; it may have ended already.", code="no-such-session")
        row.delete()
        detail = {"address": row.address, "browser": browser_of(row.agent), "began_at": _text(row.began_at)}
        audit.record("session.end", actor=actor, target=f"person:{person.username}", detail=detail)


def end_all(actor: Actor, person: User, except_key: str | None = None) -> int:
    """End somebody's sessions but for the one that asks, and say how many. One entry, if there were any."""
    with transaction.atomic():
        rows = [row for row in _open(person) if row.session_key != except_key]
        for row in rows:
            row.delete()  # one by one: each says so by signal, and its sockets close
        if rows:
            detail = {"ended": len(rows)}
            audit.record("session.end-all", actor=actor, target=f"person:{person.username}", detail=detail)
    return len(rows)


def tidy() -> None:
    """Remove the rows of sessions that ran out; sockets that they opened close, as at any end of a session."""
    Session.objects.filter(expire_date__lte=timezone.now()).delete()


def id_of(session_key: str) -> str:
    """The name by which a session is spoken of."""
    return fingerprint(session_key, "session")[:16]


def browser_of(agent: str) -> str:
    """A user agent in a few words, as far as it says."""
    browser = next((name for name, mark in BROWSERS if mark in agent), "")
    system = next((name for name, mark in SYSTEMS if mark in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or (re.sub(r"[^ -~]", "?", agent)[:40] if agent else "not said")


def shown(row: Session, this_key: str | None) -> SignedIn:
    """The row as `SignedIn`."""
    assert row.user is not None
    return SignedIn(
        id=id_of(row.session_key),
        user_id=row.user.pk,
        name=row.user.username,
        means=row.means,
        address=row.address,
        agent=row.agent,
        browser=browser_of(row.agent),
        began_at=row.began_at,
        seen_at=row.seen_at,
        expires_at=row.expire_date,
        is_this=row.session_key == this_key,
    )


def _open(person: User | None = None) -> list[Session]:
    rows = Session.objects.filter(user__isnull=False, expire_date__gt=timezone.now()).select_related("user")
    return list((rows.filter(user=person) if person else rows).order_by("-seen_at", "session_key"))


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
