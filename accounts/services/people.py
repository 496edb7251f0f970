"""What can be done with people: add, change, switch off, remove; each act on record. Somebody can always administer."""

import contextlib
from collections.abc import Iterator

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts import access
from accounts.models import Kind, RightGrant, Role, User
from operations import audit
from operations.refusals import BadRequest, Conflict, NotFound
from operations.rights import EVERYWHERE
from operations.roles import Actor

LET_IN, KEPT_OUT = {"may sign in": True}, {"may sign in": False}


def add_person(actor: Actor, name: str, role: str, password: str) -> User:
    """Add somebody. The name and password were validated by the form or command that asks. Raises Conflict for a name
    that somebody was given meanwhile."""
    person = User(username=name, role=role_of(role, may_be_none=True))
    person.set_password(password)
    with transaction.atomic():
        keep_new(person)
        audit.record("person.add", actor=actor, target=target_of(person), detail={"role": role})
    return person


def keep_new(person: User) -> None:
    """Save somebody for the first time. Raises Conflict if another request has given the name away at this moment."""
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(
            f"Somebody is called {person.username} already; choose another name.", code="name-taken"
        ) from error


def as_now(person: User) -> User:
    """The same person as they are now. Raises NotFound for somebody who was removed meanwhile."""
    found = User.objects.filter(pk=person.pk).first()
    if found is None:
        raise NotFound(f"Nothing was changed: {person.username} was removed meanwhile.", code="removed-meanwhile")
    return found


def change_role(actor: Actor, person: User, role: str) -> None:
    """Make somebody something else everywhere; "" leaves them what they and their groups were granted. Raises
    Conflict for the last administrator."""
    with deciding(person.username):
        person = as_now(person)
        before = person.role
        if before == role_of(role, may_be_none=True):
            return
        person.role = role
        person.save(update_fields=["role"])
        old, new = {"role": before}, {"role": role}
        audit.record("person.role", actor=actor, target=target_of(person), before=old, after=new)


def switch_off(actor: Actor, person: User) -> None:
    """End somebody's access; their history stays. Raises Conflict for the last administrator."""
    with deciding(person.username):
        person = as_now(person)
        if not person.is_active:
            return
        person.is_active = False
        person.save(update_fields=["is_active"])
        audit.record("person.switch-off", actor=actor, target=target_of(person), before=LET_IN, after=KEPT_OUT)


def switch_on(actor: Actor, person: User) -> None:
    """Let somebody in again, with the role and password they had."""
    with deciding(person.username):
        person = as_now(person)
        if person.is_active:
            return
        person.is_active = True
        person.save(update_fields=["is_active"])
        audit.record("person.switch-on", actor=actor, target=target_of(person), before=KEPT_OUT, after=LET_IN)


def remove(actor: Actor, person: User) -> None:
    """Delete an account with its rights, sessions and tokens; their history stays under their name. Raises Conflict
    for the last administrator."""
    with deciding(person.username):
        person = as_now(person)
        before = {"role": person.role, "grants": [str(grant) for grant in person.grants.all()]}
        User.objects.filter(pk=person.pk).delete()  # (the instance keeps its key, should this be undone)
        audit.record("person.remove", actor=actor, target=target_of(person), before=before)


def set_password(actor: Actor, person: User, password: str) -> None:
    """Give somebody (or oneself) a new password; all their sessions end, except the one that the caller renews."""
    person.set_password(password)
    with transaction.atomic():
        as_now(person)
        person.save(update_fields=["password"])
        audit.record("person.password", actor=actor, target=target_of(person))


def target_of(person: User) -> str:
    """The name under which acts on a person are on record."""
    return f"person:{person.username}"


# ---- The last administrator --------------------------------------------------------------------------------------


def administrators() -> QuerySet[User]:
    """Who can sign in and administer everything, with no end in sight: by their role, or by a grant to them or a group
    of theirs."""
    lasting = RightGrant.objects.filter(role=Role.ADMINISTRATOR, scope=EVERYWHERE, until=None)
    granted = Q(pk__in=lasting.values("user")) | Q(groups__in=lasting.values("group"))
    active = User.objects.filter(is_active=True, kind=Kind.PERSON)
    with_password = active.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)  # not those who are only invited
    return with_password.filter(Q(role=Role.ADMINISTRATOR) | granted).distinct()


@contextlib.contextmanager
def deciding(name: str) -> Iterator[None]:
    """A transaction in which nobody else decides about people and their rights. Raises Conflict, and undoes all that
    was done in it to `name`, if it leaves nobody who could administer the portal."""
    with transaction.atomic():
        access.bump()
        had_one = administrators().exists()
        yield
        if had_one and not administrators().exists():
            raise Conflict(
                f"{name} is the last administrator; make somebody else administrator first.", code="last-administrator"
            )


def role_of(word: str, *, may_be_none: bool = False) -> str:
    """The role of that name. Raises BadRequest, naming the roles there are."""
    if word not in Role.values and not (may_be_none and not word):
        raise BadRequest(f"There is no role {word}; the roles are {', '.join(Role.values)}.", code="unknown-role")
    return word
