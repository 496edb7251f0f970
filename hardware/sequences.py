"""What a reset type means for a SOM in the state that we believe it to be in. Pure: opens nothing, knows no clock."""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.contracts import Level
from hardware.errors import AlreadyInState, AmbiguousPowerState, LatchedOff, NotSupported, SequenceRefused
from hardware.som import PowerState, ResetType, SomTraits
from hardware.steps import AwaitObserved, Drive, Sequence, Step, Wait

__all__ = [
    "AwaitObserved",
    "Drive",
    "Offer",
    "Sequence",
    "Step",
    "Wait",
    "allowed_resets",
    "reset_sequence",
    "switch_reset_sequence",
]

POWER_CYCLE_LOW_SECONDS = 5.0  # UNVERIFIED: longer than the 1 s reset, for what keeps its charge
OFF_TIMEOUT_SECONDS = 90.0  # systemd's own default limit for stopping a service, then the SOM cuts its power
SETTLE_SECONDS = 5.0  # UNVERIFIED; owners saw a CM5 start again when pressed 2 s after its shutdown
SWITCH_RESET_SECONDS = 0.1  # "100 ms is enough": the vendor's own command toggles the line without a pause


@dataclass(frozen=True)
class Offer:
    """One reset type for a page: what it will do, or, if it is not `offered`, why not. `sentence` is for a person."""

    reset_type: ResetType
    offered: bool
    sentence: str


def allowed_resets(
    traits: SomTraits, believed: PowerState, *, latched: bool = False, line_low: bool = False
) -> list[Offer]:
    """Every reset type, in Redfish's order, with what it would do to this SOM now or why it is not offered."""
    offers = []
    for reset_type in ResetType:
        try:
            sequence = reset_sequence(traits, reset_type, believed, latched=latched, line_low=line_low)
        except SequenceRefused as refusal:
            offers.append(Offer(reset_type, False, str(refusal)))
        else:
            offers.append(Offer(reset_type, True, " ".join(sequence.summary)))
    return offers


def reset_sequence(
    traits: SomTraits,
    reset_type: ResetType,
    believed: PowerState,
    *,
    latched: bool = False,
    line_low: bool = False,
) -> Sequence:
    """The steps by which this SOM does what was asked.

    Args:
        latched: the SOM may be ignoring its button since a long press (a `Sequence.latches` that was run).
        line_low: the reset line is known to be driven low now; only a level line cares.

    Raises:
        NotSupported: this type of SOM cannot do it.
        AlreadyInState: it is there already, or on its way.
        AmbiguousPowerState: it might do the opposite.
        LatchedOff: the button does nothing until the whole board loses power.
    """
    plans = _BUTTON_PLANS if traits.is_button else _LEVEL_PLANS
    return plans[reset_type](_Situation(traits, believed, latched, line_low))


def switch_reset_sequence() -> Sequence:
    """The reset of the switch chip (line `SWITCH_RESET_LINE`), which is released on any exit."""
    return Sequence(
        steps=_press(SWITCH_RESET_SECONDS, "the switch chip's reset"),
        safe_level=Level.HIGH,
        result=PowerState.UNKNOWN,
        latches=False,
        summary=(
            "The switch chip restarts: every link drops for seconds, the portal's own uplink included.",
            "VLAN and port settings that its firmware does not restore are lost.",
        ),
    )


@dataclass(frozen=True)
class _Situation:
    """Everything that a plan depends on."""

    traits: SomTraits
    believed: PowerState
    latched: bool
    line_low: bool

    @property
    def name(self) -> str:
        return self.traits.name


LOSS = "What it has not written to its storage is lost."

# Level lines: held low the SOM is off, released it runs.


def _level_on(som: _Situation) -> Sequence:
    _refuse_if_already(som, PowerState.ON, PowerState.POWERING_ON)
    if som.line_low:
        return _level_sequence((Drive(Level.HIGH),), PowerState.POWERING_ON, f"The {som.name} is released and boots.")
    # A SOM that its own operating system halted has its line high already: only a pulse starts it.
    steps = _press(som.traits.pulse_seconds, "the reset pulse that starts it")
    summary = [f"The {som.name} gets a reset pulse of {som.traits.pulse_seconds:g} s and boots."]
    if som.believed is not PowerState.OFF:
        summary.append("If it is running after all, this resets it, and what it has not written is lost.")
    return _level_sequence(steps, PowerState.POWERING_ON, *summary)


def _level_force_off(som: _Situation) -> Sequence:
    if som.line_low:
        _refuse_if_already(som, PowerState.OFF)
    return _level_sequence(
        (Drive(Level.LOW),),
        PowerState.OFF,
        f"The {som.name} is held in reset at once and stays off until it is released.",
        LOSS,
    )


def _level_restart(som: _Situation) -> Sequence:
    return _level_pulse(som, som.traits.pulse_seconds)


def _level_power_cycle(som: _Situation) -> Sequence:
    return _level_pulse(som, POWER_CYCLE_LOW_SECONDS)


def _level_pulse(som: _Situation, seconds: float) -> Sequence:
    return _level_sequence(
        _press(seconds, "held in reset"),
        PowerState.POWERING_ON,
        f"The {som.name} is held in reset for {seconds:g} s and boots.",
        LOSS,
    )


def _level_no_button(som: _Situation) -> Sequence:
    raise NotSupported(f"The {som.name}'s reset line is not a power button: use On, ForceOff or ForceRestart.")


def _level_not_graceful(som: _Situation) -> Sequence:
    raise NotSupported(
        f"The {som.name}'s reset line cannot ask its operating system for anything: shut it down from within."
    )


# Button lines: a short press powers on or asks for a shutdown, a long one cuts power.


def _button_on(som: _Situation) -> Sequence:
    _refuse_if_already(som, PowerState.ON, PowerState.POWERING_ON)
    _refuse_if_latched(som)
    if som.believed is not PowerState.OFF:
        raise AmbiguousPowerState(
            f"It is not known whether the {som.name} is off, and a press of its button could shut it down: "
            f'use "Mark as off" if it is, or PushPowerButton, which does the one or the other.'
        )
    return _press_sequence(som, PowerState.POWERING_ON, f"The {som.name} powers on and boots.")


def _button_force_off(som: _Situation) -> Sequence:
    _refuse_if_already(som, PowerState.OFF)
    summary = [
        f"The power button is held for {_force_off_seconds(som):g} s and the {som.name} is cut off.",
        LOSS,
    ]
    if som.traits.latches_after_hold:
        summary.append("It then ignores its button: only a loss of power of the whole board brings it back.")
    return Sequence(
        steps=_press(_force_off_seconds(som), "the power button held until the power is cut"),
        safe_level=Level.HIGH,
        result=PowerState.OFF,
        latches=som.traits.latches_after_hold,
        summary=tuple(summary),
    )


def _button_force_restart(som: _Situation) -> Sequence:
    return _button_off_and_on(som, SETTLE_SECONDS)


def _button_power_cycle(som: _Situation) -> Sequence:
    return _button_off_and_on(som, max(SETTLE_SECONDS, POWER_CYCLE_LOW_SECONDS))


def _button_off_and_on(som: _Situation, off_seconds: float) -> Sequence:
    """Off, seen off, on: one press alone would only shut a running SOM down."""
    hold_seconds = _force_off_seconds(som)
    if som.traits.latches_after_hold:
        alternative = "use GracefulRestart" if som.traits.graceful else "restart it from within"
        raise NotSupported(
            f"Once forced off, the {som.name} does not start again until the whole board loses power: {alternative}."
        )
    if som.believed is PowerState.OFF:
        raise AlreadyInState(f"The {som.name} is off: use On to start it.")
    _refuse_if_latched(som)
    return Sequence(
        steps=(
            *_press(hold_seconds, "the power button held until the power is cut"),
            AwaitObserved(PowerState.OFF, OFF_TIMEOUT_SECONDS, "it has to be off before the button starts it"),
            Wait(off_seconds, "off for a moment, so that the press starts it"),
            *_press(som.traits.press_seconds, "the press that starts it"),
        ),
        safe_level=Level.HIGH,
        result=PowerState.POWERING_ON,
        latches=False,
        summary=(
            f"The power button is held for {hold_seconds:g} s until the {som.name} is off, then a press starts it.",
            LOSS,
        ),
    )


def _button_graceful_shutdown(som: _Situation) -> Sequence:
    _refuse_unless_surely_on(som)
    return Sequence(
        steps=_graceful_steps(som),
        safe_level=Level.HIGH,
        result=PowerState.OFF,
        latches=False,
        summary=(
            f"A press of {som.traits.press_seconds:g} s asks the {som.name}'s operating system to shut down; "
            f"it is given {OFF_TIMEOUT_SECONDS:g} s.",
            "What runs there ends.",
        ),
    )


def _button_graceful_restart(som: _Situation) -> Sequence:
    _refuse_unless_surely_on(som)
    return Sequence(
        steps=(
            *_graceful_steps(som),
            Wait(SETTLE_SECONDS, "a press too soon after the shutdown may be taken for part of it"),
            *_press(som.traits.press_seconds, "the press that starts it"),
        ),
        safe_level=Level.HIGH,
        result=PowerState.POWERING_ON,
        latches=False,
        summary=(
            f"A press of {som.traits.press_seconds:g} s asks the {som.name}'s operating system to shut down; "
            "once it is seen to be off, a second press starts it.",
            "What runs there ends.",
        ),
    )


def _button_push(som: _Situation) -> Sequence:
    _refuse_if_latched(som)
    pressed = f"The power button is pressed for {som.traits.press_seconds:g} s:"
    if_on = "asks its operating system to shut down" if som.traits.graceful else "does something that is not documented"
    if som.believed is PowerState.OFF:
        return _press_sequence(som, PowerState.POWERING_ON, f"{pressed} the {som.name} powers on.")
    if som.believed is PowerState.ON:
        result = PowerState.POWERING_OFF if som.traits.graceful else PowerState.UNKNOWN
        return _press_sequence(som, result, f"{pressed} the {som.name} {if_on}.", "What runs there may end.")
    return _press_sequence(
        som,
        PowerState.UNKNOWN,
        f"{pressed} if the {som.name} is off it powers on, if it is on it {if_on}.",
        "What runs there may end.",
    )


def _graceful_steps(som: _Situation) -> tuple[Step, ...]:
    return (
        *_press(som.traits.press_seconds, "the press that asks for a shutdown"),
        AwaitObserved(PowerState.OFF, OFF_TIMEOUT_SECONDS, "its operating system is shutting down"),
    )


def _force_off_seconds(som: _Situation) -> float:
    if som.traits.force_off_seconds is None:
        raise NotSupported(f"No press of its button, however long, is known to cut the {som.name} off.")
    return som.traits.force_off_seconds


def _refuse_if_already(som: _Situation, *states: PowerState) -> None:
    if som.believed in states:
        raise AlreadyInState(f"The {som.name} is {_WORDS[som.believed]} already.")


def _refuse_if_latched(som: _Situation) -> None:
    if som.latched:
        raise LatchedOff(
            f"The {som.name} is latched off: it ignores its power button until the whole board loses power."
        )


def _refuse_unless_surely_on(som: _Situation) -> None:
    """A press asks for a shutdown only if there is a running operating system; else it might start the SOM."""
    if not som.traits.graceful:
        raise NotSupported(
            f"What a short press does to a running {som.name} is not documented: shut it down from within."
        )
    _refuse_if_already(som, PowerState.OFF, PowerState.POWERING_OFF)
    _refuse_if_latched(som)
    if som.believed is not PowerState.ON:
        raise AmbiguousPowerState(
            f"It is not known whether the {som.name} is running yet, and a press of its button could start it "
            "instead: wait until it is seen to be on, or use PushPowerButton."
        )


def _press(seconds: float, why: str) -> tuple[Step, ...]:
    """Low for a time, then high: a button's press, or a level line's pulse."""
    return (Drive(Level.LOW), Wait(seconds, why), Drive(Level.HIGH))


def _press_sequence(som: _Situation, result: PowerState, *summary: str) -> Sequence:
    return Sequence(_press(som.traits.press_seconds, "the power button pressed"), Level.HIGH, result, False, summary)


def _level_sequence(steps: tuple[Step, ...], result: PowerState, *summary: str) -> Sequence:
    return Sequence(steps, None, result, False, summary)


_WORDS = {
    PowerState.ON: "on",
    PowerState.OFF: "off",
    PowerState.POWERING_ON: "powering on",
    PowerState.POWERING_OFF: "shutting down",
}

_LEVEL_PLANS: dict[ResetType, Callable[[_Situation], Sequence]] = {
    ResetType.ON: _level_on,
    ResetType.FORCE_OFF: _level_force_off,
    ResetType.GRACEFUL_SHUTDOWN: _level_not_graceful,
    ResetType.GRACEFUL_RESTART: _level_not_graceful,
    ResetType.FORCE_RESTART: _level_restart,
    ResetType.POWER_CYCLE: _level_power_cycle,
    ResetType.PUSH_POWER_BUTTON: _level_no_button,
}

_BUTTON_PLANS: dict[ResetType, Callable[[_Situation], Sequence]] = {
    ResetType.ON: _button_on,
    ResetType.FORCE_OFF: _button_force_off,
    ResetType.GRACEFUL_SHUTDOWN: _button_graceful_shutdown,
    ResetType.GRACEFUL_RESTART: _button_graceful_restart,
    ResetType.FORCE_RESTART: _button_force_restart,
    ResetType.POWER_CYCLE: _button_power_cycle,
    ResetType.PUSH_POWER_BUTTON: _button_push,
}
