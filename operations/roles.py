"""Who may do what: `may(actor, action, resource)`, called by every door.

The tables are in `operations.rights`. Beside them counts what is written down about a resource: a console may ask for
more than the usual role (`operations.restrictions`), and a slot may be somebody else's for a while
(`operations.reservations`).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from operations import refusals, reservations, rights
from operations.models import Restriction
from operations.refusals import NotPermitted
from operations.rights import ADMINISTRATOR, EVERYWHERE, Grant, Limits

# What may be restricted per resource: reading a console and typing on it are two different rights.
RESTRICTABLE = frozenset({"console.read", "console.write"})


@dataclass(frozen=True)
class Actor:
    """A person or the portal itself, the door they came through and what they may do as far as was known then. Names
    are kept as text in history. `role` holds everywhere; `grants` are further rights of theirs and of their groups.
    A token's `limits` bound both, and `token` is its prefix and name: "ab12cd34 ci-runner"."""

    name: str
    role: str = ""
    user_id: int | None = None
    source: str = "web"  # web, api, worker, supervisor, cli, setup
    credential: str = "none"  # session, token, os-user, setup-link, none
    address: str = ""
    grants: tuple[Grant, ...] = ()
    limits: Limits | None = None
    token: str = ""

    @property
    def held(self) -> tuple[Grant, ...]:
        """The role everywhere and the grants, as one."""
        return (Grant(self.role), *self.grants) if self.role else self.grants


PORTAL = Actor(name="portal", role=ADMINISTRATOR, source="worker")


@dataclass(frozen=True)
class Decision:
    """The answer to "may they?", with the sentence for a no and its code. Truthy when allowed."""

    allowed: bool
    reason: str = ""
    code: str = NotPermitted.code

    def __bool__(self) -> bool:
        return self.allowed


def may(actor: Actor, action: str, resource: str, now: datetime | None = None) -> Decision:
    """Whether `actor` may do `action` to `resource` (`b1`, `b1/slot:3`, `b1/uart:3`, `b1/switch`, `portal`) at `now`.

    Yes if one of their rights gives it and has not ended, their token is made for it, the resource asks for no more
    than that, and nobody else has reserved the slot (code `reserved`). The reason of a no says what would give it. On a
    board, `view` is given by any right to a part of it; on the portal, what is `rights.SHARED` by any right anywhere;
    all else only by one that covers it whole. Raises KeyError for an unknown action, since that is a bug in the caller.
    One query each for what is in `RESTRICTABLE` and in `reservations.RESERVED`; else does not block.
    """
    now = now or timezone.now()
    granted = may_by_grant(actor, action, resource, now)
    if granted and action in RESTRICTABLE:
        asked = Restriction.objects.filter(resource=resource, action=action).values_list("least_role", flat=True)
        granted = may_by_grant(actor, action, resource, now, asked.first() or "")
    if not granted:
        return granted
    # The portal itself restores and releases whatever people have agreed on.
    others = None if actor == PORTAL else reservations.in_the_way(actor.user_id, action, resource, now)
    return Decision(True) if others is None else Decision(False, reservations.words(others, now), code="reserved")


def may_by_grant(
    actor: Actor, action: str, resource: str, now: datetime | None = None, least_role: str = ""
) -> Decision:
    """The part of `may` that asks no table: what their rights and their token say, by those alone that are at least
    `least_role` where the resource asks for that. Does not block."""
    now = now or timezone.now()
    reason = actor.limits.ended if actor.limits else ""  # then it does not matter what its owner may
    reason = reason or rights.why_not(actor.name, actor.held, action, resource, now)
    if not reason and actor.limits is not None:
        reason = actor.limits.why_not(action, resource, now)
    if not reason and least_role:
        reason = _restricted(actor, action, resource, now, least_role)
    return Decision(not reason, reason)


def _restricted(actor: Actor, action: str, resource: str, now: datetime, least_role: str) -> str:
    """Why what is written down about this resource keeps them out, though their rights would let them in."""
    enough = rights.at_least(least_role)
    if any(grant.role in enough and grant.gives(action, resource) and grant.runs(now) for grant in actor.held):
        return ""
    held = rights.held_words([grant for grant in actor.held if grant.runs(now)], rights.board_of(resource))
    needed = rights.role_words(least_role)
    return f"{rights.doing(action, resource)} needs the role {needed}; {actor.name or 'nobody'} {held}."


def may_somewhere(actor: Actor, action: str, board: str) -> Decision:
    """Whether `actor` may do `action` to the board or to a single slot of it, for pages that offer it for several.
    Does not block; what each slot asks for beyond that is its own affair."""
    now = timezone.now()
    scopes = [*(grant.scope for grant in actor.held), *(actor.limits.resources if actor.limits else ())]
    for place in [board, *sorted({scope for scope in scopes if rights.board_of(scope) == board})]:
        if may_by_grant(actor, action, place, now):
            return Decision(True)
    return may_by_grant(actor, action, board, now)


def require(actor: Actor, action: str, resource: str) -> None:
    """Raise `NotPermitted` with the reason unless `may` says yes; `NotFound`, as if it did not exist, for a board or a
    slot that the actor may not even see."""
    decision = may(actor, action, resource)
    if not decision:
        require_sight(actor, resource)
        raise NotPermitted(decision.reason, code=decision.code)


def require_scope(actor: Actor, action: str) -> None:
    """Raise `NotPermitted` for a token that is not made for `action`. What is one's own takes no right; a token still
    does only what it is for."""
    if actor.limits is not None and not actor.limits.allows(action):
        raise NotPermitted(actor.limits.why_not(action, rights.PORTAL, timezone.now()))


def _as_it_was(actor: Actor) -> Actor:
    return actor


_renew: Callable[[Actor], Actor] = _as_it_was


def renew_by(renew: Callable[[Actor], Actor]) -> None:
    """Tell how an actor's rights are read anew; the app that keeps people does, when it starts."""
    global _renew
    _renew = renew


def renewed(actor: Actor) -> Actor:
    """The same actor with the rights that they have now: none for a person who is gone. Blocks for some queries; asks
    nothing about the portal itself."""
    return _renew(actor) if actor.user_id is not None else actor


def require_sight(actor: Actor, resource: str) -> None:
    """Raise `NotFound`, in the words for what does not exist, for a board or a slot that the actor may not see."""
    board, slot = rights.board_of(resource), rights.slot_of(resource)
    if board and not may(actor, "view", board):
        raise refusals.no_board(board)
    if board and slot is not None and not may(actor, "view", resource):
        raise refusals.no_slot(board, slot)


def seen_boards(actor: Actor) -> frozenset[str] | None:
    """The boards of which the actor may see at least a part, for queries; None if that is all of them."""
    now = timezone.now()
    granted = _boards([grant.scope for grant in actor.held if grant.runs(now) and "view" in grant.actions])
    if actor.limits is None:
        return granted
    limited = _boards(actor.limits.resources if actor.limits.allows("view") else ())
    if granted is None or limited is None:
        return limited if granted is None else granted
    return granted & limited


def seen_resources(actor: Actor, boards: Iterable[str]) -> list[str]:
    """Of what there is on these boards (themselves, their switches, slots and consoles) that which the actor may see,
    for queries."""
    parts = ["", "/switch", *(f"/{kind}:{number}" for kind in ("slot", "uart") for number in range(1, 8))]
    return [name for board in boards for part in parts if may(actor, "view", name := f"{board}{part}")]


def _boards(scopes: Collection[str]) -> frozenset[str] | None:
    return None if EVERYWHERE in scopes else frozenset(rights.board_of(scope) for scope in scopes)
