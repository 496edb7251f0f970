"""What a dialog asks before an act that can hurt: the consequence, what guards it, the words on its buttons."""

from dataclasses import dataclass, field, replace

from django.urls import reverse

from hardware.som import PowerState, ResetType
from operations import reservations
from operations.models import Claim
from operations.roles import Actor
from slots.models import Board, Slot
from slots.services import fenced, overview, power, sight

KINDER = "Shut down is the kind way, and does not strand it."


@dataclass(frozen=True)
class Question:
    """One dialog. `match` is what has to be typed before `go` works; `stay` refuses, and has the focus."""

    title: str
    sentences: list[str]
    url: str
    go: str
    stay: str = "Leave it alone"
    into: str = "slot"  # id of the element that shows the result
    hidden: dict[str, str] = field(default_factory=dict)
    place: str = ""  # "slot 3": where something else may go on
    claims: list[Claim] = field(default_factory=list)
    match: str = ""
    match_what: str = ""
    reason_needed: bool = False
    grave: bool = False
    harmful: bool = True


def reset(slot: Slot, reset_type: ResetType, *, key: str) -> Question:
    """Before a power command. A hold that strands the SOM needs its name typed and a reason."""
    actions = {action.reset_type: action for action in overview.actions(slot)}
    action = actions[reset_type.value]
    name, act = overview.slot_view(slot).name, action.label
    press = reset_type == ResetType.PUSH_POWER_BUTTON
    plain = Question(
        title=f"{'Press the button of' if press else act} slot {slot.number}, {name}?",
        sentences=_sentences(action.sentence),
        url=_url("reset", slot),
        go=f"{'Press the button of' if press else act} slot {slot.number}",
        stay="Leave it running" if slot.power_state == PowerState.ON else "Leave it alone",
        hidden={"reset_type": reset_type.value, "key": key},
        place=f"slot {slot.number}",
        claims=overview.elsewhere(slot),
    )
    if not action.grave:
        return plain
    strands = (
        f"This strands the {slot.som.som_type}: it does not start again until the whole board loses power, which takes "
        "every other slot down with it, this portal included."
    )
    return replace(
        plain,
        sentences=[strands, *plain.sentences, *([KINDER] if actions[ResetType.GRACEFUL_SHUTDOWN].offered else [])],
        go=f"Hold {power.traits_of(slot).force_off_seconds:g} s and strand slot {slot.number}",
        hidden=plain.hidden | {"accept_stranding": "on"},
        match=name,
        match_what="the slot’s name",
        reason_needed=True,
        grave=True,
    )


def mark_off(slot: Slot) -> Question:
    return Question(
        title=f"Is slot {slot.number} off?",
        sentences=[
            "Your word becomes the state of this slot, and power commands are planned with it.",
            "If it is running after all, a press that is meant to start it asks it to shut down instead.",
        ],
        url=_url("mark-off", slot),
        go="I have seen that it is off",
        stay="I do not know",
        harmful=False,
    )


def clear_latch(slot: Slot) -> Question:
    return Question(
        title=f"Was the board without power since slot {slot.number} was held?",
        sentences=[
            "Only a loss of power of the whole board makes the button work again.",
            "If the board kept its power, slot and portal go on as before: a press then does nothing.",
        ],
        url=_url("clear-latch", slot),
        go="The board was without power",
        stay="It was not",
        harmful=False,
    )


def remove_som(slot: Slot) -> Question:
    return Question(
        title=f"Record slot {slot.number} as empty?",
        sentences=[
            "What is recorded of its SOM is dropped, and what was believed of its state with it.",
            "Nothing is switched. The audit log keeps the old record.",
        ],
        url=_url("remove-som", slot),
        go=f"Record slot {slot.number} as empty",
        stay="Keep the record",
        into="slot-som",
    )


def reset_switch(board: Board, actor: Actor) -> Question:
    return Question(
        title="Reset the switch chip?",
        sentences=[fenced.SWITCH_RESET_CONSEQUENCE, *_whose(board, actor)],
        url=reverse("slots:reset-switch", args=[board.slug]),
        go="Reset the switch chip",
        into="switch-reset",
        match=board.slug,
        match_what="the board’s name",
        reason_needed=True,
        grave=True,
    )


def restart_controller(board: Board, actor: Actor) -> Question:
    """Before slot 1 is restarted by its own operating system."""
    return Question(
        title="Restart the controller, slot 1?",
        sentences=[
            "This portal runs on it and is away until it is back.",
            fenced.controller_restart_words(board)[1],
            *_whose(board, actor),
        ],
        url=reverse("slots:restart-controller", args=[board.slug]),
        go="Restart the controller",
        match=board.slug,
        match_what="the board’s name",
        reason_needed=True,
        grave=True,
    )


def _whose(board: Board, actor: Actor) -> list[str]:
    """Who has which slot, as far as `actor` may know: what is done to the whole board stops for nobody."""
    held = reservations.held(slot.resource(board.slug) for slot in board.slots.all())
    return [reservations.words(held[name]) for name in sorted(held) if sight.sees(actor, name)]


def _url(name: str, slot: Slot) -> str:
    return reverse(f"slots:{name}", kwargs={"board": slot.board.slug, "number": slot.number})


def _sentences(text: str) -> list[str]:
    """The first sentence of a planner's summary stands alone; what cannot be undone follows."""
    first, _, rest = text.partition(". ")
    return [f"{first}.", rest] if rest else [text]
