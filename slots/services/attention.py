"""What on a board wants a person, gravest first."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from hardware.budget import Budget
from hardware.som import PowerState
from operations.models import Operation, OperationState
from slots.models import Board, Contents, Slot

# A failure is shown until the next operation on the same slot or switch, and no longer than this.
SHOWN_FOR = timedelta(hours=12)
NOT_READ_AFTER = timedelta(seconds=30)  # three missed looks at the expander (nanoportal.periodic)
ENDED_LIMIT = 100


@dataclass(frozen=True)
class Attention:
    """One thing that wants a person: a headline, a sentence after it, and where to look."""

    look: str  # data-state of its banner
    icon: str
    headline: str
    text: str = ""
    slot: int | None = None
    operation: Operation | None = None
    at: datetime | None = None  # since when, where the age tells something
    short: str = ""  # for a list of boards


def attention(
    board: Board,
    slots: Iterable[Slot],
    counted: Budget,
    *,
    ended: list[Operation] | None = None,
    busy: Collection[str] = (),
) -> list[Attention]:
    """In the order of the design: what stops everything, contradictions, panics, failed operations, latched, contents
    unknown, over budget, old readings. Reads the last operations of the board unless `ended` gives them; of what is
    `busy` (resources) nothing is said that its operation may be about to change."""
    rows = [slot for slot in slots if hasattr(slot, "som")]
    latest = latest_failures(board.slug) if ended is None else ended
    return [
        *_expander(board),
        *_power_lost(board, rows),
        *[_contradiction(slot) for slot in rows if slot.contradiction],
        *[_panic(slot) for slot in rows if _has_panicked(slot)],
        *[_failed(operation) for operation in latest],
        *[_latched(slot) for slot in rows if slot.latched],
        *[
            _contents(slot)
            for slot in rows
            if slot.contents == Contents.UNKNOWN and slot.resource(board.slug) not in busy
        ],
        *_over_budget(counted),
        *_switch(board),
        *_not_read(board),
    ]


def latest_failures(board: str) -> list[Operation]:
    """Operations that failed or were interrupted and that nothing on the same resource has followed. One query."""
    recent = Operation.objects.filter(board=board, created_at__gt=timezone.now() - SHOWN_FOR).order_by("-created_at")
    latest: dict[str, Operation] = {}
    for operation in recent[:ENDED_LIMIT]:
        latest.setdefault(operation.resource, operation)
    bad = (OperationState.FAILED, OperationState.INTERRUPTED)
    return [operation for operation in latest.values() if operation.state in bad]


def _expander(board: Board) -> list[Attention]:
    if not board.problem:
        return []
    text = "Reset lines are not read until it answers, and nothing was switched."
    return [Attention("fail", "fail", board.problem, text, short="Unreachable")]


def _power_lost(board: Board, slots: list[Slot]) -> list[Attention]:
    lost = board.power_lost_at
    if lost is None or not any(s.since == lost and s.power_state == PowerState.UNKNOWN for s in slots):
        return []
    text = "What each SOM did when the power came back is not known until there is evidence, or a person says so."
    return [Attention("unknown", "supply", "The board lost power.", text, at=lost, short="Lost power")]


def _contradiction(slot: Slot) -> Attention:
    text = f"{slot.contradiction[:1].upper()}{slot.contradiction[1:]}."
    at, short = slot.contradiction_at, f"Slot {slot.number} contradicts"
    return Attention("warn", "warn", f"Slot {slot.number} contradicts itself.", text, slot.number, at=at, short=short)


def _has_panicked(slot: Slot) -> bool:
    """Whether its console showed a panic, and nothing has been done about it since."""
    at, commanded = slot.panicked_at, slot.commanded_at
    return at is not None and slot.power_state != PowerState.OFF and (commanded is None or at > commanded)


def _panic(slot: Slot) -> Attention:
    text = "What it said before is in the recording of its console."
    at, short = slot.panicked_at, f"Slot {slot.number} panicked"
    return Attention("fail", "fail", f"Slot {slot.number} panicked.", text, slot.number, at=at, short=short)


def _failed(operation: Operation) -> Attention:
    ended = operation.get_state_display().lower()
    look, icon = ("fail", "fail") if operation.state == OperationState.FAILED else ("unknown", "unknown")
    return Attention(
        look, icon, f"{operation.title} {ended}.", operation.message, operation=operation, at=operation.ended_at
    )


def _latched(slot: Slot) -> Attention:
    return Attention(
        "latched",
        "latched",
        f"Slot {slot.number} is latched off.",
        "It starts again only after the whole board was without power.",
        slot.number,
        at=slot.latched_at,
        short=f"Slot {slot.number} latched",
    )


def _is_doubtful(slot: Slot) -> bool:
    return slot.contents == Contents.UNKNOWN


def _contents(slot: Slot) -> Attention:
    headline, short = f"Contents of slot {slot.number} unknown.", f"Slot {slot.number} contents"
    text = slot.contents_words or "A flash of it did not end."
    return Attention("contents", "contents", headline, text, slot.number, at=slot.contents_at, short=short)


def _over_budget(counted: Budget) -> list[Attention]:
    if counted.headroom_watts < 0:
        text = f"What may be on could draw {counted.counted_watts:.1f} W; the supply gives {counted.supply_watts:g} W."
        return [Attention("warn", "supply", "Over the supply's budget.", text, short="Over budget")]
    if counted.is_over_continuous:
        text = (
            f"At full load what may be on draws {counted.continuous_watts:.1f} W; the supply gives "
            f"{counted.continuous_limit_watts:g} W for good."
        )
        return [Attention("warn", "supply", "Over what the supply gives for good.", text, short="Over budget")]
    return []


def _switch(board: Board) -> list[Attention]:
    if not board.switch_problem:
        return []
    text = "Links say nothing about the SOMs until it answers."
    return [Attention("warn", "switch", board.switch_problem, text, short="Switch away")]


def _not_read(board: Board) -> list[Attention]:
    if board.problem or board.checked_at is None or timezone.now() - board.checked_at < NOT_READ_AFTER:
        return []
    text = "The hardware worker may be away. What you see is what was read last, and commands may expire."
    at = board.checked_at
    return [Attention("warn", "clock", "This board has not been read lately.", text, at=at, short="Not read")]
