"""What a role, a grant and a token allow: pure tables and answers. `operations.roles.may` asks them.

A scope says where something holds: `*` everywhere, `b1` a board with all that is on it, `b1/slot:3` one slot with its
console. A resource is what an act is done to: `portal`, `b1`, `b1/slot:3`, `b1/uart:3`, `b1/switch`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

EVERYWHERE, PORTAL = "*", "portal"
VIEWER, CONSOLE_OPERATOR, OPERATOR = "viewer", "console-operator", "operator"
FLASHER, NETWORK_ENGINEER, ADMINISTRATOR = "flasher", "network-engineer", "administrator"

_VIEWER = frozenset({"view", "audit.view", "console.read", "image.view", "profile.view", "switch.view", "metrics.view"})
_CONSOLE_OPERATOR = _VIEWER | {"console.write"}
_OPERATOR = _CONSOLE_OPERATOR | {"power", "slot.mark", "slot.edit", "reserve"}
_FLASHER = _OPERATOR | {"flash", "image.upload", "image.edit", "profile.edit"}
_NETWORK_ENGINEER = _CONSOLE_OPERATOR | {"switch.edit", "switch.scan", "switch.commit", "reserve"}
_ADMINISTRATOR = (
    _FLASHER
    | _NETWORK_ENGINEER
    | {"console.edit", "image.delete", "flash.unverified", "board.edit", "switch.override", "switch.reset"}
    | {"controller.restart", "audit.verify", "people.edit", "reserve.break"}
)
#: A role is a set of actions. They are no ladder: a network engineer may change VLANs and not switch a SOM.
ROLES: dict[str, frozenset[str]] = {
    VIEWER: _VIEWER,
    CONSOLE_OPERATOR: _CONSOLE_OPERATOR,
    OPERATOR: _OPERATOR,
    FLASHER: _FLASHER,
    NETWORK_ENGINEER: _NETWORK_ENGINEER,
    ADMINISTRATOR: _ADMINISTRATOR,
}
#: Every action there is, with the words for doing it.
ACTIONS: dict[str, str] = {
    "view": "Seeing {place}",
    "audit.view": "Reading the audit log",
    "audit.verify": "Verifying the audit log",
    "metrics.view": "Reading the figures",
    "console.read": "Watching the console of {place}",
    "console.write": "Typing on the console of {place}",
    "console.edit": "Changing the consoles of {place}",
    "image.view": "Seeing images",
    "image.upload": "Adding an image",
    "image.edit": "Changing an image",
    "image.delete": "Deleting an image",
    "flash": "Flashing {place}",
    "flash.unverified": "Flashing {place} without a check",
    "profile.view": "Seeing first-boot profiles",
    "profile.edit": "Changing first-boot profiles",
    "power": "Switching {place}",
    "slot.mark": "Saying what {place} does",
    "slot.edit": "Changing the record of {place}",
    "board.edit": "Changing the settings of {place}",
    "switch.view": "Seeing the switch",
    "switch.edit": "Changing VLANs",
    "switch.scan": "Scanning the switch",
    "switch.commit": "Applying VLANs",
    "switch.override": "Overriding what makes a change unsafe",
    "switch.reset": "Resetting the switch",
    "controller.restart": "Restarting the controller",
    "people.edit": "Changing people and their rights",
    "reserve": "Reserving {place}",
    "reserve.break": "Overriding a reservation of {place}",
}
#: What belongs to nobody's slot: whoever has the right anywhere has it here. Somebody who may flash slot 3 can bring
#: an image for it; changing or retiring what others brought takes the role everywhere.
SHARED = frozenset({"view", "audit.view", "image.view", "image.upload", "profile.view"})
#: What of a console a grant may give or take by itself, beside its role.
CONSOLE = {
    "none": frozenset[str](),
    "read": frozenset({"console.read"}),
    "write": frozenset({"console.read", "console.write"}),
}
#: What a token may be made for. Each but `metrics` implies seeing what it is for; what is not here, no token may do.
SCOPES: dict[str, frozenset[str]] = {
    "read": frozenset({"view", "audit.view", "audit.verify", "image.view", "profile.view", "switch.view"}),
    "power": frozenset({"view", "power", "slot.mark", "slot.edit"}),
    "console": frozenset({"view", "console.read", "console.write"}),
    "flash": frozenset({"view", "flash", "image.view", "image.upload", "image.edit", "image.delete"})
    | {"profile.view", "profile.edit"},
    "switch": frozenset({"view", "switch.view", "switch.edit", "switch.scan", "switch.commit"}),
    "metrics": frozenset({"metrics.view"}),
    "reserve": frozenset({"view", "reserve"}),
    "people": frozenset({"view", "people.edit"}),
}


@dataclass(frozen=True)
class Grant:
    """A role on a scope, perhaps until a time; `console` ("none", "read", "write") overrules what the role says of
    consoles there, "" leaves it to the role."""

    role: str
    scope: str = EVERYWHERE
    until: datetime | None = None
    console: str = ""

    def runs(self, now: datetime) -> bool:
        """Whether it still holds at `now`."""
        return self.until is None or now < self.until

    @property
    def actions(self) -> frozenset[str]:
        """What it allows on its scope; nothing for a role that does not exist."""
        given = ROLES.get(self.role, frozenset())
        return given if not self.console else given - CONSOLE["write"] | CONSOLE[self.console]

    def gives(self, action: str, resource: str) -> bool:
        """Whether it allows `action` there, its end aside."""
        return action in self.actions and reaches(self.scope, action, resource)


@dataclass(frozen=True)
class Limits:
    """What a token may be used for at most, whatever its owner may do. `scopes` are keys of `SCOPES`, `resources`
    scopes as in a grant; `ended` says why it is good for nothing any more."""

    scopes: frozenset[str]
    resources: tuple[str, ...] = (EVERYWHERE,)
    expires_at: datetime | None = None
    ended: str = ""

    def allows(self, action: str) -> bool:
        """Whether one of the scopes is for `action`."""
        return any(action in SCOPES.get(scope, frozenset()) for scope in self.scopes)

    def why_not(self, action: str, resource: str, now: datetime) -> str:
        """Why a token with these limits cannot be used for that; "" if it can."""
        if self.ended:
            return self.ended
        if self.expires_at is not None and now >= self.expires_at:
            return f"This token expired {moment(self.expires_at)}; make a new one."
        if not self.allows(action):
            held = ", ".join(sorted(self.scopes)) or "nothing"
            fitting = " or ".join(name for name, actions in SCOPES.items() if action in actions)
            lacks = f"this needs the scope {fitting}" if fitting else "this is nothing that a token may do"
            return f"This token is for {held}; {lacks}."
        if not any(reaches(scope, action, resource) for scope in self.resources):
            return f"This token is for {places(self.resources)}, not for {place_words(resource)}."
        return ""


# ---- Where something holds ---------------------------------------------------------------------------------------


def board_of(resource: str) -> str:
    """The board of a resource or scope; "" for the portal and for everywhere."""
    slug = resource.partition("/")[0]
    return "" if slug in (PORTAL, EVERYWHERE) else slug


def slot_of(resource: str) -> int | None:
    """The slot that a resource or scope is about: a console is its slot's. None for anything else, as a group whose
    name has a slash."""
    board, _, rest = resource.partition("/")
    kind, _, number = rest.partition(":")
    return int(number) if kind in ("slot", "uart") and number.isdecimal() and ":" not in board else None


def covers(scope: str, resource: str) -> bool:
    """Whether `resource` lies within `scope`."""
    if scope == EVERYWHERE:
        return True
    if board_of(scope) != board_of(resource) or not board_of(scope):
        return False
    return slot_of(scope) is None or slot_of(scope) == slot_of(resource)


def reaches(scope: str, action: str, resource: str) -> bool:
    """Whether a right to `action` on `scope` is one on `resource`: what lies within it, what is `SHARED`, and the
    sight of the board on which a slot sits."""
    if covers(scope, resource):
        return True
    if resource == PORTAL:
        return action in SHARED
    return action == "view" and resource == board_of(scope)


# ---- Answers -----------------------------------------------------------------------------------------------------


def roles_with(action: str) -> list[str]:
    """The roles that allow `action`, those excepted that allow more than another one of them."""
    having = [role for role, actions in ROLES.items() if action in actions]
    return [role for role in having if not any(ROLES[other] < ROLES[role] for other in having)]


def at_least(role: str) -> frozenset[str]:
    """The roles that allow all that `role` does. Raises KeyError for an unknown role."""
    return frozenset(other for other, actions in ROLES.items() if actions >= ROLES[role])


def why_not(name: str, grants: Iterable[Grant], action: str, resource: str, now: datetime) -> str:
    """Why none of `grants` allows `action` on `resource` at `now`, and what would; "" if one does. Raises KeyError for
    an action that nobody defined, since that is a bug in the caller."""
    said = doing(action, resource)
    grants = tuple(grants)
    giving = [grant for grant in grants if grant.gives(action, resource)]
    if any(grant.runs(now) for grant in giving):
        return ""
    running = [grant for grant in grants if grant.runs(now)]
    there = " there" if any(grant.scope != EVERYWHERE for grant in running) and resource != PORTAL else ""
    needed = " or ".join(role_words(role) for role in roles_with(action))
    reason = f"{said} needs the role {needed}{there}; {name or 'nobody'} {held_words(running, board_of(resource))}."
    ended = max((grant for grant in giving if grant.until), key=lambda grant: grant.until or now, default=None)
    if ended is not None and ended.until is not None:
        reason += f" The role {role_words(ended.role)} on {places([ended.scope])} ended {moment(ended.until)}."
    return reason


def next_end(grants: Iterable[Grant], limits: Limits | None, now: datetime) -> datetime | None:
    """When the next of these rights ends by itself after `now`; None if none does."""
    ends = [grant.until for grant in grants] + [limits.expires_at if limits else None]
    return min((end for end in ends if end is not None and end > now), default=None)


# ---- Words -------------------------------------------------------------------------------------------------------


def role_words(role: str) -> str:
    """A role as people read it."""
    return role.replace("-", " ")


def moment(at: datetime) -> str:
    """A time in a sentence, to the minute and in the zone it is in."""
    return f"on {at:%Y-%m-%d} at {at:%H:%M} {at:%Z}".rstrip()


def doing(action: str, resource: str) -> str:
    """An act in words: "Flashing slot 3"."""
    return ACTIONS[action].format(place=place_words(resource))


def place_words(resource: str) -> str:
    """A resource in words, its board left out where it is a slot's."""
    slot, board = slot_of(resource), board_of(resource)
    if slot is not None:
        return f"slot {slot}"
    return f"board {board}" if board else "the portal"


def places(scopes: Iterable[str], board: str = "") -> str:
    """Scopes in words: "slots 3 and 5", the boards named where they are not `board`."""
    slots: dict[str, list[int]] = {}
    words: list[str] = []
    for scope in sorted(set(scopes)):
        number = slot_of(scope)
        if number is not None:
            slots.setdefault(board_of(scope), []).append(number)
        else:
            words.append("everything" if scope == EVERYWHERE else f"board {board_of(scope)}")
    for slug, numbers in slots.items():
        listed = listing([str(number) for number in sorted(numbers)])
        words.append(f"slot{'s' if len(numbers) > 1 else ''} {listed}" + ("" if slug == board else f" of {slug}"))
    return listing(words)


def held_words(grants: Iterable[Grant], board: str = "") -> str:
    """What somebody is: "is viewer", "is operator on slots 3 and 5"; "has no role"."""
    by_role: dict[tuple[str, str], list[str]] = {}
    for grant in grants:
        by_role.setdefault((grant.role, grant.console), []).append(grant.scope)
    if not by_role:
        return "has no role"
    console = {"none": " without consoles", "read": " who only watches consoles", "write": " who types on consoles"}
    alone = len(by_role) == 1
    said = []
    for (role, extra), scopes in by_role.items():
        where = "" if EVERYWHERE in scopes and alone else f" on {places(_widest(scopes), board)}"
        said.append(f"{role_words(role)}{console.get(extra, '')}{where}")
    return f"is {listing(said)}"


def _widest(scopes: list[str]) -> list[str]:
    return [EVERYWHERE] if EVERYWHERE in scopes else scopes


def listing(words: list[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
