"""The worker's side of power: run what was planned, once, and write down how it ended."""

import logging
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from hardware import sequencer
from hardware.board import Board as HardwareBoard
from hardware.clock import SystemClock
from hardware.contracts import ForeignChange, Level
from hardware.errors import HardwareError
from hardware.holds import Hold, HoldOwner, HoldStore, owner_is_dead
from hardware.sequencer import Outcome, Stop, StopReason
from hardware.som import PowerState, ResetType
from hardware.steps import AwaitObserved, Drive, Sequence, Step, Wait
from operations import claims, events, lifecycle, refusals, worker
from operations.models import Operation
from operations.scribe import Scribe
from slots.models import Basis, Board, EvidenceKind, PowerDetails, Slot
from slots.services import inventory, parts, power

log = logging.getLogger("nanoportal.power")
CLOCK = SystemClock()
SPOKEN = {PowerState.POWERING_ON: "powering on", PowerState.POWERING_OFF: "powering off"}
LATCHES_FROM_SECONDS = 6.0  # a press this long may have been long enough to strand a CM5 (our margin below its 8 s)


def execute(operation_id: str) -> None:
    """Run one queued operation to its end, if it is still in time and nobody else has begun it. Blocks for its
    length: up to some minutes where it waits for evidence."""
    me = worker.current()
    operation = lifecycle.start(operation_id, worker=me.name, instance=me.instance, details="power")
    if operation is None:
        return
    stop = me.enter(operation)
    run: Run | None = None
    try:
        # Whatever keeps it from beginning, a plan that cannot be read for instance, ends it as well.
        with lifecycle.running(operation, lambda whole: run.settle(whole) if run else ""):
            run = Run(operation, stop, me)
            run.run()
    finally:
        me.leave(operation)


class Run:
    """One execution: the sequence, its line, and what is written down on the way."""

    def __init__(self, operation: Operation, stop: Stop, me: worker.Worker) -> None:
        self.operation, self.stop, self.me = operation, stop, me
        self.sequence = Sequence.from_json(operation.plan)
        self.details: PowerDetails = operation.power
        self.outcome = Outcome()
        self.slot = _slot_of(operation)
        self.moved = False
        self.scribe = Scribe()

    def run(self) -> None:
        """Blocks to the end. Raises what `lifecycle.running` turns into an end."""
        hardware = parts.hardware(self.operation.board)
        line = hardware.line(self.slot.number) if self.slot else hardware.switch_reset_line
        self._interrupt_if_power_was_lost(hardware)
        self._refuse_changed_state()
        try:
            self.scribe.attend(lambda: self._work(hardware, line))
        except HardwareError:
            with suppress(HardwareError):  # the first error is the one to tell
                self._interrupt_if_power_was_lost(hardware)
            raise
        finally:
            self._write_foreign(self.outcome.foreign)
            if self.slot:
                read_line_again(self.slot, self.operation, hardware, line)
        self._raise_if_stopped()
        self._interrupt_if_power_was_lost(hardware)

    def _work(self, hardware: HardwareBoard, line: int) -> None:
        """The line's own thread: nothing here waits for the database while a button is pressed."""
        slot = self.slot.number if self.slot else 0
        owner = hold_owner(self.me)
        bus, expander = hardware.spec.bus, hardware.spec.expander
        sequencer.run(
            self.sequence,
            line=line,
            expander=hardware.expander,
            clock=CLOCK,
            stop=self.stop,
            hold=hold_store().line(self.operation.board, slot, line, bus=bus, expander=expander, owner=owner),
            observed=lambda: self.scribe.ask(self.observed),
            may_drive=lambda: self.scribe.ask(self.may_drive),
            on_step=self.on_step,
            outcome=self.outcome,
        )

    def may_drive(self) -> None:
        """Before each drive but a release: is the claim still ours? Raises Interrupted if not."""
        if not claims.holds(self.operation, self.details.generation):
            raise lifecycle.Interrupted("Another operation owns this slot by now. Nothing more was switched.")
        self.moved = True

    def observed(self) -> PowerState:
        if self.slot is None:
            return PowerState.UNKNOWN
        inventory.read_links(Board.objects.get(pk=self.slot.board_id), parts.hardware(self.operation.board))
        return inventory.observed_state(self.slot.pk)

    def on_step(self, index: int, step: Step) -> None:
        """Told of each drive once it is verified, of each wait as it begins."""
        foreign, self.outcome.foreign = self.outcome.foreign, []
        self.scribe.tell(lambda: self._write_step(index, step, foreign))

    def _write_step(self, index: int, step: Step, foreign: list[ForeignChange]) -> None:
        """Log, progress, state in motion."""
        words, seconds = describe(step)
        lifecycle.append_log(self.operation, drive_words(step))
        if isinstance(step, Drive):
            self._in_motion(index)
            self._write_foreign(foreign)
        lifecycle.set_step(self.operation, index + 1, len(self.sequence.steps), words, seconds)

    def _write_foreign(self, changes: list[ForeignChange]) -> None:
        for change in changes:
            lifecycle.append_log(self.operation, str(change), "warn")

    def _in_motion(self, index: int) -> None:
        """After the first drive the slot is on its way, and evidence from before says nothing any more."""
        if self.slot is None:
            return
        going = PowerState.POWERING_ON if self._goes_on() else PowerState.POWERING_OFF
        if self.details.reset_type == ResetType.PUSH_POWER_BUTTON:
            going = self.sequence.result
        now = timezone.now()
        values = {"commanded_at": now, "contradiction": "", "contradiction_at": None}
        if index == 0:
            values |= {"power_state": going.value, "basis": Basis.COMMANDED, "since": now, "by": self.operation.actor}
        Slot.objects.filter(pk=self.slot.pk).update(**values)

    def _goes_on(self) -> bool:
        return self.sequence.result in (PowerState.ON, PowerState.POWERING_ON)

    def _raise_if_stopped(self) -> None:
        reason = self.outcome.stopped
        if reason is None:
            return
        if reason is StopReason.CANCEL:
            self.operation.refresh_from_db(fields=["cancel_requested_by"])
            by = self.operation.cancel_requested_by or "the portal"
            pressed = " A shortened press may have acted as a short one." if self._was_pressed() else ""
            raise lifecycle.Cancelled(f"Cancelled by {by}.{pressed}")
        raise lifecycle.Interrupted("The worker was told to stop. It is not repeated.")

    def _was_pressed(self) -> bool:
        return self.sequence.safe_level is not None and self.moved

    def settle(self, whole: bool) -> str | lifecycle.Settled:
        """Inside the transaction that ends the operation: what is believed from now on."""
        held = self.outcome.actual_hold_seconds
        PowerDetails.objects.filter(pk=self.details.pk).update(actual_hold_seconds=held)
        if self.slot is None:
            return ""
        if not self.moved and not whole:
            return ""  # the line never moved, so what was believed still holds
        result = self.sequence.result if whole else PowerState.UNKNOWN
        low = self.sequence.safe_level is None and self.outcome.line_level is Level.LOW
        write_state(self.slot, self.operation, result, line_low=low)
        self._latch_if_held(held)
        words = self._words(result) if whole else ""
        return lifecycle.Settled(words, {"power": self.slot.power_state}, {"power": result.value})

    def _words(self, result: PowerState) -> str:
        observed = any(isinstance(step, AwaitObserved) for step in self.sequence.steps)
        if result == PowerState.OFF and observed:
            return "Observed Off."
        return {PowerState.OFF: "Commanded Off.", PowerState.POWERING_ON: "Started; waiting for a sign of life."}.get(
            result, ""
        )

    def _latch_if_held(self, held: float | None) -> None:
        """A long press strands a SOM that latches, whatever was planned: what counts is how long the line was low."""
        if self.slot is None or held is None or held < LATCHES_FROM_SECONDS:
            return
        if power.traits_of(self.slot).latches_after_hold:
            latch(self.slot, held, self.operation.actor)

    def _interrupt_if_power_was_lost(self, hardware: HardwareBoard) -> None:
        board = self.slot.board if self.slot else Board.objects.get(slug=self.operation.board)
        refuse_after_power_loss(board, hardware)

    def _refuse_changed_state(self) -> None:
        """What a SOM was found to be between request and turn counts: the plan was made, and agreed to, before."""
        if self.slot and not power.still_fits(self.slot, self.details.reset_type, self.sequence):
            raise refusals.Conflict(
                f"Slot {self.slot.number} was {self.details.believed} when this was asked for and is "
                f"{power.believed(self.slot)} now. Nothing was switched.",
                code="state-changed",
            )


def read_line_again(slot: Slot, operation: Operation, hardware: HardwareBoard, line: int) -> None:
    """The line as it is now becomes evidence, also and above all after an error."""
    try:
        registers = hardware.expander.registers()
    except HardwareError as error:
        words = f"line {line} could not be re-read: {error}"
        inventory.record_evidence(slot, EvidenceKind.LINE, words[:120], timezone.now())
        lifecycle.append_log(operation, words, "bad")
        return
    if registers is not None:
        words = inventory.line_words(registers, line)
        inventory.record_evidence(slot, EvidenceKind.LINE, words, timezone.now())
        lifecycle.append_log(operation, f"line {line} re-read: {words}")


def hold_owner(me: worker.Worker) -> HoldOwner:
    """Who presses, as the record of a press says it."""
    return HoldOwner(me.name, me.instance, str(worker.lock_path(me.data_dir, me.name)))


def refuse_after_power_loss(board: Board, hardware: HardwareBoard) -> None:
    """A board that lost power is noticed before anything is pressed; and what was done to a board that lost its power
    meanwhile has not led where it was meant to. Raises `lifecycle.Interrupted`, HardwareError."""
    if inventory.notice_power_loss(board, hardware):
        raise lifecycle.Interrupted("The board lost power. It is not repeated.")


def drive_words(step: Step) -> str:
    """A step of which the worker was just told, for the log: a drive has been verified by then."""
    words, _ = describe(step)
    return f"{words}, read back {_level_word(step.level)}" if isinstance(step, Drive) else words


def describe(step: Step) -> tuple[str, float]:
    """A step in words, and how long it is planned to take."""
    match step:
        case Drive(level):
            return f"line driven {_level_word(level)}", 0.0
        case Wait(seconds, why):
            return f"waiting {seconds:g} s: {why}", seconds / settings.TIME_SCALE
        case AwaitObserved(state, timeout_seconds, why):
            return f"waiting up to {timeout_seconds:g} s until observed {state}: {why}", (
                timeout_seconds / settings.TIME_SCALE
            )


def _level_word(level: Level) -> str:
    return "low" if level is Level.LOW else "high"


def _slot_of(operation: Operation) -> Slot | None:
    """The slot that the operation is about; None for the switch chip."""
    _, _, rest = operation.resource.partition("/")
    if not rest.startswith("slot:"):
        return None
    return Slot.objects.select_related("board", "som__som_type").get(
        board__slug=operation.board, number=int(rest.removeprefix("slot:"))
    )


def write_state(slot: Slot, operation: Operation, state: PowerState, *, line_low: bool) -> None:
    """What is believed of the slot from now on, since `operation` has done what it did to its line."""
    now = timezone.now()
    observed = state == PowerState.OFF and inventory.observed_state(slot.pk) == PowerState.OFF
    Slot.objects.filter(pk=slot.pk).update(
        power_state=state.value,
        basis=Basis.OBSERVED if observed else Basis.COMMANDED,
        since=now,
        by=operation.actor,
        commanded_at=now,
        line_low=line_low,
        contradiction="",
        contradiction_at=None,
    )
    tone = "warn" if state == PowerState.UNKNOWN else "info"
    inventory.note(
        slot, state, Basis.COMMANDED, f"{operation.title} by {operation.actor}: now {SPOKEN.get(state, state)}", tone
    )


def latch(slot: Slot, held_seconds: float | None, by: str) -> None:
    """Remember that the slot may be latched off: its button works again only after the board lost power."""
    held = f"held {held_seconds:.1f} s" if held_seconds is not None else "held for an unknown time"
    Slot.objects.filter(pk=slot.pk).update(latched=True, latched_at=timezone.now(), latched_note=f"{held} by {by}")
    inventory.note(slot, PowerState.OFF, Basis.COMMANDED, f"Latched off: {held}", "bad")


def hold_store() -> HoldStore:
    return HoldStore(Path(settings.DATA_DIR) / "holds")


def settle_interrupted(operation: Operation) -> lifecycle.Settled:
    """An operation ended because its worker died: its slot is Unknown from now on."""
    slot = _slot_of(operation)
    if slot is None:
        return lifecycle.Settled("")
    write_state(slot, operation, PowerState.UNKNOWN, line_low=False)
    events.hint("slot", operation.board, slot.number)
    return lifecycle.Settled("", {"power": slot.power_state}, {"power": PowerState.UNKNOWN.value})


def release_left_over_holds() -> None:
    """Release presses that nobody finishes (a dead worker's, or our own whose release failed) and take note of what
    the supervisor has released already."""
    me = worker.current()
    busy = set(Operation.objects.filter(pk__in=me.running_ids()).values_list("resource", flat=True))

    def is_dead(hold: Hold) -> bool:
        if hold.owner.instance == me.instance:
            name = f"{hold.board}/slot:{hold.slot}" if hold.slot else f"{hold.board}/switch"
            return name not in busy
        return owner_is_dead(hold.owner)

    store = hold_store()
    report = store.release_left_over(lambda hold: parts.hardware(hold.board).new_expander(), is_dead)
    for left in report.unreleased:
        log.warning("a pressed line could not be released: %s", left.reason)
    for path, swept in store.released().items():
        slot = (
            Slot.objects.select_related("board", "som__som_type")
            .filter(board__slug=swept.hold.board, number=swept.hold.slot)
            .first()
        )
        if slot is not None:
            _note_release(slot, swept.held_seconds)
        store.acknowledge(path)


def _note_release(slot: Slot, held_seconds: float | None) -> None:
    held = f"after {held_seconds:.1f} s" if held_seconds is not None else "after an unknown time"
    words = f"Left-over press released {held}; what it did is not known"
    now = timezone.now()
    Slot.objects.filter(pk=slot.pk).update(
        power_state=PowerState.UNKNOWN.value, basis=Basis.COMMANDED, since=now, commanded_at=now
    )
    inventory.note(slot, PowerState.UNKNOWN, Basis.COMMANDED, words, "warn")
    long_enough = held_seconds is None or held_seconds >= LATCHES_FROM_SECONDS
    if long_enough and hasattr(slot, "som") and power.traits_of(slot).latches_after_hold:
        latch(slot, held_seconds, "a worker that died")
    events.hint("slot", slot.board.slug, slot.number)
