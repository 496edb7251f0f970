"""Giving and taking rights, for people and groups, and saying why somebody may not; each act on record."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils import timezone

from accounts import places
from accounts.actors import actor_for
from accounts.models import ConsoleRight, RightGrant, User
from accounts.services.people import deciding, role_of
from operations import audit, rights, roles
from operations.models import Restriction
from operations.refusals import BadRequest, NotFound
from operations.roles import Actor, Decision

Holder = User | Group


def give(
    actor: Actor, holder: Holder, role: str, scope: str, *, until: datetime | None = None, console: str = ""
) -> RightGrant:
    """Give a person or a group a role on a scope, in place of the same one with another end. Raises BadRequest for a
    role, scope or console right that there is not, or an end that has passed; Conflict if it takes the end off nobody
    but the last administrator; NotFound for a holder who was removed meanwhile."""
    role_of(role)
    places.scope_of(scope)
    if console not in ConsoleRight.values:
        raise BadRequest(f"There is no console right {console!r}; it is none, read or write.", code="unknown-console")
    if until is not None and until <= timezone.now():
        raise BadRequest("This right would have ended already; choose a later time.", code="ended-already")
    with deciding(name_of(holder)):
        still_there(holder)
        row = RightGrant.objects.filter(**_held_by(holder), role=role, scope=scope).first()
        before = words(row) if row else None
        row = row or RightGrant(**_held_by(holder), role=role, scope=scope)
        row.until, row.console, row.given_by, row.given_at = until, console, actor.name, timezone.now()
        row.save()
        old, new = {"right": before}, {"right": words(row)}
        audit.record("right.give", actor=actor, target=target_of(holder), before=old, after=new)
    return row


def take(actor: Actor, row: RightGrant) -> None:
    """Take a right away. Raises Conflict for what makes the last administrator, NotFound if it is gone already."""
    holder = holder_of(row)
    with deciding(name_of(holder)):
        before = words(row)
        if not RightGrant.objects.filter(pk=row.pk).exists():
            raise NotFound("This right was taken away already.", code="unknown-right")
        row.delete()
        old, new = {"right": before}, {"right": None}
        audit.record("right.take", actor=actor, target=target_of(holder), before=old, after=new)


def holder_of(row: RightGrant) -> Holder:
    """The person or the group that has it."""
    holder = row.user or row.group
    assert holder is not None  # the table's own constraint
    return holder


def name_of(holder: Holder) -> str:
    return holder.username if isinstance(holder, User) else f"the group {holder.name}"


def still_there(holder: Holder) -> None:
    """Raises NotFound for a person or a group that was removed meanwhile."""
    if not type(holder).objects.filter(pk=holder.pk).exists():
        raise NotFound(f"Nothing was changed: {name_of(holder)} was removed meanwhile.", code="removed-meanwhile")


def target_of(holder: Holder) -> str:
    """The name under which acts on them are on record."""
    return f"person:{holder.username}" if isinstance(holder, User) else f"group:{holder.name}"


def _held_by(holder: Holder) -> dict[str, Holder]:
    return {"user": holder} if isinstance(holder, User) else {"group": holder}


def words(row: RightGrant) -> str:
    """ "operator on slot 3 of demo, until 2026-11-24 at 18:00 UTC"."""
    said = f"{rights.role_words(row.role)} on {rights.places([row.scope])}"
    if row.console:
        said += f", consoles: {row.get_console_display().lower()}"
    return f"{said}, until {row.until:%Y-%m-%d %H:%M} UTC" if row.until else said


@dataclass(frozen=True)
class Shown:
    """A right as it is listed: in words, and whether it still holds."""

    row: RightGrant
    words: str
    runs: bool


def of_person(person: User) -> list[Shown]:
    """What a person was granted, and their groups; the ended ones too. One query."""
    rows = RightGrant.objects.filter(Q(user=person) | Q(group__user=person))
    return _shown(rows.select_related("group").distinct())


def of_group(group: Group) -> list[Shown]:
    """What a group was granted; the ended ones too. One query."""
    return _shown(group.grants.all())


def is_administrator(person: User) -> bool:
    """Whether they were made administrator of anything, by role, right or group; if they are switched off, too. A query
    at most."""
    granted = RightGrant.objects.filter(Q(user=person) | Q(group__user=person), role=rights.ADMINISTRATOR)
    return person.role == rights.ADMINISTRATOR or granted.exists()


def _shown(rows: Iterable[RightGrant]) -> list[Shown]:
    now = timezone.now()
    return [Shown(row, words(row), row.runs(now)) for row in rows]


# ---- Who may what ------------------------------------------------------------------------------------------------


#: What is asked of a slot or a board most, in words.
QUESTIONS = [
    ("view", "See it"),
    ("power", "Power it"),
    ("console.read", "Watch its console"),
    ("console.write", "Type on its console"),
    ("flash", "Flash it"),
    ("slot.edit", "Record what is in it"),
    ("reserve", "Reserve it"),
    ("switch.commit", "Change its VLANs"),
    ("board.edit", "Change its settings"),
]


def explain(person: User, action: str, scope: str) -> Decision:
    """Whether somebody may do that now on a board or slot, with the reason for a no, as every door would answer them.
    Raises BadRequest for an action that there is not."""
    if action not in rights.ACTIONS:
        raise BadRequest(f"There is no action {action}; look it up in the list of rights.", code="unknown-action")
    board, slot = rights.board_of(scope), rights.slot_of(scope)
    resource = scope
    if action.startswith("switch."):
        resource = f"{board}/switch"
    elif action.startswith("console.") and slot is not None:
        resource = f"{board}/uart:{slot}"
    decision = roles.may(actor_for(person), action, resource)
    if decision:
        return Decision(True, f"{rights.doing(action, resource)} is allowed: {person.username} {_held_words(person)}.")
    return decision


def _held_words(person: User) -> str:
    now = timezone.now()
    return rights.held_words([grant for grant in actor_for(person).held if grant.runs(now)])


#: The letters of the matrix: what they stand for, and the action.
LETTERS = (
    ("S", "see", "view"),
    ("P", "power", "power"),
    ("K", "type on console", "console.write"),
    ("F", "flash", "flash"),
)


@dataclass(frozen=True)
class Cell:
    """What somebody may do to one slot: each letter with yes or no."""

    number: int
    letters: tuple[tuple[str, bool], ...]

    @property
    def said(self) -> str:
        """The same in words: "see and power"; "nothing"."""
        words = {letter: word for letter, word, _ in LETTERS}
        return rights.listing([words[letter] for letter, allowed in self.letters if allowed]) or "nothing"


@dataclass(frozen=True)
class Row:
    """A person of the matrix."""

    person: User
    role: str  # on this board, or everywhere
    groups: list[str]
    ends_at: datetime | None  # of what ends first
    cells: list[Cell]
    elsewhere: bool  # whether they have rights on other boards too

    @property
    def is_words(self) -> str:
        """What they are: "operator on slots 3 and 5", "no role"."""
        return self.role.removeprefix("is ").removeprefix("has ")

    @property
    def sees_any(self) -> bool:
        """Whether there is a slot of which they see anything."""
        return any(allowed for cell in self.cells for _, allowed in cell.letters)


def matrix(people: Iterable[User], board: places.Board) -> list[Row]:
    """What each of `people` may do to each slot of a board, reservations aside. Three queries, whatever their number.
    `people` must have `groups` and `grants` prefetched, and their groups' grants."""
    now = timezone.now()
    asked = {
        (row.resource, row.action): row.least_role
        for row in Restriction.objects.filter(resource__startswith=f"{board.slug}/")
    }
    return [_row(person, board, asked, now) for person in people]


def _row(person: User, board: places.Board, asked: dict[tuple[str, str], str], now: datetime) -> Row:
    groups = list(person.groups.all())
    held = [*person.grants.all(), *(grant for group in groups for grant in group.grants.all())]
    grants = tuple(row.grant for row in held) if person.is_active else ()
    actor = Actor(person.username, person.role if person.is_active else "", person.pk, grants=grants)
    cells = [_cell(actor, board.slug, slot.number, asked, now) for slot in board.slots]
    running = [grant for grant in actor.held if grant.runs(now)]
    here = [grant for grant in running if rights.board_of(grant.scope) in ("", board.slug)]
    role = rights.held_words(here, board.slug)
    ends_at = rights.next_end(here, None, now)
    return Row(person, role, [group.name for group in groups], ends_at, cells, len(here) < len(running))


def _cell(actor: Actor, board: str, number: int, asked: dict[tuple[str, str], str], now: datetime) -> Cell:
    letters = []
    for letter, _, action in LETTERS:
        kind = "uart" if action.startswith("console.") else "slot"
        resource = f"{board}/{kind}:{number}"
        least = asked.get((resource, action), "")
        letters.append((letter, bool(roles.may_by_grant(actor, action, resource, now, least))))
    return Cell(number, tuple(letters))
