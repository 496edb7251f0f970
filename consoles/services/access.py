"""The least role that a console asks for, for reading it and for typing on it."""

from consoles.services.history import resource
from operations import restrictions
from operations.models import Restriction
from operations.rights import roles_with
from operations.roles import Actor
from slots.models import Slot

READ, WRITE = "console.read", "console.write"
USUAL = {action: roles_with(action)[0] for action in (READ, WRITE)}  # where nothing is written down


def least_roles(slot: Slot) -> dict[str, str]:
    """What `slot`'s console asks for now: {"read": role, "write": role}. One query."""
    name = resource(slot.board.slug, slot.number)
    asked = {row.action: row.least_role for row in Restriction.objects.filter(resource=name)}
    return {"read": asked.get(READ, USUAL[READ]), "write": asked.get(WRITE, USUAL[WRITE])}


def let(slot: Slot, actor: Actor, *, read: str, write: str) -> None:
    """Let the console ask for these roles; what is so already stays untouched. Raises `BadRequest` for a role that may
    not do it anyhow. Whether `actor` may decide that is the door's to ask."""
    now = least_roles(slot)
    for name, action, role in (("read", READ, read), ("write", WRITE, write)):
        if role != now[name]:
            least = role if role != USUAL[action] else None
            restrictions.restrict(resource(slot.board.slug, slot.number), action, least, actor)
