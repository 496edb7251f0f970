"""One slot of a run, from its boot mode to its end, in a thread of its own."""

import threading
from typing import TYPE_CHECKING

from django.db import connection

from flashing.models import FlashJob, Phase
from flashing.services import progress, restoring, ways
from hardware.contracts import BlockTarget
from hardware.errors import HardwareError, Stopped, TargetTooSmall
from hardware.flash.disks import DiskIdentity
from hardware.flash.writer import Outcome
from hardware.sequencer import StopReason
from operations import lifecycle, worker
from operations.models import Operation
from slots.models import Contents, Slot
from slots.services import contents, execution, parts

if TYPE_CHECKING:
    from flashing.services.execution import Run


class Attendant:
    """What happens to one slot, in order: it waits for the image, brings a target, is written, gets its power back.

    Attributes: `target` and `identity` once they are known; `is_ready` once it waits to be written; `is_fed` once
    writing has begun, from when on only the writer ends it; `outcome` of the writing; `has_begun`: the first byte may
    be on its way; `was_pressed`: the slot's line has moved; `is_over`; `failed_in`, `error` and `power_words`: what is
    said of the end.
    """

    def __init__(self, job: FlashJob, run: "Run", me: worker.Worker) -> None:
        self.job, self.run, self._me = job, run, me
        self.operation = Operation.objects.get(pk=job.operation_id)
        slots = Slot.objects.select_related("board", "som__som_type")
        self.slot = slots.get(board__slug=job.run.board, number=job.number)
        self.stop = me.enter(self.operation)
        self.target: BlockTarget | None = None
        self.identity: DiskIdentity | None = None
        self.outcome: Outcome | None = None
        self.is_ready = self.is_fed = self.is_over = self.was_pressed = self.has_begun = False
        self.failed_in = ""
        self.phase = Phase.WAITING
        self.error: BaseException | None = None
        self.power_words = ""
        self._thread = threading.Thread(target=self._run, name=f"slot {job.number}")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def open_target(self) -> BlockTarget:
        assert self.target is not None
        return self.target

    def _run(self) -> None:
        try:
            with lifecycle.running(self.operation, lambda whole: restoring.settle(self)):
                self._work()
        finally:
            try:
                restoring.close(self)
            finally:
                self._me.leave(self.operation)
                connection.close()
                self.run.has_ended(self)

    def _work(self) -> None:
        """Whatever happens, the power is seen to; if that fails as well, the first error is the one to tell."""
        try:
            self._through()
        except BaseException as error:
            self.error, self.failed_in = self._as_end(error), self.phase
            try:
                restoring.restore(self)
            except (HardwareError, lifecycle.Interrupted) as second:
                self.power_words = f"Its power could not be seen to either: {second}"
            if self.error is error:
                raise
            raise self.error from error
        try:
            restoring.restore(self)
        except BaseException as error:
            self.error, self.failed_in = error, self.phase
            raise

    def _through(self) -> None:
        self.enter(Phase.PREPARING, "checking the image")
        self.run.await_prepared(self)
        way = ways.way(self)
        try:
            self.target, self.identity = way.open()
            self._refuse_too_small()
            self._keep_identity()
            self.enter(Phase.READY, "ready, waiting for the other slots")
            self.outcome = self.run.await_outcome(self)
        finally:
            if self.target:
                self.target.close()
        self._say_figures(self.outcome)
        if self.outcome.error:
            raise self.outcome.error

    def _as_end(self, error: BaseException) -> BaseException:
        """A stop is a cancel or the worker's own end; an error of a board without power is not the error."""
        if isinstance(error, Stopped):
            return self._stopped()
        if isinstance(error, HardwareError):
            try:
                execution.refuse_after_power_loss(self.slot.board, parts.hardware(self.operation.board))
            except lifecycle.Interrupted as lost:
                return lost
            except HardwareError:
                return error  # the first one is the one to tell
        return error

    def _stopped(self) -> lifecycle.Cancelled | lifecycle.Interrupted:
        if self.stop.reason is StopReason.SHUTDOWN:
            return lifecycle.Interrupted("The worker was told to stop. It is not repeated.")
        self.operation.refresh_from_db(fields=["cancel_requested_by"])
        return lifecycle.Cancelled(f"Cancelled by {self.operation.cancel_requested_by or 'the portal'}.")

    def raise_if_stopped(self) -> None:
        if self.stop.requested.is_set():
            raise Stopped("The flash")

    @property
    def writing_words(self) -> str:
        """What is known of the slot's storage while it is being written."""
        return f"{self.run.row.image_name} is being written to its {self.job.medium}"

    def note_press(self) -> None:
        """The slot's line is about to move."""
        self.was_pressed = True

    def _refuse_too_small(self) -> None:
        size = self.run.row.size_bytes
        if self.open_target.size_bytes < size:
            raise TargetTooSmall(
                f"The image has {size:,} bytes and {self.open_target.name} only {self.open_target.size_bytes:,}."
            )

    def _keep_identity(self) -> None:
        assert self.identity is not None
        FlashJob.objects.filter(pk=self.job.pk).update(identity=vars(self.identity))

    def _say_figures(self, outcome: Outcome) -> None:
        for did, seconds in (("Written", outcome.write_seconds), ("Read back", outcome.verify_seconds)):
            if seconds:
                rate = outcome.written_bytes / seconds / 1e6
                self.say(f"{did}: {outcome.written_bytes:,} bytes in {seconds:.1f} s, {rate:.1f} MB/s.")

    # Told by the run

    def begin_writing(self) -> None:
        """On record before the first byte: nobody knows any more what the slot's storage holds."""
        self.has_begun = True
        FlashJob.objects.filter(pk=self.job.pk).update(contents=Contents.UNKNOWN)
        contents.keep(self.slot, Contents.UNKNOWN, self.writing_words)
        self.enter(Phase.WRITING, "writing")
        way = f"without reading it back: {self.run.row.unverified_reason}"
        if not self.run.row.unverified_reason:
            way = f"to be read back by {self.open_target.reads_back_by}"
        self.say(f"Writing to {self.open_target.name}, {way}.")

    def has_been_written(self, outcome: Outcome) -> None:
        """Told once its target has ended, and again at the end of all: one that was stuck may have come back."""
        with self.run.changed:
            self.outcome, self.phase = outcome, self._reached(outcome)
            self.run.changed.notify_all()

    def _reached(self, outcome: Outcome) -> Phase:
        """The phase in which the writing ended: each has its seconds once it is over."""
        if not outcome.write_seconds:
            return Phase.WRITING
        is_verified = outcome.verify_seconds or self.run.row.unverified_reason
        return Phase.CUSTOMISING if is_verified else Phase.VERIFYING

    # What is written down on the way

    def say(self, text: str, level: str = "info") -> None:
        lifecycle.append_log(self.operation, text, level)

    def enter(self, phase: Phase, words: str) -> None:
        """The slot is in this phase now; `words` say what is being done."""
        self.phase = phase
        progress.enter(self.job, phase, words)
