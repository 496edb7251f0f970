"""The worker's side of a change: written, read back, kept if its author confirms it, and otherwise put back.

The task that wrote it waits itself, so the way back needs neither browser nor broker. Whoever decides does it by an
UPDATE of the row that only one can win; the row is looked at each second.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from hardware.errors import HardwareError
from hardware.jl6108.recipes import ChipVlans
from hardware.sequencer import Stop
from operations import claims, lifecycle, refusals, worker
from operations.models import Operation
from switch import wording
from switch.documents import chip_from_json
from switch.errors import SwitchWasReset
from switch.models import SwitchState, VlanChange
from switch.services import applying, restoring, running, scanning

log = logging.getLogger("nanoportal.switch")
State = VlanChange.State
LOOK_SECONDS = 1.0
#: What nobody decides about and is not read at each look: of a chip fresh from reset it is 4,096 entries.
UNDECIDED = ("document", "before", "wanted")
#: Between two looks whether the chip was reset, of 14 transfers each.
WATCH_SECONDS = 5.0
HELD_BEFORE = "The switch holds what it held before."
STALE_WORDS = "The switch no longer held what the preview was made from. Nothing was written."


def execute(operation_id: str) -> None:
    """Carry out one queued change, to its confirmation or back. Blocks for as long: up to minutes."""
    me = worker.current()
    operation = lifecycle.start(operation_id, worker=me.name, instance=me.instance)
    if operation is None:
        return
    stop = me.enter(operation)
    run: Run | None = None
    try:
        with lifecycle.running(operation, lambda whole: run.settle(whole) if run else ""):
            run = Run(operation, stop)
            run.run()
    finally:
        me.leave(operation)


class Run:
    """One execution of a change."""

    def __init__(self, operation: Operation, stop: Stop) -> None:
        self.operation, self.stop = operation, stop
        self.change = VlanChange.objects.select_related("board").get(operation=operation)
        self.board = self.change.board
        self.before, self.wanted = chip_from_json(self.change.before), chip_from_json(self.change.wanted)
        self.because = "Applying it failed."
        self.is_kept = False

    def run(self) -> None:
        """Blocks to the end. Raises what `lifecycle.running` turns into an end."""
        self._refuse_stale()
        self._may_write()
        try:
            self._write()
            if self.change.restores is None:
                self._await_decision()
            else:
                self._note_restored()
        finally:
            if not self.is_kept:
                self._put_back()

    def _refuse_stale(self) -> None:
        """What was shown was made from `before`; what it holds now decides."""
        lifecycle.set_step(self.operation, 1, 3, "reading what the switch holds", 0)
        reading = applying.read(running.chip_of(self.board), self.before, self.wanted.entries)
        if reading.was_reset or not _same(reading.chip, self.before):
            running.keep(self.board, reading.chip, was_reset=reading.was_reset)
            raise refusals.PlanStale(STALE_WORDS)

    def _may_write(self) -> None:
        if self.stop.requested.is_set():
            raise scanning.why_stopped(self.operation, self.stop, "Nothing was written.")
        if not claims.holds(self.operation, self.change.generation) or not self._move(State.QUEUED, State.APPLYING):
            raise lifecycle.Interrupted("The switch is another operation's by now. Nothing was written.")

    def _write(self) -> None:
        """Everything in its order, read back. Raises HardwareError."""
        chip = running.chip_of(self.board)
        self._say("writing", 2)
        try:
            applying.apply(chip, self.before, self.wanted, self._on_step, forgets=True)
        except HardwareError as error:
            self.because = f"Applying it failed: {error}"
            raise
        running.keep(self.board, self.wanted, is_whole=True)
        lifecycle.append_log(self.operation, applying.what_was_read(self.before, self.wanted), "good")

    def _on_step(self, number: int, total: int, words: str) -> None:
        """Between two writes a person may change their mind."""
        self._raise_if_stopped()
        said = wording.in_slots(words, running.wiring(self.board))
        lifecycle.append_log(self.operation, f"{number} of {total}: {said}")

    def _raise_if_stopped(self) -> None:
        if self.stop.requested.is_set():
            self.because = "It was stopped while it was written."
            raise scanning.why_stopped(self.operation, self.stop, "What was written is undone.")

    def _note_restored(self) -> None:
        """Somebody has confirmed this table before, so nobody has to again. Returns once it is on record."""
        self._raise_if_stopped()
        with transaction.atomic():
            moved = self._move(State.APPLYING, State.RESTORED)
            SwitchState.objects.filter(board=self.board).update(reset_at=None)
        self.is_kept = moved

    def _await_decision(self) -> None:
        """Until somebody decides or the deadline passes. Returns if it was confirmed, else raises how it ends."""
        scale, now, since, looked = settings.TIME_SCALE, timezone.now(), running.CLOCK.monotonic(), 0.0
        seconds = self.change.revert_after_seconds
        VlanChange.objects.filter(pk=self.change.pk, state=State.APPLYING).update(
            state=State.AWAITING, applied_at=now, deadline_at=now + timedelta(seconds=seconds / scale)
        )
        self._say(f"waiting up to {seconds} s for {self.operation.actor} to confirm", 3, seconds / scale)
        running.hint(self.board)
        while True:
            seen = self._look()
            if seen is not None and self._is_decided(seen):
                return
            # The row's deadline is for people; this clock cannot be set.
            seconds = self.change.revert_after_seconds + (seen or self.change).extended_seconds
            self.change = seen or self.change
            passed = running.CLOCK.monotonic() - since
            if passed >= seconds and self._lapse(f"Nobody confirmed it within {seconds} s."):
                return
            if passed >= looked + WATCH_SECONDS:
                looked = passed
                self._refuse_reset()
            if self.stop.requested.is_set():
                return self._stopped()
            running.CLOCK.wait(LOOK_SECONDS, self.stop.requested)

    def _look(self) -> VlanChange | None:
        """The row as it is; None while the database is away, which must not keep the switch from its way back."""
        try:
            return VlanChange.objects.defer(*UNDECIDED).get(pk=self.change.pk)
        except DatabaseError as error:
            log.warning("change %s: the database does not answer: %s", self.change.number, error)
            return None

    def _is_decided(self, seen: VlanChange) -> bool:
        if seen.state == State.CONFIRMED:
            self.is_kept = True
            return True
        if seen.state == State.ROLLING_BACK:
            self.because = seen.rolled_back_because
            raise lifecycle.Cancelled(f"{self.because} {HELD_BEFORE}")
        return False

    def _refuse_reset(self) -> None:
        """A chip that was reset holds nothing of what waits to be confirmed. Raises SwitchWasReset."""
        try:
            if not applying.was_reset(running.chip_of(self.board), self.wanted):
                return
        except HardwareError as error:
            log.warning("change %s: the switch does not answer while it waits: %s", self.change.number, error)
            return  # it may be about to come back from a reset; if it stays away, the way back will say so
        because = "The switch chip was reset while this waited to be confirmed, and lost it."
        if self._win(because):
            raise SwitchWasReset(f"{because} {HELD_BEFORE}")

    def _lapse(self, because: str) -> bool:
        """Whether that is its end; False if its author has put the deadline off at this very moment."""
        if self._win(because, extended_seconds=self.change.extended_seconds):
            raise refusals.Expired(f"{because} {HELD_BEFORE}", code="not-confirmed")
        return self.is_kept

    def _stopped(self) -> None:
        end = scanning.why_stopped(self.operation, self.stop, HELD_BEFORE)
        if self._win(str(end).removesuffix(f" {HELD_BEFORE}")):
            raise end

    def _win(self, because: str, **only_if: int) -> bool:
        """Whether the way back is ours to go: it is unless somebody has confirmed it by now, or the row is not
        `only_if` any more."""
        self.because = because
        try:
            with transaction.atomic():
                rows = VlanChange.objects.filter(pk=self.change.pk, state=State.AWAITING, **only_if)
                won = rows.update(state=State.ROLLING_BACK, rolled_back_because=because[:300])
            if won:
                running.hint(self.board)
                return True
            seen = VlanChange.objects.get(pk=self.change.pk)
        except DatabaseError:
            return True
        self.is_kept = seen.state == State.CONFIRMED
        return not self.is_kept and seen.state != State.AWAITING

    def _put_back(self) -> None:
        """On every exit but a confirmation or a restore to its end. Raises RollbackFailed."""
        self._note(State.ROLLING_BACK)
        held = restoring.put_back(self.board, self.before, self.wanted, self.because, running.CLOCK)
        running.keep(self.board, held, is_whole=True)
        self._note(State.ROLLED_BACK)
        lifecycle.append_log(self.operation, "Put back and read back: the switch holds what it held before.", "warn")

    def _note(self, state: State) -> None:
        """Write the state down, if the database lets us: the switch itself comes first."""
        try:
            VlanChange.objects.filter(pk=self.change.pk).exclude(state=State.CONFIRMED).update(
                state=state, rolled_back_because=self.because[:300]
            )
            running.hint(self.board)
        except DatabaseError as error:
            log.warning("change %s: could not be written down as %s: %s", self.change.number, state, error)

    def settle(self, whole: bool) -> str:
        """Inside the transaction that ends the operation."""
        rows = VlanChange.objects.filter(pk=self.change.pk)
        running.hint(self.board)
        rows.filter(state=State.QUEUED).update(state=State.NOT_APPLIED)
        if not whole:
            return ""
        if self.change.restores is not None:
            return f"The switch holds revision {self.change.restores} again."
        return f"Confirmed by {rows.get().confirmed_by}."

    def _move(self, old: State, new: State, **more: str) -> bool:
        """The conditional UPDATE that exactly one wins."""
        with transaction.atomic():
            return bool(VlanChange.objects.filter(pk=self.change.pk, state=old).update(state=new, **more))

    def _say(self, words: str, step: int, seconds: float = 0) -> None:
        lifecycle.set_step(self.operation, step, 3, words, seconds)


def _same(found: ChipVlans, shown: ChipVlans) -> bool:
    """Whether the chip holds all that `shown` speaks of."""
    live = ({vid: entry for vid, entry in chip.entries.items() if entry.value} for chip in (found, shown))
    spoken_of = {
        name: {port: getattr(found, name).get(port) for port in getattr(shown, name)}
        for name in ("ports", "isolation", "output_mirrors", "links")
    }
    return next(live) == next(live) and all(held == getattr(shown, name) for name, held in spoken_of.items())
