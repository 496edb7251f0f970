"""Which slots there are. The app above, which knows boards, says so when it starts: this one speaks of places only."""

from collections.abc import Callable
from dataclasses import dataclass

from operations import rights
from operations.refusals import NotFound


@dataclass(frozen=True)
class Place:
    """A slot by its resource (`b1/slot:3`) and name; a controller's is nobody's to reserve."""

    resource: str
    name: str
    reservable: bool

    @property
    def board(self) -> str:
        return rights.board_of(self.resource)

    @property
    def number(self) -> int:
        return rights.slot_of(self.resource) or 0

    @property
    def words(self) -> str:
        """`slot 3 of demo`"""
        return f"slot {self.number} of {self.board}"


_look_up: list[Callable[[str], list[Place]]] = []


def register(look_up: Callable[[str], list[Place]]) -> None:
    """Let `look_up(board)` say which slots a board has, in order. It raises `NotFound` for an unknown board."""
    _look_up[:] = [look_up]


def of_board(board: str) -> list[Place]:
    """The slots of a board, in order. Raises `NotFound` for an unknown board. One query or two."""
    return _look_up[0](board)


def find(board: str, number: int) -> Place:
    """One slot. Raises `NotFound` for an unknown board or slot."""
    for place in of_board(board):
        if place.number == number:
            return place
    raise NotFound(f"There is no slot {number}: a board has slots 1 to 7.", code="unknown-slot")
