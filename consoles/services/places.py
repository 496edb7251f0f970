"""What the console pages show of a board's slots: which have a port, who may read it, what is known of it now."""

import json
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from consoles.escapes import plain
from consoles.journal import Epoch, Keys, decode
from consoles.services import history, live
from consoles.state import ConsoleState
from operations import refusals, roles
from operations.roles import Actor, Decision
from slots.models import Board, Slot
from slots.services.overview import look_of

WRITE = "console.write"
ENTRIES = 400  # of the journal that are looked at for the last lines


@dataclass(frozen=True)
class Place:
    """A slot on a console page. `look` and `word` are its power state's."""

    number: int
    name: str
    type_name: str
    look: str
    word: str
    has_port: bool
    may_read: Decision
    may_type: Decision
    state: ConsoleState

    @property
    def watching(self) -> int:
        """How many people watch who do not type."""
        typing = self.state.typist.person if self.state.typist else ""
        return len({present.person for present in self.state.present} - {typing})


def find_board(board: str) -> Board:
    """The board of that slug. Raises `NotFound`."""
    row = Board.objects.filter(slug=board, present=True).first()
    if row is None:
        raise refusals.NotFound(f"There is no board {board}.", code="unknown-board")
    return row


def places(actor: Actor, board: Board) -> list[Place]:
    """All slots that `actor` sees, in their physical order; of those that they may not read nothing is told but their
    name. Blocks for at most 2 s while the broker is away."""
    rows = Slot.objects.filter(board=board).select_related("som__som_type")
    slots = [slot for slot in rows if roles.may(actor, "view", slot.resource(board.slug))]
    may = {slot.number: _rights(actor, board, slot) for slot in slots}
    states = live.states(board.slug, [slot.number for slot in slots if slot.uart and may[slot.number][0]])
    return [_place(slot, *may[slot.number], states.get(slot.number, ConsoleState())) for slot in slots]


def _rights(actor: Actor, board: Board, slot: Slot) -> tuple[Decision, Decision]:
    resource = history.resource(board.slug, slot.number)
    if not slot.uart:
        return Decision(False), Decision(False)
    return roles.may(actor, history.READ, resource), roles.may(actor, WRITE, resource)


def _place(slot: Slot, may_read: Decision, may_type: Decision, state: ConsoleState) -> Place:
    som = getattr(slot, "som", None)
    look, word = look_of(slot)
    return Place(
        number=slot.number,
        name=(som.name or som.som_type.name) if som else "Empty",
        type_name=som.som_type.name if som and som.name else "",
        look=look,
        word=word,
        has_port=slot.uart,
        may_read=may_read,
        may_type=may_type,
        state=state,
    )


def last_lines(board: str, slot: int, count: int) -> list[str]:
    """The last lines that a console said, without anything that acts on a terminal; none while the broker is away."""
    keys = Keys(board, slot)
    try:
        with live.broker() as client:
            newest = client.lindex(keys.epochs, -1)
            if newest is None:
                return []
            rows: Any = client.xrevrange(keys.stream(Epoch.from_json(newest).epoch), count=ENTRIES)
    except (RedisError, OSError, json.JSONDecodeError):
        return []
    said = b"".join(decode(number, fields).data for number, fields in reversed(rows))
    lines = [line.rstrip() for line in plain(said.decode(errors="replace")).split("\n")]
    return [line for line in lines if line][-count:]
