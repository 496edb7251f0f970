"""Where rights can hold: the boards and their slots. The app above, which knows them, says so when it starts."""

from collections.abc import Callable
from dataclasses import dataclass

from operations.refusals import BadRequest
from operations.rights import EVERYWHERE, board_of


@dataclass(frozen=True)
class Slot:
    """A slot by number and name ("kestrel", "controller", "empty")."""

    number: int
    name: str


@dataclass(frozen=True)
class Board:
    """A board with its slots in their order."""

    slug: str
    name: str
    slots: tuple[Slot, ...]


_look_up: list[Callable[[], list[Board]]] = []


def register(look_up: Callable[[], list[Board]]) -> None:
    """Let `look_up()` say which boards there are, in order."""
    _look_up[:] = [look_up]


def boards() -> list[Board]:
    """Every board there is, with its slots. A query or two, whatever their number."""
    return _look_up[0]() if _look_up else []


def choices() -> list[tuple[str, str]]:
    """Every scope that a right can have, with its words."""
    found = [(EVERYWHERE, "Everything")]
    for board in boards():
        found.append((board.slug, f"Board {board.slug}, whole"))
        found += [
            (f"{board.slug}/slot:{slot.number}", f"{board.slug}, slot {slot.number} {slot.name}")
            for slot in board.slots
        ]
    return found


def scope_of(text: str) -> str:
    """The scope written like that. Raises BadRequest for one that is nowhere."""
    board = next((board for board in boards() if board.slug == board_of(text)), None)
    known = [] if board is None else [board.slug, *(f"{board.slug}/slot:{slot.number}" for slot in board.slots)]
    if text != EVERYWHERE and text not in known:
        raise BadRequest(
            f"There is no {text!r} to give a right on: write * for everything, a board's name, or its name and a slot "
            "as in demo/slot:3.",
            code="unknown-scope",
        )
    return text
