"""What is believed of a SOM's power follows from what was commanded and what is seen, and from nothing else.

Written from the rules: Observed On is a link that is up, printable bytes of the last 60 s, or a probe that answers.
Observed Off is a link that is down and a console silent for 30 s and nothing that answers, where link or console have
worked before; or a person says so. Unknown otherwise.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.som import PowerState
from slots.services.evidence import COMMANDED, OBSERVED, PERSON, Belief, Reading, Windows, assess, signs_of_life

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN
POWERING_ON, POWERING_OFF = PowerState.POWERING_ON, PowerState.POWERING_OFF


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def link(up: bool | None, *, read: float = 1, worked: float | None = None) -> Reading:
    """The switch port, read that many seconds ago; it last was up `worked` seconds ago, never if that is None."""
    life_at = ago(read) if up else None if worked is None else ago(worked)
    return Reading("link", "link up, 1 Gb/s" if up else "link down", up, ago(read), life_at)


def uart(printed: float | None, *, read: float = 1, away: bool = False) -> Reading:
    """The console: its last printable byte that many seconds ago, never if that is None."""
    life = None if away else printed is not None and printed < 60
    life_at = None if printed is None else ago(printed)
    return Reading("uart", "serial port away" if away else "console", life, ago(read), life_at)


def probe(answers: bool, *, read: float = 1) -> Reading:
    return Reading(
        "probe", "10.0.0.3:22 answers" if answers else "", answers, ago(read), ago(read) if answers else None
    )


LINE = Reading("line", "released, reads high", None, ago(1))
NOTHING_KNOWN = Belief(UNKNOWN, OBSERVED, None)

# What was never commanded: the readings alone.
OBSERVATIONS = {
    "no reading at all says nothing": ([], UNKNOWN),
    "a line says nothing about a SOM": ([LINE], UNKNOWN),
    "a link that is up is on": ([link(True)], ON),
    "a link that was up a minute ago says nothing": ([link(True, read=61)], UNKNOWN),
    "printable bytes within 60 s are on": ([uart(59)], ON),
    "printable bytes of more than 60 s ago say nothing by themselves": ([uart(61)], UNKNOWN),
    "a probe that answers is on": ([probe(True)], ON),
    "a probe that answered a minute ago says nothing": ([probe(True, read=61)], UNKNOWN),
    "one sign of life outweighs a link that is down": ([link(False, worked=90), uart(10)], ON),
    "one sign of life outweighs a silent console": ([link(True), uart(900)], ON),
    "a link that is down and worked before is off": ([link(False, worked=90)], OFF),
    "a link that is down and never worked says nothing": ([link(False)], UNKNOWN),
    "a link that is down is off where the console has worked before": ([link(False), uart(300)], OFF),
    "a link that is down is not off while a probe answers": ([link(False, worked=90), probe(True)], ON),
    "nothing that answers belongs to off": ([link(False, worked=90), probe(False)], OFF),
    "a probe that was not made lately cannot say that nothing answers": (
        [link(False, worked=90), probe(False, read=61)],
        UNKNOWN,
    ),
    "a link that was down a minute ago says nothing": ([link(False, read=61, worked=90)], UNKNOWN),
    "a console silent for 30 s is part of off": ([link(False, worked=90), uart(61)], OFF),
    "a serial port that is away is not silent": ([link(False, worked=90), uart(300, away=True)], UNKNOWN),
    "a serial port that nobody reads is not silent": ([link(False, worked=90), uart(300, read=61)], UNKNOWN),
    "a silent console alone is not off": ([uart(300)], UNKNOWN),
    "a probe without answer alone is not off": ([probe(False)], UNKNOWN),
}


@pytest.mark.parametrize(("readings", "state"), OBSERVATIONS.values(), ids=OBSERVATIONS)
def test_where_nothing_is_believed_the_readings_decide(readings, state):
    after = assess(NOTHING_KNOWN, readings, NOW)
    assert (after.state, after.basis) == (state, OBSERVED)
    assert after.since == (None if state is UNKNOWN else NOW)


def commanded(state: PowerState, seconds: float, **more: object) -> Belief:
    return Belief(state, COMMANDED, ago(seconds), ago(seconds), **more)


BOOT = timedelta(seconds=90)
# What was commanded so many seconds ago, what is seen, and what is believed then: state, basis, contradiction.
COMMANDS = {
    "an On is observed when the link comes": (commanded(POWERING_ON, 4), [link(True)], (ON, OBSERVED, "")),
    "an On is observed when the console prints": (commanded(POWERING_ON, 2), [uart(1)], (ON, OBSERVED, "")),
    "bytes from before the On do not count": (commanded(POWERING_ON, 10), [uart(20)], (POWERING_ON, COMMANDED, "")),
    "a link from before the On does not count": (
        commanded(POWERING_ON, 3),
        [link(True, read=4)],
        (POWERING_ON, COMMANDED, ""),
    ),
    "no sign of life is no surprise within a minute": (
        commanded(POWERING_ON, 59),
        [link(False, worked=900)],
        (POWERING_ON, COMMANDED, ""),
    ),
    "nor within twice the time that this SOM takes to boot": (
        commanded(POWERING_ON, 179, boot=BOOT),
        [link(False, worked=900)],
        (POWERING_ON, COMMANDED, ""),
    ),
    "an On that shows no life though it should is Off, and said": (
        commanded(POWERING_ON, 181, boot=BOOT),
        [link(False, worked=900)],
        (OFF, OBSERVED, "On was commanded at 11:56:59 UTC, but there is no sign of life"),
    ),
    "an On where nothing can be seen stays commanded": (commanded(POWERING_ON, 300), [], (ON, COMMANDED, "")),
    "an On where nothing ever worked stays commanded": (
        commanded(POWERING_ON, 300),
        [link(False)],
        (ON, COMMANDED, ""),
    ),
    "an Off is observed when the link is down": (
        commanded(OFF, 40),
        [link(False, worked=41), uart(42)],
        (OFF, OBSERVED, ""),
    ),
    "a probe from before the Off cannot say that nothing answers": (
        commanded(OFF, 10),
        [link(False, worked=41), probe(False, read=12)],
        (OFF, COMMANDED, ""),
    ),
    "an Off is not observed before the console was silent for 30 s": (
        commanded(OFF, 29),
        [link(False, worked=41), uart(42)],
        (OFF, COMMANDED, ""),
    ),
    "a link that has not dropped yet is no contradiction": (commanded(OFF, 4), [link(True)], (OFF, COMMANDED, "")),
    "a link that stays up contradicts": (
        commanded(OFF, 10),
        [link(True)],
        (OFF, COMMANDED, "commanded Off, link still up, 1 Gb/s"),
    ),
    "a console that goes on printing contradicts": (
        commanded(OFF, 10),
        [uart(1)],
        (OFF, COMMANDED, "commanded Off, console still prints"),
    ),
    "the last bytes before an Off do not contradict it": (commanded(OFF, 10), [uart(8)], (OFF, COMMANDED, "")),
    "a contradiction ends with what contradicted": (
        commanded(OFF, 100, contradiction="commanded Off, link up still"),
        [link(False)],
        (OFF, COMMANDED, ""),
    ),
    "a shutdown that was asked for may take its time": (
        commanded(POWERING_OFF, 119),
        [link(True)],
        (POWERING_OFF, COMMANDED, ""),
    ),
    "a shutdown that did not happen is On, and said": (
        commanded(POWERING_OFF, 121),
        [link(True)],
        (ON, OBSERVED, "Off was asked for at 11:57:59 UTC, but link still up, 1 Gb/s"),
    ),
    "a shutdown of which nothing is seen is Unknown": (commanded(POWERING_OFF, 121), [], (UNKNOWN, OBSERVED, "")),
    "a shutdown is observed Off": (
        commanded(POWERING_OFF, 20),
        [link(False, worked=21)],
        (OFF, OBSERVED, ""),
    ),
    "a press whose effect is not known leaves the readings to decide": (
        commanded(UNKNOWN, 20),
        [link(True)],
        (ON, OBSERVED, ""),
    ),
    "readings from before such a press do not decide": (
        commanded(UNKNOWN, 3),
        [link(True, read=4), uart(10)],
        (UNKNOWN, COMMANDED, ""),
    ),
}


@pytest.mark.parametrize(("before", "readings", "expected"), COMMANDS.values(), ids=COMMANDS)
def test_what_was_commanded_is_confirmed_contradicted_or_left_as_it_is(before, readings, expected):
    after = assess(before, readings, NOW)
    assert (after.state, after.basis, after.contradiction) == expected
    assert (after.since == NOW) == ((before.state, before.basis) != (after.state, after.basis))


def observed(state: PowerState, seconds: float = 600, **more: object) -> Belief:
    return Belief(state, OBSERVED, ago(seconds), **more)


LAPSES = {
    "an observed On follows the link down": (observed(ON), [link(False, worked=40)], OFF),
    "an observed Off follows the link up": (observed(OFF), [link(True)], ON),
    "an observed On outlives a gap of a minute": (observed(ON), [link(True, read=59)], ON),
    "an observed On that nothing supports any more is Unknown": (observed(ON), [link(True, read=61)], UNKNOWN),
    "an observed Off outlives a gap of a minute": (observed(OFF), [link(False, read=59, worked=900)], OFF),
    "an observed Off that nobody looked at any more is Unknown": (
        observed(OFF),
        [link(False, read=61, worked=900)],
        UNKNOWN,
    ),
    "an observed On is not kept up by its line": (observed(ON), [link(True, read=61), LINE], UNKNOWN),
    "an observed Off is not kept up by its line": (observed(OFF), [link(False, read=61), LINE], UNKNOWN),
    "an observed state without any reading is Unknown": (observed(ON), [], UNKNOWN),
    "what a person said stays without any reading": (Belief(OFF, PERSON, ago(9), ago(9)), [], OFF),
    "what a person said yields to a sign of life": (Belief(OFF, PERSON, ago(9), ago(9)), [link(True)], ON),
    "a sign of life from before a person spoke does not count": (
        Belief(OFF, PERSON, ago(3), ago(3)),
        [link(True, read=4), uart(5)],
        OFF,
    ),
}


@pytest.mark.parametrize(("before", "readings", "state"), LAPSES.values(), ids=LAPSES)
def test_what_was_observed_or_said_lasts_as_long_as_something_supports_it(before, readings, state):
    assert assess(before, readings, NOW).state == state


def test_a_contradiction_stays_with_its_state_and_goes_with_it():
    before = observed(OFF, contradiction="On was commanded, but there is no sign of life")
    assert assess(before, [link(False, worked=900)], NOW).contradiction == before.contradiction
    assert assess(before, [link(True)], NOW).contradiction == ""


@pytest.mark.parametrize(
    "before", [observed(ON), commanded(OFF, 10, contradiction="commanded Off, link still up, 1 Gb/s")]
)
def test_nothing_changes_when_there_is_nothing_new(before):
    assert assess(before, [link(True)], NOW) is before


def test_the_first_sign_of_life_is_named_in_words():
    readings = [link(True), uart(5), probe(True), LINE]
    assert signs_of_life(readings, NOW, None, Windows()) == ["link up, 1 Gb/s", "console prints", "10.0.0.3:22 answers"]


def test_all_times_shrink_with_the_time_scale():
    assert Windows.scaled(20).talked_recently == timedelta(seconds=3)
    assert all(getattr(Windows.scaled(2), name) * 2 == value for name, value in vars(Windows()).items())


# What holds for all readings at all

SECONDS = st.floats(0, 600)
READINGS = st.lists(
    st.one_of(
        st.builds(link, st.booleans(), read=SECONDS, worked=st.none() | SECONDS),
        st.builds(uart, st.none() | SECONDS, read=SECONDS, away=st.booleans()),
        st.builds(probe, st.booleans(), read=SECONDS),
        st.just(LINE),
    ),
    max_size=4,
    unique_by=lambda reading: reading.kind,
)
BELIEFS = st.builds(
    Belief,
    st.sampled_from(PowerState),
    st.sampled_from([COMMANDED, OBSERVED, PERSON]),
    st.builds(ago, SECONDS),
    st.none() | st.builds(ago, SECONDS),
    st.sampled_from(["", "commanded Off, link up still"]),
)


def shows_life(reading: Reading) -> bool:
    if reading.kind == "uart":
        return reading.life_at is not None and NOW - reading.life_at <= timedelta(seconds=60)
    return bool(reading.life) and reading.kind != "line"


@given(BELIEFS, READINGS)
@settings(max_examples=300, deadline=None)
def test_on_is_never_observed_without_a_sign_of_life_nor_off_beside_a_fresh_one(before, readings):
    after = assess(before, readings, NOW)
    if after is before or after.basis != OBSERVED:
        return
    if after.state is ON:
        assert any(shows_life(reading) for reading in readings) or before.state is ON
    if after.state is OFF:
        down = [reading for reading in readings if reading.kind == "link" and reading.life is False]
        assert down or before.state is OFF
        fresh = [r for r in readings if shows_life(r) and (not before.commanded_at or r.at > before.commanded_at)]
        assert not [r for r in fresh if r.kind in ("link", "probe") and NOW - r.at < timedelta(seconds=20)]


@given(BELIEFS, READINGS)
@settings(max_examples=300, deadline=None)
def test_a_commanded_state_becomes_another_commanded_one_only_by_the_end_of_a_boot(before, readings):
    after = assess(before, readings, NOW)
    if after.basis == COMMANDED and after.state != before.state:
        assert (before.state, after.state) == (POWERING_ON, ON)


@given(BELIEFS, READINGS)
@settings(max_examples=300, deadline=None)
def test_to_assess_twice_is_to_assess_once(before, readings):
    once = assess(before, readings, NOW)
    assert assess(once, readings, NOW) == once


@given(BELIEFS, READINGS)
@settings(max_examples=300, deadline=None)
def test_readings_from_before_a_command_never_decide_about_it(before, readings):
    if before.basis != COMMANDED:
        return
    late = replace(before, since=NOW, commanded_at=NOW)
    after = assess(late, readings, NOW)
    assert after.state == before.state
    assert after.basis == COMMANDED


# What a console says of the system's end


def stage(halt: bool, seconds: float) -> Reading:
    return Reading("stage", "halted" if halt else "login prompt seen", False if halt else None, ago(seconds))


HALTS = {
    "what was printed before a halt is no sign of life": ([uart(12), stage(True, 10)], []),
    "nor are the last words of the halt itself": ([uart(9), stage(True, 10)], []),
    "what is printed later is": ([uart(7), stage(True, 10)], ["console prints"]),
    "a link stays one": ([link(True), uart(12), stage(True, 10)], ["link up, 1 Gb/s"]),
    "a stage of a boot takes nothing back": ([uart(12), stage(False, 10)], ["console prints"]),
    "and is no sign by itself": ([stage(False, 10)], []),
}


@pytest.mark.parametrize(("readings", "life"), HALTS.values(), ids=HALTS)
def test_a_halt_takes_back_the_signs_of_life_before_it(readings, life):
    assert signs_of_life(readings, NOW, None, Windows()) == life


def test_a_halt_keeps_no_observed_state_up():
    assert assess(observed(OFF), [link(False, read=61, worked=900), stage(True, 1)], NOW).state == UNKNOWN
    assert assess(observed(ON), [uart(61, read=61), stage(True, 1)], NOW).state == UNKNOWN
