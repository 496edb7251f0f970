"""What pages and API show of a board: read-only, in a number of queries that does not grow with boards or slots."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from hardware.budget import Budget
from hardware.sequences import Offer, allowed_resets
from hardware.som import PowerState, ResetType
from operations import refusals, reservations
from operations.models import OPEN_STATES, Claim, Operation, Reservation
from operations.roles import PORTAL, Actor
from slots.models import CONTROLLER, FIRST, LAST, Board, EvidenceKind, Slot
from slots.services import budget, power, sight
from slots.services.attention import Attention, attention
from slots.services.grounds import EvidenceLine, grounds_of
from slots.services.supply import Scale, Segment, scale_of, segments

IN_A_BAY = 3  # evidence lines that fit without the drawing changing its height


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
    held: Reservation | None = None  # who has reserved it now

    @property
    def is_controller(self) -> bool:
        return self.number == CONTROLLER

    @property
    def empty(self) -> bool:
        return not self.type_name

    @property
    def selectable(self) -> bool:
        return not self.is_controller and not self.empty

    @property
    def in_bay(self) -> list[EvidenceLine]:
        """What the drawing has room for: a line's level says nothing of the SOM, an operation says who commanded it,
        what disagrees says most."""
        left_out = {EvidenceKind.LINE.value, "command" if self.operation else ""}
        lines = [line for line in self.evidence if line.kind not in left_out]
        room = IN_A_BAY - bool(self.operation) - self.only_contradicts
        return sorted(lines, key=lambda line: not line.stands_out)[:room]

    @property
    def only_contradicts(self) -> bool:
        """Whether there is a contradiction that no line of evidence shows by itself."""
        return bool(self.slot.contradiction) and not any(line.contradicts for line in self.evidence)

    @property
    def port_words(self) -> str:
        """The switch port under the bay: a speed, `no link`, or `not read`."""
        if self.link is None:
            return "not read"
        return self.link.text.removeprefix("link up, ") if self.link.life else "no link"

    @property
    def power_lost(self) -> bool:
        """Whether nothing is known of it since the whole board lost power."""
        lost = self.slot.board.power_lost_at
        return self.look == "unknown" and lost is not None and self.slot.since == lost


@dataclass(frozen=True)
class BoardView:
    """A board as it is drawn, with what wants a person first."""

    board: Board
    slots: list[SlotView]
    budget: Budget
    segments: list[Segment]
    scale: Scale
    attention: list[Attention]
    operations: list[Operation]

    @property
    def starting_watts(self) -> float:
        return sum(view.peak_watts for view in self.slots if view.look == "up")

    @property
    def assumed(self) -> list[SlotView]:
        """The slots that count as on because nobody knows that they are off."""
        return [view for view in self.slots if view.peak_watts and (view.look == "unknown" or view.slot.contradiction)]

    @property
    def assumed_watts(self) -> float:
        return sum(view.peak_watts for view in self.assumed)


LOOKS = {
    PowerState.ON: ("on", "On"),
    PowerState.OFF: ("off", "Off"),
    PowerState.POWERING_ON: ("up", "Powering on"),
    PowerState.POWERING_OFF: ("down", "Powering off"),
    PowerState.UNKNOWN: ("unknown", "Unknown"),
}


def look_of(slot: Slot) -> tuple[str, str]:
    """The `data-state` and the word of a slot."""
    if not hasattr(slot, "som"):
        return "empty", "Empty"
    if slot.latched:
        return "latched", "Latched off"
    return LOOKS[PowerState(slot.power_state)]


def slot_rows() -> QuerySet[Slot]:
    """Slots with all that a view of them needs: two queries whatever their number."""
    return Slot.objects.select_related("som__som_type", "board").prefetch_related("evidence")


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


def open_operation(resource: str) -> Operation | None:
    """What is to be done, or being done, on one slot or switch."""
    now = timezone.now()
    open_rows = Operation.objects.filter(resource=resource, state__in=OPEN_STATES)
    rows = open_rows.select_related("power").order_by("created_at")
    return next((row for row in rows if row.shown_state(now) in OPEN_STATES), None)


def resources(board: str) -> list[str]:
    """The names under which acts on a board are audited."""
    numbers = range(FIRST, LAST + 1)
    return [board, f"{board}/switch", *(f"{board}/{kind}:{n}" for kind in ("slot", "uart") for n in numbers)]


def board_view(board: Board, actor: Actor = PORTAL) -> BoardView:
    """Everything of a board's page that `actor` sees, in a fixed number of queries. The supply carries all of it."""
    operations = sight.seen(actor, open_operations(board.slug))
    by_resource = {row.resource: row for row in reversed(operations)}
    rows = list(slot_rows().filter(board=board))
    shown = [row for row in rows if sight.sees_slot(actor, board.slug, row.number)]
    names = {row.pk: row.resource(board.slug) for row in shown}
    held = reservations.held(names.values())
    views = [slot_view(row, by_resource.get(names[row.pk]), held.get(names[row.pk])) for row in shown]
    counted = budget.board_budget(board, rows, claimed=set(by_resource))
    return BoardView(
        board=board,
        slots=views,
        budget=counted,
        segments=segments([(view.number, view.look, view.peak_watts) for view in views]),
        scale=scale_of(counted),
        attention=sight.seen_attention(actor, board.slug, attention(board, rows, counted, busy=by_resource)),
        operations=operations,
    )


def slot_view(slot: Slot, operation: Operation | None = None, held: Reservation | None = None) -> SlotView:
    som = getattr(slot, "som", None)
    look, word = look_of(slot)
    evidence = grounds_of(slot)
    counts = slot.power_state != PowerState.OFF or bool(slot.contradiction) or operation is not None
    return SlotView(
        slot=slot,
        number=slot.number,
        name=(som.name or som.som_type.name) if som else "Empty",
        type_name=som.som_type.name if som else "",
        look=look,
        word=word,
        evidence=evidence if som else [],
        operation=operation,
        peak_watts=som.som_type.peak_watts if som and counts else 0.0,
        watts_words=_watts_words(slot, operation),
        link=next((line for line in evidence if line.kind == EvidenceKind.LINK), None),
        held=held,
    )


def _watts_words(slot: Slot, operation: Operation | None) -> str:
    if not hasattr(slot, "som"):
        return ""
    peak = f"{slot.som.som_type.peak_watts:.1f} W"
    if slot.contradiction:
        return f"{peak} assumed"
    return {
        PowerState.OFF: f"{peak} in case" if operation else "0 W",
        PowerState.UNKNOWN: f"{peak} assumed",
        PowerState.POWERING_ON: f"{peak} starting",
        PowerState.POWERING_OFF: f"{peak} until Off",
    }.get(PowerState(slot.power_state), peak)


LABELS = {
    ResetType.ON: ("Power on", "power"),
    ResetType.GRACEFUL_SHUTDOWN: ("Shut down", "down"),
    ResetType.GRACEFUL_RESTART: ("Restart", "restart"),
    ResetType.PUSH_POWER_BUTTON: ("Press button", "hand"),
    ResetType.FORCE_RESTART: ("Force restart", "restart"),
    ResetType.POWER_CYCLE: ("Power cycle", "restart"),
    ResetType.FORCE_OFF: ("Force off", "off"),
}


def actions(slot: Slot, operation: Operation | None = None) -> list[Action]:
    """All reset types in the order of the page: kindest first, and a press before all where only that could start the
    SOM. An empty slot has none. While an operation is open they are those of the state before it, so that the buttons
    which it blocks stay where they are."""
    if not hasattr(slot, "som"):
        return []
    state = _state_before(slot, operation)
    offers = {offer.reset_type: offer for offer in _offers(slot, state)}
    order = list(LABELS)
    if state == PowerState.UNKNOWN and not offers[ResetType.ON].offered:
        order.sort(key=lambda reset_type: reset_type != ResetType.PUSH_POWER_BUTTON)
    return [_action(slot, state, offers[reset_type]) for reset_type in order]


def _state_before(slot: Slot, operation: Operation | None) -> PowerState:
    """What was believed when the open operation was asked for; other kinds than power commands do not keep it."""
    details = getattr(operation, "power", None)
    return PowerState(details.believed) if details else power.believed(slot)


def _offers(slot: Slot, state: PowerState) -> list[Offer]:
    if slot.is_controller or state == power.believed(slot):
        return power.offers(slot)
    return allowed_resets(power.traits_of(slot), state, latched=slot.latched, line_low=slot.line_low)


def may_be_marked_off(slot: Slot, operation: Operation | None = None) -> bool:
    """Whether a person's word that it is off could tell more than is believed already. Where only a press could start
    the SOM, the page offers it beside that press instead."""
    if not hasattr(slot, "som"):
        return False
    state = _state_before(slot, operation)
    return state != PowerState.OFF and (state != PowerState.UNKNOWN or not power.traits_of(slot).is_button)


def in_page_words(sentence: str) -> str:
    """A planner's sentence with the names of reset types as the page's buttons have them."""
    said = sentence.replace("use On", f"use {LABELS[ResetType.ON][0]}")
    for reset_type, (label, _) in LABELS.items():
        if reset_type != ResetType.ON:
            said = said.replace(reset_type.value, label)
    return said


def _action(slot: Slot, state: PowerState, offer: Offer) -> Action:
    """Whether a click asks first: never for On; for a press only where a running system would notice it."""
    label, icon = LABELS[offer.reset_type]
    strands = not slot.is_controller and power.traits_of(slot).latches_after_hold
    runs = state not in (PowerState.OFF, PowerState.UNKNOWN)
    return Action(
        reset_type=offer.reset_type.value,
        label=label,
        icon="latched" if strands and offer.reset_type == ResetType.FORCE_OFF else icon,
        offered=offer.offered,
        sentence=in_page_words(offer.sentence),
        grave=strands and offer.reset_type == ResetType.FORCE_OFF,
        asks=runs if offer.reset_type == ResetType.PUSH_POWER_BUTTON else offer.reset_type != ResetType.ON,
    )


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
    """A board in the list of boards: a strip of states instead of slots."""

    board: Board
    states: list[tuple[int, str, str]]  # number, look, word of each slot
    on: int
    soms: int
    running: int
    counted_watts: float
    supply_watts: float
    attention: list[Attention]

    @property
    def unknown(self) -> int:
        return sum(look == "unknown" for _, look, _ in self.states)

    @property
    def strip_words(self) -> str:
        """The strip as a sentence, for those who do not see it."""
        return ", ".join(f"{number} {word}" for number, _, word in self.states)


def fleet(boards: list[Board], actor: Actor = PORTAL) -> list[FleetRow]:
    """Rows for one page of boards, with the slots that `actor` sees; two queries whatever their number."""
    slots = Slot.objects.filter(board__in=boards).select_related("som__som_type").order_by("board_id", "number")
    by_board: dict[int, list[Slot]] = {}
    for slot in slots:
        by_board.setdefault(slot.board_id, []).append(slot)
    running = dict(
        Operation.objects.filter(board__in=[board.slug for board in boards], state__in=OPEN_STATES)
        .values_list("board")
        .annotate(n=Count("id"))
    )
    return [_fleet_row(board, by_board.get(board.pk, []), running.get(board.slug, 0), actor) for board in boards]


def _fleet_row(board: Board, slots: list[Slot], running: int, actor: Actor) -> FleetRow:
    counted = budget.board_budget(board, slots)
    slots = [slot for slot in slots if sight.sees_slot(actor, board.slug, slot.number)]
    soms = [slot for slot in slots if hasattr(slot, "som")]
    return FleetRow(
        board=board,
        states=[(slot.number, *look_of(slot)) for slot in slots],
        on=sum(slot.power_state == PowerState.ON for slot in soms),
        soms=len(soms),
        running=running,
        counted_watts=counted.counted_watts,
        supply_watts=counted.supply_watts,
        attention=attention(board, slots, counted, ended=[]),
    )


def budget_with(board: Board, starting: list[Slot]) -> Budget:
    """What the supply would carry with `starting` on beside what is not Off."""
    return budget.board_budget(board, slot_rows().filter(board=board), starting)


def elsewhere(slot: Slot) -> list[Claim]:
    """What else goes on at this slot, for the dialog that asks before a destructive act."""
    board = slot.board.slug
    return list(Claim.objects.filter(resource__in=[slot.resource(board), f"{board}/uart:{slot.number}"]))
