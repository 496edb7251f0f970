"""Who may do what: `may(actor, action, resource)`, called by every door.

A person has one role for everything; a console may ask for more than the usual one (`operations.restrictions`).
Rights per slot will change the body of `may`, not its callers.
"""

from dataclasses import dataclass

from operations.models import Restriction
from operations.refusals import NotPermitted

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"

# action -> the least role that may do it
LEAST_ROLE = {
    "view": VIEWER,
    "audit.view": VIEWER,
    "console.read": VIEWER,
    "console.write": OPERATOR,
    "console.edit": ADMINISTRATOR,
    "image.view": VIEWER,
    "image.upload": OPERATOR,
    "image.edit": OPERATOR,  # name, notes, fit; retire and bring back
    "image.delete": ADMINISTRATOR,
    "flash": OPERATOR,
    "flash.unverified": ADMINISTRATOR,
    "profile.view": VIEWER,
    "profile.edit": OPERATOR,
    "power": OPERATOR,
    "slot.mark": OPERATOR,
    "slot.edit": OPERATOR,
    "board.edit": ADMINISTRATOR,
    "switch.view": VIEWER,
    "switch.edit": OPERATOR,
    "switch.scan": OPERATOR,
    "switch.commit": OPERATOR,
    "switch.override": ADMINISTRATOR,
    "switch.reset": ADMINISTRATOR,
    "controller.restart": ADMINISTRATOR,
    "audit.verify": ADMINISTRATOR,
    "people.edit": ADMINISTRATOR,
}
RANK = {VIEWER: 1, OPERATOR: 2, ADMINISTRATOR: 3}
# What may be restricted per resource: reading a console and typing on it are two different rights.
RESTRICTABLE = frozenset({"console.read", "console.write"})


@dataclass(frozen=True)
class Actor:
    """A person or the portal itself, and the door they came through. Names are kept as text in history."""

    name: str
    role: str = ""
    user_id: int | None = None
    source: str = "web"  # web, api, worker, supervisor, cli, setup
    credential: str = "none"  # session, token, os-user, setup-link, none
    address: str = ""


PORTAL = Actor(name="portal", role=ADMINISTRATOR, source="worker")


@dataclass(frozen=True)
class Decision:
    """The answer to "may they?", with the sentence for a no. Truthy when allowed."""

    allowed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def may(actor: Actor, action: str, resource: str) -> Decision:
    """Whether `actor` may do `action` to `resource` (`b1`, `b1/slot:3`, `b1/uart:3`, `portal`). Raises KeyError for an
    unknown action, since that is a bug in the caller. One query for what is in `RESTRICTABLE`; else does not block."""
    least = LEAST_ROLE[action]
    if action in RESTRICTABLE:
        asked = Restriction.objects.filter(resource=resource, action=action).values_list("least_role", flat=True)
        least = max([least, *asked], key=lambda role: RANK[role])
    if RANK.get(actor.role, 0) >= RANK[least]:
        return Decision(True)
    held = f"{actor.name} is {actor.role}" if actor.role else f"{actor.name or 'nobody'} has no role"
    return Decision(False, f"This needs the role {least}; {held}.")


def require(actor: Actor, action: str, resource: str) -> None:
    """Raise `NotPermitted` with the reason unless `may` says yes."""
    decision = may(actor, action, resource)
    if not decision:
        raise NotPermitted(decision.reason)
