"""What each reset type means for each SOM in each state: a pure function, so every case can be looked at."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.contracts import Level
from hardware.errors import AlreadyInState, AmbiguousPowerState, LatchedOff, NotSupported, SequenceRefused
from hardware.sequences import (
    AwaitObserved,
    Drive,
    Sequence,
    Wait,
    allowed_resets,
    reset_sequence,
    switch_reset_sequence,
)
from hardware.som import CM4, CM5, LM3H, M4N, TRAITS, LineKind, PowerState, ResetType, SomTraits

LOW, HIGH = Drive(Level.LOW), Drive(Level.HIGH)
ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN
POWERING_ON, POWERING_OFF = PowerState.POWERING_ON, PowerState.POWERING_OFF
RESTARTS = (ResetType.GRACEFUL_RESTART, ResetType.FORCE_RESTART, ResetType.POWER_CYCLE)

seconds = st.floats(min_value=0.1, max_value=5.0)


@st.composite
def button_soms(draw: st.DrawFn) -> SomTraits:
    press = draw(seconds)
    hold = draw(st.none() | seconds.map(lambda more: press + more))
    return SomTraits.from_mapping(
        {
            **CM5.to_mapping(),
            "name": "Third",
            "press_seconds": press,
            "force_off_seconds": hold,
            "latches_after_hold": hold is not None and draw(st.booleans()),
            "graceful": draw(st.booleans()),
        }
    )


@st.composite
def level_soms(draw: st.DrawFn) -> SomTraits:
    return SomTraits.from_mapping({**CM4.to_mapping(), "name": "Third", "pulse_seconds": draw(seconds)})


situations = {
    "reset_type": st.sampled_from(ResetType),
    "believed": st.sampled_from(PowerState),
    "latched": st.booleans(),
    "line_low": st.booleans(),
}


def planned(traits: SomTraits, **situation: object) -> Sequence | None:
    try:
        return reset_sequence(traits, **situation)  # type: ignore[arg-type]
    except SequenceRefused:
        return None


def shape(sequence: Sequence) -> list[object]:
    """Levels, waits in seconds and awaited states, without the words."""
    shaped: list[object] = []
    for step in sequence.steps:
        match step:
            case Drive(level):
                shaped.append(level.name)
            case Wait(waited, _):
                shaped.append(waited)
            case AwaitObserved(state, _, _):
                shaped.append(state)
    return shaped


# Whatever the SOM.


@given(som=button_soms(), **situations)
def test_every_sequence_of_a_button_som_ends_released(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if sequence is not None:
        assert sequence.safe_level is Level.HIGH
        assert [step for step in sequence.steps if isinstance(step, Drive)][-1] == HIGH


@given(som=button_soms(), **situations)
def test_no_button_som_is_restarted_by_a_single_press(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if sequence is not None and situation["reset_type"] in RESTARTS:
        second_press = max(index for index, step in enumerate(sequence.steps) if step == LOW)
        before = sequence.steps[:second_press]
        assert LOW in before
        assert any(isinstance(step, AwaitObserved) and step.state is OFF for step in before)


@given(som=button_soms(), **situations)
def test_a_button_som_that_latches_is_held_only_to_force_it_off(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if sequence is None or not som.latches_after_hold:
        return
    longest = max(sequence.hold_seconds(index) for index, step in enumerate(sequence.steps) if step == LOW)
    is_force_off = situation["reset_type"] is ResetType.FORCE_OFF
    assert sequence.latches is is_force_off
    assert (longest > som.press_seconds) is is_force_off


@given(som=button_soms(), **situations)
def test_a_latched_som_is_never_asked_to_start(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **{**situation, "latched": True})
    if sequence is not None:
        assert situation["reset_type"] is ResetType.FORCE_OFF


@given(som=button_soms(), **situations)
def test_no_press_is_planned_where_it_could_do_the_opposite(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if situation["reset_type"] is ResetType.ON:
        assert sequence is None or situation["believed"] is OFF
    if situation["reset_type"] in (ResetType.GRACEFUL_SHUTDOWN, ResetType.GRACEFUL_RESTART):
        assert sequence is None or situation["believed"] is ON


@given(som=level_soms(), **situations)
def test_a_level_som_is_low_afterwards_only_when_it_was_forced_off(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if sequence is not None:
        assert sequence.safe_level is None
        assert (sequence.steps[-1] == LOW) is (situation["reset_type"] is ResetType.FORCE_OFF)


@given(som=button_soms() | level_soms(), **situations)
def test_a_sequence_survives_being_stored(som: SomTraits, **situation: object) -> None:
    sequence = planned(som, **situation)
    if sequence is not None:
        assert Sequence.from_json(json.loads(json.dumps(sequence.to_json()))) == sequence


@given(som=button_soms() | level_soms(), believed=st.sampled_from(PowerState), latched=st.booleans())
def test_every_reset_type_is_offered_or_refused_in_sentences(
    som: SomTraits, believed: PowerState, latched: bool
) -> None:
    offers = allowed_resets(som, believed, latched=latched)
    assert [offer.reset_type for offer in offers] == list(ResetType)
    for offer in offers:
        assert offer.sentence.endswith(".")
        assert offer.sentence[0].isupper()
        assert som.name in offer.sentence or "power button" in offer.sentence


# The vendor's four, case by case.


@pytest.mark.parametrize("som", [CM4, M4N])
def test_a_level_som_starts_by_a_pulse_because_its_line_may_be_high_already(som: SomTraits) -> None:
    sequence = reset_sequence(som, ResetType.ON, OFF)
    assert shape(sequence) == ["LOW", 1.0, "HIGH"]
    assert sequence.result is POWERING_ON
    assert "If it is running" not in " ".join(sequence.summary)


def test_a_level_som_that_is_held_low_is_just_released() -> None:
    assert shape(reset_sequence(CM4, ResetType.ON, OFF, line_low=True)) == ["HIGH"]


def test_starting_a_level_som_of_unknown_state_says_that_it_may_reset_it() -> None:
    assert "If it is running after all, this resets it" in reset_sequence(CM4, ResetType.ON, UNKNOWN).summary[1]


def test_a_level_som_is_forced_off_by_holding_its_line_low() -> None:
    sequence = reset_sequence(CM4, ResetType.FORCE_OFF, ON)
    assert (shape(sequence), sequence.result) == (["LOW"], OFF)


def test_a_halted_level_som_can_be_held_off_but_one_that_is_held_off_cannot_again() -> None:
    assert shape(reset_sequence(CM4, ResetType.FORCE_OFF, OFF)) == ["LOW"]
    with pytest.raises(AlreadyInState, match="The CM4 is off already"):
        reset_sequence(CM4, ResetType.FORCE_OFF, OFF, line_low=True)


def test_a_level_som_restarts_by_1_s_and_is_power_cycled_by_5_s() -> None:
    assert shape(reset_sequence(CM4, ResetType.FORCE_RESTART, ON)) == ["LOW", 1.0, "HIGH"]
    assert shape(reset_sequence(CM4, ResetType.POWER_CYCLE, ON)) == ["LOW", 5.0, "HIGH"]


@pytest.mark.parametrize("reset_type", ["GracefulShutdown", "GracefulRestart", "PushPowerButton"])
def test_a_level_som_has_neither_button_nor_grace(reset_type: str) -> None:
    with pytest.raises(NotSupported, match="The CM4's reset line"):
        reset_sequence(CM4, ResetType(reset_type), ON)


@pytest.mark.parametrize("som", TRAITS.values())
@pytest.mark.parametrize("believed", [ON, POWERING_ON])
def test_what_is_on_is_not_started_again(som: SomTraits, believed: PowerState) -> None:
    with pytest.raises(AlreadyInState):
        reset_sequence(som, ResetType.ON, believed)


@pytest.mark.parametrize("som", [CM5, LM3H])
def test_a_button_som_that_is_off_starts_by_a_short_press(som: SomTraits) -> None:
    sequence = reset_sequence(som, ResetType.ON, OFF)
    assert (shape(sequence), sequence.result) == (["LOW", 1.0, "HIGH"], POWERING_ON)


@pytest.mark.parametrize("believed", [UNKNOWN, POWERING_OFF])
def test_starting_a_button_som_that_may_be_on_names_the_two_ways_out(believed: PowerState) -> None:
    with pytest.raises(AmbiguousPowerState, match=r'"Mark as off".*PushPowerButton'):
        reset_sequence(CM5, ResetType.ON, believed)


def test_a_cm5_is_forced_off_by_8_s_and_latches() -> None:
    sequence = reset_sequence(CM5, ResetType.FORCE_OFF, ON)
    assert (shape(sequence), sequence.result, sequence.latches) == (["LOW", 8.0, "HIGH"], OFF, True)
    assert sequence.summary[-1] == (
        "It then ignores its button: only a loss of power of the whole board brings it back."
    )


def test_an_lm3h_is_forced_off_by_8_s_and_does_not_latch() -> None:
    sequence = reset_sequence(LM3H, ResetType.FORCE_OFF, UNKNOWN)
    assert (shape(sequence), sequence.latches) == (["LOW", 8.0, "HIGH"], False)


def test_a_button_som_that_is_off_is_not_held() -> None:
    with pytest.raises(AlreadyInState):
        reset_sequence(CM5, ResetType.FORCE_OFF, OFF)


def test_a_latched_cm5_is_not_started_and_says_what_to_do() -> None:
    for reset_type in (ResetType.ON, ResetType.PUSH_POWER_BUTTON):
        with pytest.raises(LatchedOff, match="until the whole board loses power"):
            reset_sequence(CM5, reset_type, OFF, latched=True)


def test_a_som_that_may_be_latched_can_still_be_forced_off_if_it_turns_out_to_run() -> None:
    assert shape(reset_sequence(CM5, ResetType.FORCE_OFF, ON, latched=True)) == ["LOW", 8.0, "HIGH"]


def test_a_cm5_shuts_down_by_a_press_and_is_given_90_s() -> None:
    sequence = reset_sequence(CM5, ResetType.GRACEFUL_SHUTDOWN, ON)
    assert (shape(sequence), sequence.result) == (["LOW", 1.0, "HIGH", OFF], OFF)
    assert sequence.longest_seconds == 91.0


def test_a_cm5_restarts_by_a_press_an_observed_off_a_pause_and_a_press() -> None:
    sequence = reset_sequence(CM5, ResetType.GRACEFUL_RESTART, ON)
    assert (shape(sequence), sequence.result) == (["LOW", 1.0, "HIGH", OFF, 5.0, "LOW", 1.0, "HIGH"], POWERING_ON)


@pytest.mark.parametrize("believed", [UNKNOWN, POWERING_ON])
def test_a_cm5_that_may_be_off_is_not_asked_to_shut_down(believed: PowerState) -> None:
    with pytest.raises(AmbiguousPowerState, match="could start it instead"):
        reset_sequence(CM5, ResetType.GRACEFUL_SHUTDOWN, believed)


@pytest.mark.parametrize("believed", [OFF, POWERING_OFF])
def test_a_cm5_that_is_going_off_is_not_asked_again(believed: PowerState) -> None:
    with pytest.raises(AlreadyInState):
        reset_sequence(CM5, ResetType.GRACEFUL_SHUTDOWN, believed)


def test_an_lm3h_is_not_shut_down_gracefully_because_nobody_knows_how() -> None:
    with pytest.raises(NotSupported, match="not documented"):
        reset_sequence(LM3H, ResetType.GRACEFUL_SHUTDOWN, ON)


def test_an_lm3h_restarts_by_a_hold_an_observed_off_a_pause_and_a_press() -> None:
    sequence = reset_sequence(LM3H, ResetType.FORCE_RESTART, ON)
    assert shape(sequence) == ["LOW", 8.0, "HIGH", OFF, 5.0, "LOW", 1.0, "HIGH"]


def test_an_lm3h_that_is_off_is_not_restarted_but_started() -> None:
    with pytest.raises(AlreadyInState, match="use On"):
        reset_sequence(LM3H, ResetType.FORCE_RESTART, OFF)


@pytest.mark.parametrize("reset_type", [ResetType.FORCE_RESTART, ResetType.POWER_CYCLE])
@pytest.mark.parametrize("believed", PowerState)
def test_a_cm5_is_never_restarted_by_force_and_names_the_graceful_way(
    reset_type: ResetType, believed: PowerState
) -> None:
    with pytest.raises(NotSupported, match="GracefulRestart"):
        reset_sequence(CM5, reset_type, believed)


@pytest.mark.parametrize(
    ("som", "believed", "result"),
    [
        (CM5, OFF, POWERING_ON),
        (CM5, ON, POWERING_OFF),
        (CM5, UNKNOWN, UNKNOWN),
        (LM3H, OFF, POWERING_ON),
        (LM3H, ON, UNKNOWN),
        (LM3H, UNKNOWN, UNKNOWN),
    ],
)
def test_pressing_the_button_is_believed_to_do_what_is_known_of_it(
    som: SomTraits, believed: PowerState, result: PowerState
) -> None:
    sequence = reset_sequence(som, ResetType.PUSH_POWER_BUTTON, believed)
    assert (shape(sequence), sequence.result) == (["LOW", 1.0, "HIGH"], result)


def test_pressing_the_button_in_an_unknown_state_says_what_it_does_in_either() -> None:
    summary = " ".join(reset_sequence(CM5, ResetType.PUSH_POWER_BUTTON, UNKNOWN).summary)
    assert "if the CM5 is off it powers on, if it is on it asks its operating system to shut down" in summary


def test_the_switch_chip_is_reset_for_100_ms_and_always_released() -> None:
    sequence = switch_reset_sequence()
    assert (shape(sequence), sequence.safe_level) == (["LOW", 0.1, "HIGH"], Level.HIGH)


# Sequences as values.


def test_a_sequence_whose_safe_level_is_not_its_last_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="ends at that level"):
        Sequence((HIGH, LOW), Level.HIGH, OFF, False, ())


def test_a_sequence_that_drives_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least once"):
        Sequence((Wait(1.0, "for nothing"),), None, OFF, False, ())


def test_a_stored_sequence_with_an_unknown_step_is_refused() -> None:
    stored = reset_sequence(CM4, ResetType.ON, OFF).to_json()
    stored["steps"][0] = {"step": "toggle"}
    with pytest.raises(ValueError, match="no step 'toggle'"):
        Sequence.from_json(stored)


def test_the_traits_of_the_four_soms_are_what_the_planner_was_written_for() -> None:
    assert {name: traits.line_kind for name, traits in TRAITS.items()} == {
        "LM3H": LineKind.BUTTON,
        "M4N": LineKind.LEVEL,
        "CM4": LineKind.LEVEL,
        "CM5": LineKind.BUTTON,
    }
