"""The sequencer: whatever happens on the way, a button line ends high and its press is on record until then."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import VirtualClock
from hardware.contracts import Level
from hardware.errors import BusError, LineStuck, ObservationTimeout, RecordUnwritable
from hardware.holds import HoldOwner, HoldStore
from hardware.sequencer import FINISH_SECONDS, RELEASE_TRIES, Outcome, Stop, StopReason, run
from hardware.sequences import Drive, Sequence, Step, Wait, reset_sequence, switch_reset_sequence
from hardware.som import CM4, CM5, LM3H, PowerState, ResetType
from tests.hardware.rig import BusDead, ScriptedExpander, full_disk

LOW, HIGH = Level.LOW, Level.HIGH
OWNER = HoldOwner("worker", "instance-1", "/nowhere/worker.lock")
LINE = 3

FORCE_OFF = reset_sequence(CM5, ResetType.FORCE_OFF, PowerState.ON)
PRESS = reset_sequence(CM5, ResetType.ON, PowerState.OFF)
SHUTDOWN = reset_sequence(CM5, ResetType.GRACEFUL_SHUTDOWN, PowerState.ON)
RESTART = reset_sequence(CM5, ResetType.GRACEFUL_RESTART, PowerState.ON)
FORCE_RESTART = reset_sequence(LM3H, ResetType.FORCE_RESTART, PowerState.ON)
PULSE = reset_sequence(CM4, ResetType.FORCE_RESTART, PowerState.ON)
HELD_LOW = reset_sequence(CM4, ResetType.FORCE_OFF, PowerState.ON)


@dataclass
class Bench:
    """Everything a run needs, with an expander that obeys."""

    directory: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    expander: Any = field(default_factory=ScriptedExpander)
    stop: Stop = field(default_factory=Stop)
    outcome: Outcome = field(default_factory=Outcome)
    observed: PowerState = PowerState.UNKNOWN
    steps: list[tuple[int, Step, float]] = field(default_factory=list)
    on_step: Callable[[int, Step], None] = lambda index, step: None
    may_drive: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.store = HoldStore(self.directory)

    def run(self, sequence: Sequence) -> Outcome:
        return run(
            sequence,
            line=LINE,
            expander=self.expander,
            clock=self.clock,
            stop=self.stop,
            hold=self.store.line("b1", 3, LINE, bus="/dev/i2c-1", expander="0x18", owner=OWNER),
            observed=lambda: self.observed,
            may_drive=self.may_drive,
            on_step=self._on_step,
            outcome=self.outcome,
        )

    def _on_step(self, index: int, step: Step) -> None:
        self.steps.append((index, step, self.clock.monotonic()))
        self.on_step(index, step)

    def levels(self) -> list[Level]:
        return [level for _, level in self.expander.levels]

    def stop_after(self, seconds: float, reason: StopReason) -> None:
        self.clock.at(seconds, lambda: self.stop.request(reason))

    def observe_after(self, seconds: float, state: PowerState) -> None:
        def observe() -> None:
            self.observed = state

        self.clock.at(seconds, observe)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "holds")


# Without trouble.


def test_a_press_goes_low_waits_and_goes_high(bench: Bench) -> None:
    outcome = bench.run(FORCE_OFF)
    assert bench.levels() == [LOW, HIGH]
    assert outcome == Outcome(steps_done=3, actual_hold_seconds=8.0, line_level=HIGH)


def test_a_level_line_keeps_its_last_level(bench: Bench) -> None:
    outcome = bench.run(HELD_LOW)
    assert bench.levels() == [LOW]
    assert (outcome.line_level, outcome.actual_hold_seconds) == (LOW, None)


def test_an_eight_second_hold_costs_no_time_on_a_virtual_clock(bench: Bench) -> None:
    started = bench.clock.monotonic()
    bench.run(FORCE_OFF)
    assert bench.clock.monotonic() == started + 8.0


def test_the_press_is_on_record_from_before_the_line_goes_low_until_it_is_high(bench: Bench) -> None:
    seen: list[tuple[Level, int]] = []
    bench.expander.before_drive = lambda level: seen.append((level, len(bench.store.holds())))
    bench.run(FORCE_OFF)
    assert seen == [(LOW, 1), (HIGH, 1)]
    assert bench.store.holds() == ()


def test_the_record_says_what_is_pressed_since_when_and_for_how_long(bench: Bench) -> None:
    started = bench.clock.monotonic()
    records = []
    bench.clock.at(1.0, lambda: records.extend(bench.store.holds()))
    bench.run(FORCE_OFF)
    (hold,) = records
    assert (hold.board, hold.slot, hold.line, hold.owner) == ("b1", 3, LINE, OWNER)
    assert (hold.planned_seconds, hold.since_seconds) == (8.0, started)


def test_a_level_line_is_never_on_record(bench: Bench) -> None:
    records = []
    bench.clock.at(0.5, lambda: records.extend(bench.store.holds()))
    bench.run(PULSE)
    assert records == []


def test_a_button_line_is_not_pressed_without_a_record(bench: Bench) -> None:
    with pytest.raises(ValueError, match="without a record"):
        run(
            PRESS,
            line=LINE,
            expander=bench.expander,
            clock=bench.clock,
            stop=bench.stop,
            hold=None,
            observed=lambda: PowerState.UNKNOWN,
        )
    assert bench.levels() == []


def test_a_released_line_is_let_go(bench: Bench) -> None:
    bench.run(PRESS)
    assert bench.expander.let_go_lines == [LINE]


def test_a_level_line_is_not_let_go(bench: Bench) -> None:
    bench.run(PULSE)
    assert bench.expander.let_go_lines == []


def test_drives_are_told_once_done_and_waits_as_they_begin(bench: Bench) -> None:
    started = bench.clock.monotonic()
    bench.run(FORCE_OFF)
    assert [(index, at - started) for index, _, at in bench.steps] == [(0, 0.0), (1, 0.0), (2, 8.0)]


def test_a_slow_listener_does_not_lengthen_a_press(bench: Bench) -> None:
    bench.on_step = lambda index, step: bench.clock.wait(3.0) and None
    assert bench.run(FORCE_OFF).actual_hold_seconds == 8.0


def test_two_waits_in_a_row_add_up(bench: Bench) -> None:
    sequence = Sequence(
        (Drive(LOW), Wait(2.0, "first"), Wait(3.0, "then"), Drive(HIGH)), HIGH, PowerState.OFF, False, ()
    )
    assert bench.run(sequence).actual_hold_seconds == 5.0


def test_the_pause_before_the_second_press_counts_from_the_observation(bench: Bench) -> None:
    started = bench.clock.monotonic()
    bench.observe_after(40.0, PowerState.OFF)
    bench.run(RESTART)
    off_at, pressed_at = bench.steps[3][2], bench.steps[5][2]
    assert off_at - started == 1.0
    assert 45.0 <= pressed_at - started < 46.0


def test_the_longest_of_several_presses_is_reported(bench: Bench) -> None:
    bench.observe_after(20.0, PowerState.OFF)
    assert bench.run(FORCE_RESTART).actual_hold_seconds == 8.0


# Stopping.


@pytest.mark.parametrize("reason", StopReason)
def test_nothing_is_driven_once_a_stop_was_asked_for(bench: Bench, reason: StopReason) -> None:
    bench.stop.request(reason)
    outcome = bench.run(PRESS)
    assert (bench.levels(), outcome.stopped, outcome.steps_done) == ([], reason, 0)


def test_a_shutdown_lets_a_press_that_is_nearly_over_finish(bench: Bench) -> None:
    bench.stop_after(0.5, StopReason.SHUTDOWN)
    outcome = bench.run(FORCE_OFF)
    assert outcome == Outcome(steps_done=3, actual_hold_seconds=8.0, line_level=HIGH)


def test_a_shutdown_releases_a_press_that_would_take_too_long(bench: Bench) -> None:
    held = Sequence((Drive(LOW), Wait(FINISH_SECONDS + 4, "a long one"), Drive(HIGH)), HIGH, PowerState.OFF, False, ())
    bench.stop_after(1.0, StopReason.SHUTDOWN)
    outcome = bench.run(held)
    assert bench.levels() == [LOW, HIGH]
    assert (outcome.stopped, outcome.actual_hold_seconds) == (StopReason.SHUTDOWN, 1.0)


def test_a_cancel_releases_a_press_at_once(bench: Bench) -> None:
    bench.stop_after(2.5, StopReason.CANCEL)
    outcome = bench.run(FORCE_OFF)
    assert bench.levels() == [LOW, HIGH]
    assert (outcome.stopped, outcome.actual_hold_seconds) == (StopReason.CANCEL, 2.5)
    assert bench.store.holds() == ()


def test_a_cancel_overrules_a_shutdown_that_is_finishing_a_press(bench: Bench) -> None:
    bench.stop_after(2.0, StopReason.SHUTDOWN)
    bench.stop_after(3.0, StopReason.CANCEL)
    outcome = bench.run(FORCE_OFF)
    assert (outcome.stopped, outcome.actual_hold_seconds) == (StopReason.CANCEL, 3.0)


def test_a_shutdown_finishes_the_pulse_of_a_level_line(bench: Bench) -> None:
    bench.stop_after(0.5, StopReason.SHUTDOWN)
    outcome = bench.run(PULSE)
    assert (bench.levels(), outcome.stopped) == ([LOW, HIGH], None)


def test_a_cancel_leaves_a_level_line_at_its_last_level(bench: Bench) -> None:
    bench.stop_after(0.5, StopReason.CANCEL)
    outcome = bench.run(PULSE)
    assert (bench.levels(), outcome.line_level, outcome.stopped) == ([LOW], LOW, StopReason.CANCEL)


@pytest.mark.parametrize("reason", StopReason)
def test_a_wait_for_evidence_ends_at_a_stop(bench: Bench, reason: StopReason) -> None:
    bench.stop_after(10.0, reason)
    outcome = bench.run(SHUTDOWN)
    assert (outcome.stopped, outcome.steps_done, bench.levels()) == (reason, 3, [LOW, HIGH])


@pytest.mark.parametrize("reason", StopReason)
def test_no_second_press_follows_a_stop_between_the_two(bench: Bench, reason: StopReason) -> None:
    bench.observe_after(40.0, PowerState.OFF)
    bench.stop_after(43.0, reason)
    outcome = bench.run(RESTART)
    assert (bench.levels(), outcome.stopped) == ([LOW, HIGH], reason)


# Failing.


def test_what_was_never_observed_is_an_error_and_the_line_is_high(bench: Bench) -> None:
    with pytest.raises(ObservationTimeout, match="The SOM was not observed Off within 90 s"):
        bench.run(SHUTDOWN)
    assert bench.levels() == [LOW, HIGH]
    assert bench.outcome.actual_hold_seconds == 1.0


def test_a_restart_that_is_not_seen_off_presses_no_second_time(bench: Bench) -> None:
    with pytest.raises(ObservationTimeout):
        bench.run(RESTART)
    assert bench.levels() == [LOW, HIGH]


def test_a_press_that_fails_is_released_and_its_error_comes_out(bench: Bench) -> None:
    bench.expander.failures = [LineStuck(LINE, 0, 1)]
    with pytest.raises(LineStuck):
        bench.run(PRESS)
    assert bench.levels() == [HIGH]
    assert bench.store.holds() == ()


def test_a_listener_that_raises_releases_the_press(bench: Bench) -> None:
    def fail(index: int, step: Step) -> None:
        if isinstance(step, Wait):
            raise RuntimeError("the database is away")

    bench.on_step = fail
    with pytest.raises(RuntimeError):
        bench.run(FORCE_OFF)
    assert bench.levels() == [LOW, HIGH]
    assert bench.store.holds() == ()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_not_even_the_end_of_the_process_leaves_a_button_pressed(bench: Bench, error: type[BaseException]) -> None:
    def end() -> None:
        raise error

    bench.clock.at(2.0, end)
    with pytest.raises(error):
        bench.run(FORCE_OFF)
    assert bench.levels() == [LOW, HIGH]
    assert bench.outcome.actual_hold_seconds == 2.0


def test_a_line_that_is_slow_to_obey_is_released_after_a_few_tries(bench: Bench) -> None:
    bench.clock.at(0.5, lambda: bench.expander.failures.extend([BusDead(), BusDead()]))
    outcome = bench.run(PRESS)
    assert (bench.levels(), outcome.steps_done) == ([LOW, HIGH], 3)
    assert outcome.actual_hold_seconds == pytest.approx(1.4)


def test_a_line_that_cannot_be_released_stays_on_record(bench: Bench) -> None:
    bench.clock.at(0.5, lambda: bench.expander.failures.extend([BusDead()] * RELEASE_TRIES))
    with pytest.raises(BusDead) as caught:
        bench.run(PRESS)
    assert caught.value.release_error is None
    assert len(bench.store.holds()) == 1
    assert bench.outcome.actual_hold_seconds is None


def test_a_failed_release_after_another_error_travels_with_the_first(bench: Bench) -> None:
    bench.expander.failures = [LineStuck(LINE, 0, 1), *[BusDead("the bus is dead")] * RELEASE_TRIES]
    with pytest.raises(LineStuck) as caught:
        bench.run(PRESS)
    assert isinstance(caught.value.release_error, BusDead)
    assert caught.value.__notes__ == ["The line could not be released either: the bus is dead"]
    assert len(bench.store.holds()) == 1


def test_a_press_that_cannot_be_recorded_does_not_happen(bench: Bench) -> None:
    with full_disk(), pytest.raises(RecordUnwritable):
        bench.run(PRESS)
    assert bench.levels() == []


def test_a_lost_claim_stops_a_drive_but_never_a_release(bench: Bench) -> None:
    asked: list[int] = []

    def may_drive() -> None:
        asked.append(len(bench.levels()))
        if len(asked) > 1:
            raise RuntimeError("the claim is gone")

    bench.may_drive = may_drive
    bench.observe_after(20.0, PowerState.OFF)
    with pytest.raises(RuntimeError):
        bench.run(RESTART)
    assert asked == [0, 2]
    assert bench.levels() == [LOW, HIGH]


@given(
    sequence=st.sampled_from([FORCE_OFF, PRESS, SHUTDOWN, RESTART, FORCE_RESTART, switch_reset_sequence()]),
    failures=st.lists(st.sampled_from([None, BusDead(), BusError(0x18, 1, "noise")]), max_size=4),
    stop_after=st.none() | st.floats(min_value=0.0, max_value=60.0),
    reason=st.sampled_from(StopReason),
    dies_after=st.none() | st.floats(min_value=0.0, max_value=60.0),
    off_after=st.none() | st.floats(min_value=0.0, max_value=120.0),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_goes_wrong_a_button_ends_high_or_on_record(
    tmp_path: Path,
    sequence: Sequence,
    failures: list[BaseException],
    stop_after: float | None,
    reason: StopReason,
    dies_after: float | None,
    off_after: float | None,
) -> None:
    bench = Bench(tmp_path / "holds")
    bench.expander.failures = list(failures)

    def die() -> None:
        raise RuntimeError

    if stop_after is not None:
        bench.stop_after(stop_after, reason)
    if dies_after is not None:
        bench.clock.at(dies_after, die)
    if off_after is not None:
        bench.observe_after(off_after, PowerState.OFF)
    with contextlib.suppress(RuntimeError, BusDead, BusError, ObservationTimeout):
        bench.run(sequence)
    if bench.store.holds():
        # Only an interruption of the release itself may leave a press, and then it is on record for who comes next.
        assert dies_after is not None
        assert failures
        bench.expander.failures.clear()
        bench.store.release_left_over(lambda hold: bench.expander, lambda hold: True)
    assert bench.levels()[-1:] in ([], [HIGH])
    assert bench.store.holds() == ()
