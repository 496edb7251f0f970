"""A reset line moved on the way of something longer, which holds the slot's claim."""

from collections.abc import Callable
from functools import partial

from hardware import sequencer
from hardware.board import Board as HardwareBoard
from hardware.clock import SystemClock
from hardware.holds import LineHold
from hardware.sequencer import Outcome, Stop
from hardware.som import PowerState
from hardware.steps import Sequence, Step
from operations import claims, lifecycle, worker
from operations.models import Operation
from operations.scribe import Scribe
from slots.models import Slot
from slots.services import execution, parts

CLOCK = SystemClock()


def press(
    slot: Slot,
    sequence: Sequence,
    operation: Operation,
    generation: int,
    stop: Stop,
    *,
    on_move: Callable[[], None] = lambda: None,
) -> Outcome:
    """Take the slot's line through `sequence`, which awaits no observation, as a part of `operation`.

    A press is on record while it lasts and released on every exit; the line moves only while the operation holds the
    claim `generation`. Each step is a line of the operation's log, `on_move` is told before the line moves at all.
    Blocks for the sequence; if it was stopped before its last step the outcome says so. Raises HardwareError, and
    `lifecycle.Interrupted` if the claim is lost or the board lost power.
    """
    hardware, scribe, outcome = parts.hardware(operation.board), Scribe(), Outcome()
    execution.refuse_after_power_loss(slot.board, hardware)

    def may_drive() -> None:
        scribe.ask(partial(_refuse_without_claim, operation, generation))
        on_move()

    run = partial(
        sequencer.run,
        sequence,
        line=hardware.line(slot.number),
        expander=hardware.expander,
        clock=CLOCK,
        stop=stop,
        hold=_record(slot, hardware),
        observed=lambda: PowerState.UNKNOWN,
        on_step=partial(_tell, scribe, operation),
    )
    try:
        return scribe.attend(lambda: run(may_drive=may_drive, outcome=outcome))
    finally:
        for change in outcome.foreign:
            lifecycle.append_log(operation, str(change), "warn")
        execution.read_line_again(slot, operation, hardware, hardware.line(slot.number))


def _tell(scribe: Scribe, operation: Operation, index: int, step: Step) -> None:
    scribe.tell(partial(lifecycle.append_log, operation, execution.drive_words(step)))


def _record(slot: Slot, hardware: HardwareBoard) -> LineHold:
    """Of the presses of the slot's line, as this worker's."""
    spec, owner = hardware.spec, execution.hold_owner(worker.current())
    line = hardware.line(slot.number)
    return execution.hold_store().line(spec.slug, slot.number, line, bus=spec.bus, expander=spec.expander, owner=owner)


def _refuse_without_claim(operation: Operation, generation: int) -> None:
    if not claims.holds(operation, generation):
        raise lifecycle.Interrupted("Another operation owns this slot by now. Nothing more was switched.")
