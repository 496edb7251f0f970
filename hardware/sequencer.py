"""Runs a sequence on a line, and leaves the line safe however it ends."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hardware.contracts import Clock, Expander, ForeignChange, Level
from hardware.errors import HardwareError, ObservationTimeout
from hardware.holds import LineHold
from hardware.som import PowerState
from hardware.steps import AwaitObserved, Drive, Sequence, Step, Wait

FINISH_SECONDS = 8.0  # a shutdown waits for a press that has no more than this left: children get 9 s before a KILL
OBSERVE_SECONDS = 0.5  # how often the evidence is looked at
RELEASE_TRIES = 5
RELEASE_PAUSE_SECONDS = 0.2


class StopReason(StrEnum):
    """Why a running sequence was asked to end."""

    SHUTDOWN = "Shutdown"  # the process ends: a press that is nearly over is finished
    CANCEL = "Cancel"  # a person wants it to end: a press is released at once


class Stop:
    """The wish that a running sequence ends; may be made from any thread. A Cancel overrules a Shutdown."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self.cancelled = threading.Event()

    def request(self, reason: StopReason) -> None:
        if reason is StopReason.CANCEL:
            self.cancelled.set()
        self.requested.set()

    @property
    def reason(self) -> StopReason | None:
        if self.cancelled.is_set():
            return StopReason.CANCEL
        return StopReason.SHUTDOWN if self.requested.is_set() else None


@dataclass
class Outcome:
    """What was done so far. Filled in step by step, so it also tells the tale of a run that raised.

    `stopped` is the reason if the run ended before its last step. `actual_hold_seconds` is the longest press of a
    button line, measured from before it went low until it was verified high. `line_level` is the last verified level.
    """

    steps_done: int = 0
    stopped: StopReason | None = None
    actual_hold_seconds: float | None = None
    line_level: Level | None = None
    foreign: list[ForeignChange] = field(default_factory=list)


def run(
    sequence: Sequence,
    *,
    line: int,
    expander: Expander,
    clock: Clock,
    stop: Stop,
    hold: LineHold | None,
    observed: Callable[[], PowerState],
    may_drive: Callable[[], None] = lambda: None,
    on_step: Callable[[int, Step], None] = lambda index, step: None,
    outcome: Outcome | None = None,
) -> Outcome:
    """Takes the line through the steps. Blocks for as long as they last, never holding the bus meanwhile.

    A button line (one with a safe level) is released on every exit, whatever is raised, and its presses are on record
    in `hold` from before the line goes low until it is verified high. A level line keeps its last level.

    Args:
        observed: what the evidence says now; asked twice a second while the sequence waits for a state.
        may_drive: called before each drive but a release; whatever it raises ends the run.
        on_step: told of each drive once it is verified, of each wait as it begins.
        outcome: filled in on the way, for a caller that wants it even if this raises.

    Raises:
        HardwareError: from the expander or the record; `release_error` is set if the line could not be released
            either, in which case the press stays on record. ObservationTimeout if a state was not seen in time.
    """
    if sequence.safe_level is not None and hold is None:
        raise ValueError("A button line is not pressed without a record of it.")
    result = outcome if outcome is not None else Outcome()
    _Run(sequence, line, expander, clock, stop, hold, observed, may_drive, on_step, result).execute()
    return result


@dataclass(frozen=True)
class _Press:
    """A button line that may be low."""

    record: LineHold
    safe_level: Level
    since_seconds: float


@dataclass
class _Run:
    sequence: Sequence
    line: int
    expander: Expander
    clock: Clock
    stop: Stop
    hold: LineHold | None
    observed: Callable[[], PowerState]
    may_drive: Callable[[], None]
    on_step: Callable[[int, Step], None]
    outcome: Outcome

    step_ended_at: float = 0.0
    press: _Press | None = None
    release_failed: bool = False

    def execute(self) -> None:
        try:
            self._take_steps()
        except BaseException as error:
            self._release_after(error)
            raise
        if self.press is not None:
            self._release(self.press)

    def _take_steps(self) -> None:
        self.step_ended_at = self.clock.monotonic()
        for index, step in enumerate(self.sequence.steps):
            if not self._take(index, step):
                self.outcome.stopped = self.stop.reason
                return
            self.outcome.steps_done += 1

    def _take(self, index: int, step: Step) -> bool:
        """One step; False if it was stopped instead."""
        match step:
            case Drive(level):
                return self._step_drive(index, step, level)
            case Wait(seconds):
                self.on_step(index, step)
                return self._wait(seconds)
            case AwaitObserved(state, timeout_seconds):
                self.on_step(index, step)
                return self._await(state, timeout_seconds)

    def _step_drive(self, index: int, step: Step, level: Level) -> bool:
        if self.press is not None and level is self.press.safe_level:
            self._release(self.press)
        elif self.stop.requested.is_set() and not self._in_pulse():
            return False
        else:
            self.may_drive()
            self._record_press(index, level)
            self._drive(level)
        self.step_ended_at = self.clock.monotonic()
        self.on_step(index, step)
        return True

    def _record_press(self, index: int, level: Level) -> None:
        safe_level = self.sequence.safe_level
        if self.hold is None or safe_level is None or level is safe_level:
            return
        since_seconds = self.clock.monotonic()
        self.hold.begin(self.sequence.hold_seconds(index), since_seconds)
        self.press = _Press(self.hold, safe_level, since_seconds)

    def _drive(self, level: Level) -> None:
        report = self.expander.drive(self.line, level)
        self.outcome.foreign += report.foreign
        self.outcome.line_level = report.level

    def _in_pulse(self) -> bool:
        """Whether the line is low on its way to being high again: a pulse that should not be left half done."""
        return self.outcome.line_level is Level.LOW

    def _wait(self, seconds: float) -> bool:
        # Counted from the end of the step before, so that a slow listener does not lengthen a press.
        until = self.step_ended_at + seconds
        if self.clock.wait(until - self.clock.monotonic(), self.stop.requested):
            left_seconds = until - self.clock.monotonic()
            if not self._in_pulse() or left_seconds > FINISH_SECONDS:
                return False
            if self.clock.wait(left_seconds, self.stop.cancelled):
                return False
        self.step_ended_at = until
        return True

    def _await(self, state: PowerState, timeout_seconds: float) -> bool:
        until = self.clock.monotonic() + timeout_seconds
        while self.observed() is not state:
            if self.clock.monotonic() >= until:
                raise ObservationTimeout(state.value, timeout_seconds)
            if self.clock.wait(OBSERVE_SECONDS, self.stop.requested):
                return False
        self.step_ended_at = self.clock.monotonic()
        return True

    def _release(self, press: _Press) -> None:
        """Drives the safe level, a few times if need be; only then the press is no longer on record."""
        for attempt in range(RELEASE_TRIES):
            try:
                self._drive(press.safe_level)
                break
            except HardwareError:
                if attempt == RELEASE_TRIES - 1:
                    self.release_failed = True
                    raise
                self.clock.wait(RELEASE_PAUSE_SECONDS)
        held_seconds = self.clock.monotonic() - press.since_seconds
        self.outcome.actual_hold_seconds = max(held_seconds, self.outcome.actual_hold_seconds or 0.0)
        self.press = None
        self.expander.let_go(self.line)
        press.record.end()

    def _release_after(self, error: BaseException) -> None:
        """Releases a press that `error` interrupted; if that fails too, the second error travels with the first."""
        if self.press is None or self.release_failed:
            return
        try:
            self._release(self.press)
        except HardwareError as release_error:
            error.add_note(f"The line could not be released either: {release_error}")
            if isinstance(error, HardwareError):
                error.release_error = release_error
