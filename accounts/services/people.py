"""What can be done with people: add, change, switch off; each act on record."""

from django.db import transaction

from accounts import access
from accounts.models import Role, User
from operations import audit
from operations.refusals import BadRequest, Conflict
from operations.roles import Actor


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
