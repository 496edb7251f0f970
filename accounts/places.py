"""Which boards and slots there are, to give rights on and to reserve. The app above, which knows them, says so when it
starts: those below speak of places only."""

from collections.abc import Callable
from dataclasses import dataclass

from operations import refusals
from operations.refusals import BadRequest, NotFound
from operations.rights import EVERYWHERE, board_of, slot_of
from operations.roles import Actor, may


@dataclass(frozen=True)
class Place:
    """A slot by its resource (`b1/slot:3`) and name ("kestrel", "controller", "empty"); a controller's is nobody's to
    reserve."""

    resource: str
    name: str
    reservable: bool

    @property
    def board(self) -> str:
        return board_of(self.resource)

    @property
    def number(self) -> int:
        return slot_of(self.resource) or 0

    @property
    def words(self) -> str:
        """`slot 3 of demo`"""
        return f"slot {self.number} of {self.board}"


@dataclass(frozen=True)
class Board:
    """A board with its slots in their order."""

    slug: str
    name: str
    slots: tuple[Place, ...]


_look_up: list[Callable[[str], list[Board]]] = []


def register(look_up: Callable[[str], list[Board]]) -> None:
    """Let `look_up(slug)` say which boards there are, in order: all for "", else the one of that name or none."""
    _look_up[:] = [look_up]


def boards() -> list[Board]:
    """Every board there is, with its slots. A query or two, whatever their number."""
    return _look_up[0]("") if _look_up else []


def of_board(slug: str) -> tuple[Place, ...]:
    """The slots of a board, in order. Raises `NotFound` for an unknown board. A query or two."""
    found = _look_up[0](slug) if _look_up and slug else []
    if not found:
        raise refusals.no_board(slug)
    return found[0].slots


def find(slug: str, number: int) -> Place:
    """One slot. Raises `NotFound` for an unknown board or slot."""
    for place in of_board(slug):
        if place.number == number:
            return place
    raise NotFound(f"There is no slot {number}: a board has slots 1 to 7.", code="unknown-slot")


def choices(actor: Actor | None = None) -> list[tuple[str, str]]:
    """Every scope that a right can have, with its words; for `actor` those that they may see."""
    found = [(EVERYWHERE, "Everything")]
    for board in boards():
        found.append((board.slug, f"Board {board.slug}, whole"))
        found += [(slot.resource, f"{board.slug}, slot {slot.number} {slot.name}") for slot in board.slots]
    return [(scope, words) for scope, words in found if _sees(actor, scope)]


def scope_of(text: str, actor: Actor | None = None) -> str:
    """The scope written like that. Raises BadRequest for one that is nowhere, or that `actor` may not see."""
    found = _look_up[0](board_of(text)) if _look_up and board_of(text) else []
    known = {scope for board in found for scope in (board.slug, *(slot.resource for slot in board.slots))}
    if text != EVERYWHERE and not (text in known and _sees(actor, text)):
        raise BadRequest(
            f"There is no {text!r} to give a right on: write * for everything, a board's name, or its name and a slot "
            "as in demo/slot:3.",
            code="unknown-scope",
        )
    return text


def _sees(actor: Actor | None, scope: str) -> bool:
    return actor is None or scope == EVERYWHERE or bool(may(actor, "view", scope))
