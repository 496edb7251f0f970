"""The flash worker's side: one run, once, from the image's hash to the last slot's power.

One thread for each slot takes it from its boot mode to its end (`attending`); this one reads the image, waits until all
are ready or have ended, and feeds all targets at once. Whoever ends, ends alone.
"""

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from flashing.models import FlashJob, FlashRun
from flashing.services import ways
from flashing.services.attending import Attendant
from flashing.services.progress import Recorder
from hardware.contracts import BlockTarget
from hardware.errors import ImageCorrupt
from hardware.flash import writer
from hardware.flash.image import sha256_of
from hardware.flash.plan import FlashTarget, plan_flash
from hardware.flash.progress import Progress
from images import store
from images.models import FirmwareImage
from images.services import library
from operations import lifecycle, refusals, worker

if TYPE_CHECKING:
    from hardware.flash.firstboot.overlay import Overlay

LOOK_SECONDS = 0.1  # how long a cancel before the first byte may take to be noticed


def execute(operation_id: str) -> None:
    """Carry out the run of that operation, if it is in time and nobody else has begun it. Blocks for its length."""
    me = worker.current()
    if me.stopping.is_set():
        return  # it stays queued, for the worker that comes next
    jobs = _begin(operation_id, me)
    try:
        if jobs:
            Run(jobs, me).carry_out()
    finally:
        for job in jobs:
            me.leave(job.operation)  # if it was not even attended to: then it is found, and ended, as abandoned


def _begin(operation_id: str, me: worker.Worker) -> list[FlashJob]:
    """All of the run's jobs that are still queued, now running and ours. Whoever comes first takes all of them."""
    run = FlashRun.objects.filter(jobs__operation__pk=operation_id).first()
    if run is None:
        return []
    with transaction.atomic():
        FlashRun.objects.select_for_update().get(pk=run.pk)
        jobs = FlashJob.objects.filter(run=run).select_related("run__image", "run__profile", "operation")
        return [
            job
            for job in jobs.order_by("number")
            if lifecycle.start(str(job.operation_id), worker=me.name, instance=me.instance) is not None
        ]


class Run:
    """One execution. `changed` is told whenever an attendant gets somewhere."""

    def __init__(self, jobs: list[FlashJob], me: worker.Worker) -> None:
        self.row = jobs[0].run
        self.changed = threading.Condition()
        self.abandoned = threading.Event()  # nobody is left who needs what is being prepared
        self.recorder = Recorder(self.row)
        self.hands = _Turns([job.number for job in jobs if job.method in ways.BY_HANDS])
        self.is_prepared = False
        self.error: BaseException | None = None
        self.attendants = [Attendant(job, self, me) for job in jobs]
        self._overlays: dict[int, Overlay] = {}

    def carry_out(self) -> None:
        """Blocks until every slot has ended. What goes wrong here ends all who wait for it, each with the reason."""
        self.recorder.start()
        for attendant in self.attendants:
            attendant.start()
        try:
            self._work()
        except BaseException as error:  # handed on whole: every slot that has not ended raises it in its own thread
            with self.changed:
                self.error = error
                self.changed.notify_all()
        finally:
            for attendant in self.attendants:
                attendant.join()
            self.recorder.end()

    def _work(self) -> None:
        image = self.row.image
        if image is None:
            raise refusals.Conflict(f"{self.row.image_name} is not in the library any more.", code="image-gone")
        with library.open_image(image), self._workdir() as workdir:
            self._prepare(image, workdir)
            ready = self._await_ready()
            if ready:
                self._plan(ready)
                self._write(image, ready)

    # What everybody needs before the first byte

    def _prepare(self, image: FirmwareImage, workdir: Path) -> None:
        """The file is what was inspected, and each slot's first-boot files are computed from it."""
        path = store.kept(image.pk)
        self.recorder.prepare(image.stored_bytes)
        if sha256_of(path, self.abandoned, self.recorder.has_hashed) != image.sha256:
            raise ImageCorrupt(f"The file of {image.name} is not what was inspected: somebody changed it.")
        self.say(f"The file of {image.name} is what was inspected (sha256 {image.sha256[:16]}…).")
        if self.row.profile:
            self._compute_overlays(image, workdir)
        elif self.row.profile_name:
            raise refusals.Conflict(f"The profile {self.row.profile_name} has been deleted.", code="no-profile")
        with self.changed:
            self.is_prepared = True
            self.changed.notify_all()

    def _compute_overlays(self, image: FirmwareImage, workdir: Path) -> None:
        from flashing.services import profiles  # only a run with a profile needs what that takes

        assert self.row.profile is not None
        contexts = [profiles.context_of(attendant.slot) for attendant in self.attendants]
        names = profiles.hostnames(self.row.profile, contexts)
        self._overlays = profiles.overlays(self.row.profile, image, contexts, workdir, self.abandoned)
        for attendant in self.attendants:
            number = attendant.job.number
            FlashJob.objects.filter(pk=attendant.job.pk).update(hostname=names.get(number, ""))
            attendant.say(f"First boot: {self._overlays[number].words}.")

    @contextlib.contextmanager
    def _workdir(self) -> Iterator[Path]:
        folder = Path(settings.DATA_DIR) / "flashing" / self.row.pk.hex
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def say(self, text: str) -> None:
        """A line in the log of every slot that is still with us."""
        for attendant in self.attendants:
            if not attendant.is_over:
                attendant.say(text)

    # From ready to written

    def _await_ready(self) -> list[Attendant]:
        """Those that have brought their target, once nobody else is still on the way. From then on they are fed."""
        with self.changed:
            while not all(attendant.is_over or attendant.is_ready for attendant in self.attendants):
                self.changed.wait()
            ready = [attendant for attendant in self.attendants if not attendant.is_over]
            for attendant in ready:
                attendant.is_fed = True
            return ready

    def _plan(self, ready: list[Attendant]) -> None:
        """What will be written where, on record before the first byte. Raises TargetAmbiguous, TargetTooSmall."""
        targets = [FlashTarget(one.job.number, one.job.medium, one.identity) for one in ready if one.identity]
        row = self.row
        plan = plan_flash(
            row.image_sha256, row.size_bytes, row.data_bytes, targets, unverified_reason=row.unverified_reason
        )
        FlashRun.objects.filter(pk=row.pk).update(plan=plan.as_dict(), fingerprint=plan.fingerprint)
        for attendant in ready:
            attendant.say(
                f"Plan {plan.fingerprint}: {attendant.job.medium} of slot {attendant.job.number}, {attendant.identity}."
            )

    def _write(self, image: FirmwareImage, ready: list[Attendant]) -> None:
        """Blocks until all are written and read back; whoever is done goes on at once."""
        for attendant in ready:
            attendant.begin_writing()
        verifies = not self.row.unverified_reason

        def on_progress(progress: tuple[Progress, ...]) -> None:
            self.recorder.note({one.job.pk: now for one, now in zip(ready, progress, strict=True)})

        outcomes = writer.flash(
            store.kept(image.pk),
            library.block_map(image),
            [
                writer.FlashJob(one.open_target, one.stop.requested, verifies, self._finish(one.job.number))
                for one in ready
            ],
            on_progress=on_progress,
            on_end=lambda index, outcome: ready[index].has_been_written(outcome),
        )
        for attendant, outcome in zip(ready, outcomes, strict=True):
            attendant.has_been_written(outcome)

    def _finish(self, number: int) -> Callable[[BlockTarget], None] | None:
        overlay = self._overlays.get(number)
        return overlay.apply if overlay else None

    # Asked by the attendants, each in its own thread

    def await_prepared(self, attendant: Attendant) -> None:
        """Blocks until the image is ready. Raises what kept it from that, Stopped if the attendant's stop is set."""
        self._await(attendant, lambda: self.is_prepared)

    def await_outcome(self, attendant: Attendant) -> writer.Outcome:
        """Blocks until the attendant's target is written. Raises what kept it from that, and Stopped before."""
        with self.changed:
            attendant.is_ready = True
        self._await(attendant, lambda: attendant.outcome is not None)
        assert attendant.outcome is not None
        return attendant.outcome

    def _await(self, attendant: Attendant, is_there: Callable[[], bool]) -> None:
        with self.changed:
            self.changed.notify_all()
            while not is_there():
                if self.error is not None:
                    raise self.error
                if not attendant.is_fed:
                    attendant.raise_if_stopped()
                self.changed.wait(LOOK_SECONDS)

    def has_ended(self, attendant: Attendant) -> None:
        with self.changed:
            attendant.is_over = True
            self.hands.leave(attendant.job.number)
            if all(one.is_over for one in self.attendants):
                self.abandoned.set()
            self.changed.notify_all()


class _Turns:
    """Hands are at one slot at a time, the lowest number first."""

    def __init__(self, numbers: list[int]) -> None:
        self._waiting = sorted(numbers)
        self._changed = threading.Condition()

    def await_turn(self, number: int, raise_if_stopped: Callable[[], None]) -> None:
        """Blocks until nobody with a lower number is still to come. Raises what `raise_if_stopped` does."""
        with self._changed:
            while self._waiting[0] != number:
                raise_if_stopped()
                self._changed.wait(LOOK_SECONDS)

    def leave(self, number: int) -> None:
        """That slot needs no hands (any more); saying so again changes nothing."""
        with self._changed:
            if number in self._waiting:
                self._waiting.remove(number)
            self._changed.notify_all()
