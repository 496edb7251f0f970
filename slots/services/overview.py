"""What pages and API show of a board: read-only, in a number of queries that does not grow with boards or slots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils import timezone

from hardware.budget import Budget
from hardware.sequences import Offer
from hardware.som import PowerState, ResetType
from operations import refusals
from operations.models import OPEN_STATES, Claim, Operation
from slots.models import CONTROLLER, Basis, Board, Evidence, Slot
from slots.services import budget, power

ICONS = {"line": "line", "link": "link", "uart": "uart", "probe": "net"}


@dataclass(frozen=True)
class EvidenceLine:
    """One fact with its source and the time it was read; `contradicts` the state that is shown."""

    kind: str
    icon: str
    text: str
    at: datetime | None
    contradicts: bool = False
    life: bool | None = None


@dataclass(frozen=True)
class Action:
    """A reset type as a button: `offered` or not, with the sentence under it."""

    reset_type: str
    label: str
    icon: str
    offered: bool
    sentence: str
    grave: bool  # opens the confirmation with typed name
    asks: bool  # opens a confirmation with a reason


@dataclass(frozen=True)
class SlotView:
    """A slot as it is drawn."""

    slot: Slot
    number: int
    name: str
    type_name: str
    look: str  # data-state: on off up down unknown latched empty
    word: str
    evidence: list[EvidenceLine]
    operation: Operation | None
    peak_watts: float
    watts_words: str
    link: EvidenceLine | None

    @property
    def is_controller(self) -> bool:
        return self.number == CONTROLLER

    @property
    def empty(self) -> bool:
        return not self.type_name

    @property
    def selectable(self) -> bool:
        return not self.is_controller and not self.empty


@dataclass(frozen=True)
class BoardView:
    """A board as it is drawn, with what wants a person first."""

    board: Board
    slots: list[SlotView]
    budget: Budget
    attention: list[tuple[int | None, str]]  # (slot number, sentence), gravest first
    operations: list[Operation]


LOOKS = {
    PowerState.ON: ("on", "On"),
    PowerState.OFF: ("off", "Off"),
    PowerState.POWERING_ON: ("up", "Powering on"),
    PowerState.POWERING_OFF: ("down", "Powering off"),
    PowerState.UNKNOWN: ("unknown", "Unknown"),
}


def slot_rows() -> QuerySet[Slot]:
    """Slots with all that a view of them needs: two queries whatever their number."""
    return Slot.objects.select_related("som__som_type", "board").prefetch_related(
        Prefetch("evidence", Evidence.objects.order_by("kind"))
    )


def find_board(slug: str) -> Board:
    """The board of that slug. Raises `NotFound`."""
    board = Board.objects.filter(slug=slug, present=True).first()
    if board is None:
        raise refusals.NotFound(f"There is no board {slug}.", code="unknown-board")
    return board


def open_operations(board: str) -> list[Operation]:
    """What waits, is queued or runs on a board, oldest first."""
    now = timezone.now()
    rows = Operation.objects.filter(board=board, state__in=OPEN_STATES).order_by("created_at", "position")
    return [row for row in rows if row.shown_state(now) in OPEN_STATES]


def board_view(board: Board) -> BoardView:
    """Everything of a board's page in a fixed number of queries."""
    operations = open_operations(board.slug)
    by_resource = {row.resource: row for row in reversed(operations)}
    rows = list(slot_rows().filter(board=board))
    views = [slot_view(row, by_resource.get(row.resource(board.slug))) for row in rows]
    return BoardView(
        board=board,
        slots=views,
        budget=budget.board_budget(board, rows),
        attention=_attention(board, views),
        operations=operations,
    )


def slot_view(slot: Slot, operation: Operation | None = None) -> SlotView:
    som = getattr(slot, "som", None)
    if som is None:
        look, word = "empty", "Empty"
    elif slot.latched:
        look, word = "latched", "Latched off"
    else:
        look, word = LOOKS[PowerState(slot.power_state)]
    evidence = _evidence(slot) if som else []
    return SlotView(
        slot=slot,
        number=slot.number,
        name=(som.name or som.som_type.name) if som else "Empty",
        type_name=som.som_type.name if som else "",
        look=look,
        word=word,
        evidence=evidence,
        operation=operation,
        peak_watts=som.som_type.peak_watts if som and slot.power_state != PowerState.OFF else 0.0,
        watts_words=_watts_words(slot),
        link=next((line for line in _evidence(slot) if line.kind == "link"), None),
    )


def _watts_words(slot: Slot) -> str:
    if not hasattr(slot, "som"):
        return ""
    peak = f"{slot.som.som_type.peak_watts:.1f} W"
    if slot.contradiction:
        return f"{peak} assumed"
    return {
        PowerState.OFF: "0 W",
        PowerState.UNKNOWN: f"{peak} assumed",
        PowerState.POWERING_ON: f"{peak} starting",
        PowerState.POWERING_OFF: f"{peak} until Off",
    }.get(PowerState(slot.power_state), peak)


def _evidence(slot: Slot) -> list[EvidenceLine]:
    """What rests under a state: who commanded or said it, then what each source shows."""
    lines: list[EvidenceLine] = []
    if slot.latched:
        lines.append(EvidenceLine("person", "info", "needs the whole board without power", slot.latched_at))
    if slot.basis == Basis.COMMANDED and slot.since:
        lines.append(EvidenceLine("line", "line", f"commanded by {slot.by}", slot.since))
    if slot.basis == Basis.PERSON and slot.since:
        lines.append(EvidenceLine("person", "user", f"said so: {slot.by}", slot.since))
    if slot.is_controller:
        lines.append(EvidenceLine("controller", "info", "controller, runs the portal", None))
    off_expected = slot.power_state == PowerState.OFF
    for row in slot.evidence.all():
        contradicts = bool(row.life) and off_expected and bool(slot.contradiction)
        at = row.life_at if row.kind == "uart" else row.at
        lines.append(EvidenceLine(row.kind, ICONS[row.kind], row.value, at, contradicts, row.life))
    return lines


def _attention(board: Board, views: list[SlotView]) -> list[tuple[int | None, str]]:
    """What wants a person, gravest first: bus, contradictions, latched, over budget."""
    found: list[tuple[int | None, str]] = []
    if board.problem:
        found.append((None, f"{board.problem} Power states are not re-read until it answers. Nothing was switched."))
    for view in views:
        if view.slot.contradiction:
            found.append((view.number, f"Slot {view.number}: {view.slot.contradiction}."))
    for view in views:
        if view.slot.latched:
            found.append(
                (view.number, f"Slot {view.number} is latched off: it starts again only after the board lost power.")
            )
    if board.switch_problem:
        found.append((None, f"Links cannot be read: {board.switch_problem}"))
    return found


LABELS = {
    ResetType.ON: ("Power on", "power"),
    ResetType.GRACEFUL_SHUTDOWN: ("Shut down", "down"),
    ResetType.GRACEFUL_RESTART: ("Restart", "restart"),
    ResetType.PUSH_POWER_BUTTON: ("Press button", "hand"),
    ResetType.FORCE_RESTART: ("Force restart", "restart"),
    ResetType.POWER_CYCLE: ("Power cycle", "restart"),
    ResetType.FORCE_OFF: ("Force off", "off"),
}


def actions(slot: Slot) -> list[Action]:
    """All reset types in the order of the page: kindest first. An empty slot has none."""
    if not hasattr(slot, "som"):
        return []
    offers: dict[ResetType, Offer] = {offer.reset_type: offer for offer in power.offers(slot)}
    strands = not slot.is_controller and power.traits_of(slot).latches_after_hold
    found = []
    for reset_type, (label, icon) in LABELS.items():
        offer = offers[reset_type]
        grave = reset_type == ResetType.FORCE_OFF and strands
        asks = reset_type not in (ResetType.ON, ResetType.PUSH_POWER_BUTTON)
        found.append(Action(reset_type.value, label, icon, offer.offered, offer.sentence, grave, asks))
    return found


def power_json(slot: Slot) -> dict[str, Any]:
    """The power state as the API says it."""
    return {
        "power_state": slot.power_state,
        "basis": slot.basis,
        "latched": slot.latched,
        "contradiction": slot.contradiction or None,
        "since": slot.since,
        "commanded_by": slot.by or None,
        "evidence": [
            {"kind": row.kind, "value": row.value, "life": row.life, "at": row.at, "life_at": row.life_at}
            for row in slot.evidence.all()
        ],
    }


@dataclass(frozen=True)
class FleetRow:
    """A board in the list of boards: counts by state instead of slots."""

    board: Board
    states: list[tuple[int, str, str]]  # number, look, word of each slot
    on: int
    soms: int
    running: int


def fleet(boards: list[Board]) -> list[FleetRow]:
    """Rows for one page of boards; three queries whatever their number."""
    slots = Slot.objects.filter(board__in=boards).select_related("som").order_by("board_id", "number")
    by_board: dict[int, list[Slot]] = {}
    for slot in slots:
        by_board.setdefault(slot.board_id, []).append(slot)
    running = dict(
        Operation.objects.filter(board__in=[board.slug for board in boards], state__in=OPEN_STATES)
        .values_list("board")
        .annotate(n=Count("id"))
    )
    return [_fleet_row(board, by_board.get(board.pk, []), running.get(board.slug, 0)) for board in boards]


def _fleet_row(board: Board, slots: list[Slot], running: int) -> FleetRow:
    states = []
    for slot in slots:
        if not hasattr(slot, "som"):
            states.append((slot.number, "empty", "Empty"))
        elif slot.latched:
            states.append((slot.number, "latched", "Latched off"))
        else:
            states.append((slot.number, *LOOKS[PowerState(slot.power_state)]))
    soms = [slot for slot in slots if hasattr(slot, "som")]
    on = sum(slot.power_state == PowerState.ON for slot in soms)
    return FleetRow(board, states, on, len(soms), running)


def elsewhere(slot: Slot) -> list[str]:
    """What else goes on at this slot, for the dialog that asks before a destructive act."""
    claims = Claim.objects.filter(
        Q(resource=slot.resource(slot.board.slug)) | Q(resource=f"{slot.board.slug}/uart:{slot.number}")
    )
    return [f"{claim.purpose}, by {claim.holder} since {claim.since:%H:%M:%S} UTC" for claim in claims]
