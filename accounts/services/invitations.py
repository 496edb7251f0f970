"""One-time links by which people choose a password: those who are invited, and those who lost theirs.

The link is shown once; only its digest is kept. It ends by the wall clock: on a controller that wakes in the past it
lives a little longer, and making a new one ends it at any time.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.actors import actor_for
from accounts.models import Invitation, Kind, User
from accounts.services import rights
from accounts.services.people import as_now, keep_new, role_of, target_of
from operations import audit
from operations.refusals import BadRequest, Expired, NotFound
from operations.rights import Grant
from operations.roles import Actor

LIFE = timedelta(days=3)
SECRET_BYTES = 32


def invite(actor: Actor, name: str, role: str = "", grants: Iterable[Grant] = ()) -> tuple[User, str]:
    """Add somebody who chooses their password by a link; returns them and the link's secret. The name was validated by
    the form or door that asks. Raises as `rights.give`, and Conflict for a name that somebody was given meanwhile."""
    person = User(username=name, role=role_of(role, may_be_none=True))
    person.set_unusable_password()
    with transaction.atomic():
        keep_new(person)
        audit.record("person.invite", actor=actor, target=target_of(person), detail={"role": role})
        for grant in grants:
            rights.give(actor, person, grant.role, grant.scope, until=grant.until, console=grant.console)
        return person, _make(actor, person)


def renew(actor: Actor, person: User) -> str:
    """A new link for somebody, in place of any earlier one; returns its secret. Their password holds until the link is
    used. Raises BadRequest for a machine."""
    if person.kind == Kind.MACHINE:
        raise BadRequest(f"{person.username} is a machine and has no password; make a token for it.", code="machine")
    with transaction.atomic():
        secret = _make(actor, as_now(person))
        audit.record("person.link", actor=actor, target=target_of(person))
    return secret


def _make(actor: Actor, person: User) -> str:
    secret, now = secrets.token_urlsafe(SECRET_BYTES), timezone.now()
    fields = {"digest": digest(secret), "made_by": actor.name, "made_at": now, "expires_at": now + LIFE}
    Invitation.objects.update_or_create(user=person, defaults=fields)
    return secret


def check(secret: str) -> Invitation:
    """The link with that secret. Raises NotFound for one that was used, replaced or never made, Expired for a late
    one."""
    found = Invitation.objects.select_related("user").filter(digest=digest(secret), user__is_active=True).first()
    if found is None:
        raise NotFound(
            "This link was used already or replaced by a newer one; ask an administrator for a new one.",
            code="link-unknown",
        )
    if found.expires_at <= timezone.now():
        raise Expired("This link has expired; ask an administrator for a new one.", code="link-expired")
    return found


def redeem(secret: str, password: str, address: str = "") -> User:
    """Set the password of whom the link is for, once: of two at the same moment one gets NotFound. All their sessions
    end. The password was validated by the form. Raises as `check`. Blocks for the hashing of the password."""
    person = check(secret).user
    person.set_password(password)
    with transaction.atomic():
        check(secret)
        used, _ = Invitation.objects.filter(digest=digest(secret)).delete()
        if not used:
            check(secret)
        person.save(update_fields=["password"])
        actor = actor_for(person, source="setup", credential="link", address=address)
        audit.record("person.join", actor=actor, target=target_of(person))
    return person


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
