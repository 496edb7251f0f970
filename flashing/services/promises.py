"""What a flash does to a slot's power: how its boot ROM is entered, and what is promised for afterwards."""

from dataclasses import dataclass

from flashing.models import Method
from hardware.errors import SequenceRefused
from hardware.sequences import reset_sequence
from hardware.som import PowerState, ResetType
from hardware.steps import AwaitObserved, Sequence
from operations import refusals
from slots.models import Slot
from slots.services import power

RUNS = (PowerState.ON, PowerState.POWERING_ON)


@dataclass(frozen=True)
class Promise:
    """The power before and afterwards, in one sentence; `hands` says whether a person has to do something on the way.

    `after` is Unknown where only hands can bring the SOM out of its boot ROM again.
    """

    before: PowerState
    after: PowerState
    words: str
    hands: bool


def promise(slot: Slot, method: str) -> Promise:
    """What is promised for `slot`, as things stand. Raises the refusal that fits if it cannot be flashed so now."""
    traits = power.traits_of(slot)
    before = power.believed(slot)
    if method == Method.NETWORK:
        if before not in (*RUNS, PowerState.UNKNOWN):
            raise refusals.Conflict(
                f"Slot {slot.number} is {before}: over the network it is written by the Linux that runs on it.",
                code="not-running",
            )
        return Promise(before, before, "It stays on; restart it to run what was written.", False)
    if method == Method.UMS:
        words = "It stays in its boot loader's disk mode until hands reset it; its power is Unknown until then."
        return Promise(before, PowerState.UNKNOWN, words, True)
    if method != Method.RPIBOOT:
        return Promise(before, before, "Its power is not touched.", False)
    press(slot)
    if not traits.is_button:
        if before in RUNS:
            return Promise(before, PowerState.ON, "Restarted afterwards, as it was on before.", True)
        words = "Left off afterwards, its line held low" + (
            "." if before == PowerState.OFF else ": nobody knows if it ran."
        )
        return Promise(before, PowerState.OFF, words, True)
    if not traits.latches_after_hold and traits.force_off_seconds is not None:
        held = f"its button held for {traits.force_off_seconds:g} s"
        return Promise(before, PowerState.OFF, f"Forced off afterwards, {held}, as it was off before.", True)
    return Promise(
        before,
        PowerState.UNKNOWN,
        f"The {traits.name} stays in download mode afterwards and its power is Unknown: only a board without power "
        "brings it out of that.",
        True,
    )


def press(slot: Slot) -> Sequence:
    """How the slot's line makes its SOM start anew, into the boot ROM if BOOT is held. Raises the refusal that fits:
    a button must be known to start it and not to stop it."""
    if slot.is_controller:
        raise refusals.ControllerSlotProtected(power.CONTROLLER_WORDS)
    traits, before = power.traits_of(slot), power.believed(slot)
    if traits.is_button and before != PowerState.OFF:
        raise refusals.Conflict(
            f"Slot {slot.number} is {before}, and the button of a {traits.name} only starts one that is off: shut it "
            'down first, or "Mark as off" if it is.',
            code="not-off",
        )
    kind = ResetType.ON if traits.is_button else ResetType.FORCE_RESTART
    try:
        sequence = reset_sequence(traits, kind, before, latched=slot.latched, line_low=slot.line_low)
    except SequenceRefused as refused:
        raise power.as_refusal(refused) from refused
    steps = tuple(step for step in sequence.steps if not isinstance(step, AwaitObserved))
    return Sequence(steps, sequence.safe_level, sequence.result, sequence.latches, sequence.summary)
