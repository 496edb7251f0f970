"""Groups of people that are given rights together; each act on record."""

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from accounts.services import rights
from accounts.services.people import deciding
from operations import audit
from operations.refusals import BadRequest, Conflict
from operations.roles import Actor

LONGEST = 60  # letters of a name


def add(actor: Actor, name: str) -> Group:
    """A new group, of nobody. Raises BadRequest for no name or a long one, Conflict for a name that is taken."""
    name = _clean(name)
    with transaction.atomic():
        group = Group.objects.create(name=name)
        audit.record("group.add", actor=actor, target=rights.target_of(group))
    return group


def rename(actor: Actor, group: Group, name: str) -> None:
    """Another name for the same group. Raises as `add`."""
    before = group.name
    if name.strip() == before:
        return
    group.name = _clean(name, besides=group)
    with transaction.atomic():
        rights.still_there(group)
        group.save(update_fields=["name"])
        old, new = {"name": before}, {"name": group.name}
        audit.record("group.rename", actor=actor, target=rights.target_of(group), before=old, after=new)


def _clean(name: str, besides: Group | None = None) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise BadRequest(f"A group needs a name of 1 to {LONGEST} letters.", code="group-name")
    others = Group.objects.all() if besides is None else Group.objects.exclude(pk=besides.pk)
    if others.filter(name__iexact=name).exists():
        raise Conflict(f"There is a group {name} already; choose another name.", code="group-exists")
    return name


def set_members(actor: Actor, group: Group, people: list[User]) -> None:
    """Exactly these people from now on. Raises Conflict if it takes the last administrator out."""
    with deciding(rights.name_of(group)):
        rights.still_there(group)
        before = sorted(group.user_set.values_list("username", flat=True))
        after = sorted(person.username for person in people)
        if before == after:
            return
        group.user_set.set(people)
        old, new = {"members": before}, {"members": after}
        audit.record("group.members", actor=actor, target=rights.target_of(group), before=old, after=new)


def remove(actor: Actor, group: Group) -> None:
    """Take a group away with the rights that it gave. Raises Conflict if the last administrator was one by it."""
    with deciding(rights.name_of(group)):
        rights.still_there(group)
        members = sorted(group.user_set.values_list("username", flat=True))
        before = {"members": members, "rights": [rights.words(row) for row in group.grants.all()]}
        Group.objects.filter(pk=group.pk).delete()  # (the instance keeps its key, should this be undone)
        audit.record("group.remove", actor=actor, target=rights.target_of(group), before=before)
