"""How far each slot is, as rows: written once a second, and by a thread of its own, so that a database that is locked
holds up neither the writing nor a cancel."""

import logging
import threading

from django.db import DatabaseError, connection
from django.utils import timezone

from flashing.models import FlashJob, FlashRun, Phase
from flashing.services import queueing
from hardware.flash.progress import Progress
from operations import lifecycle
from operations.models import Operation, OperationState

log = logging.getLogger("nanoportal.flash")
EVERY_SECONDS = 1.0
STEPS = {  # the place of each phase in the operation's plan
    Phase.PREPARING: 1,
    Phase.BOOT_MODE: 2,
    Phase.READY: 2,
    Phase.WRITING: 3,
    Phase.VERIFYING: 4,
    Phase.CUSTOMISING: 4,
    Phase.RESTORING: 5,
}
OF_WRITER = {
    "waiting": Phase.WRITING,
    "writing": Phase.WRITING,
    "verifying": Phase.VERIFYING,
    "finishing": Phase.CUSTOMISING,
}
BEFORE_WRITING = (Phase.BOOT_MODE, Phase.READY, Phase.WRITING)
FED = (Phase.WRITING, Phase.VERIFYING, Phase.CUSTOMISING)
WORDS = {
    Phase.WRITING: "writing",
    Phase.VERIFYING: "reading it back",
    Phase.CUSTOMISING: "writing its first-boot files",
}


def enter(job: FlashJob, phase: Phase, words: str) -> None:
    """The job is in this phase from now on."""
    values = {"phase": phase, "progress_at": timezone.now(), "bytes_per_second": 0, "eta_seconds": None}
    if phase in BEFORE_WRITING:
        values |= {"done_bytes": 0, "total_bytes": job.run.data_bytes}
    FlashJob.objects.filter(pk=job.pk).update(**values)
    operation = Operation(pk=job.operation_id, resource=job.operation.resource)
    lifecycle.set_step(operation, STEPS[phase], len(queueing.PHASES), words, 0)
    queueing.hint(job.run)


class Recorder:
    """Keeps the newest figures of a run's jobs and writes them down once a second."""

    def __init__(self, run: FlashRun) -> None:
        self._run = run
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._hashed_bytes = self._written_bytes = self._stored_bytes = 0
        self._newest: dict[int, Progress] = {}
        self._phases: dict[int, Phase] = {}
        self._thread = threading.Thread(target=self._work, name="progress")

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Returns once the last figures are written. Blocks for the database."""
        self._over.set()
        self._thread.join()

    def prepare(self, stored_bytes: int) -> None:
        """From here on `has_hashed` counts up to this."""
        self._stored_bytes = stored_bytes

    def has_hashed(self, read_bytes: int) -> None:
        """Does not block."""
        self._hashed_bytes = read_bytes

    def note(self, progress: dict[int, Progress]) -> None:
        """The newest figures by the job's key; what has ended keeps those that it had. Does not block."""
        with self._guard:
            self._newest |= {pk: now for pk, now in progress.items() if now.phase in OF_WRITER}

    def _work(self) -> None:
        try:
            while not self._over.wait(EVERY_SECONDS):
                self._write_down()
            self._write_down()
        finally:
            connection.close()

    def _write_down(self) -> None:
        with self._guard:
            newest, self._newest = self._newest, {}
        try:
            hashed = self._write_hashed()
            for pk, progress in newest.items():
                self._write_progress(pk, progress)
            if newest or hashed:
                queueing.hint(self._run)
        except DatabaseError:  # the next second may be better; what counts is written by those who know how it ended
            log.exception("the progress of a flash could not be written down")

    def _write_hashed(self) -> bool:
        hashed = self._hashed_bytes
        if hashed == self._written_bytes:
            return False
        self._written_bytes = hashed
        preparing = FlashJob.objects.filter(run=self._run, phase=Phase.PREPARING)
        preparing.update(done_bytes=hashed, total_bytes=self._stored_bytes, progress_at=timezone.now())
        return True

    def _write_progress(self, pk: int, progress: Progress) -> None:
        phase = OF_WRITER[progress.phase]
        fed = FlashJob.objects.filter(pk=pk, phase__in=FED, operation__state=OperationState.RUNNING)
        found = fed.update(
            phase=phase,
            done_bytes=progress.done_bytes,
            total_bytes=progress.total_bytes,
            bytes_per_second=progress.bytes_per_second,
            eta_seconds=progress.eta_seconds,
            is_behind=progress.is_behind,
            progress_at=timezone.now(),
        )
        if found and self._phases.setdefault(pk, Phase.WRITING) != phase:
            self._phases[pk] = phase
            operation = Operation.objects.get(flash=pk)
            lifecycle.set_step(operation, STEPS[phase], len(queueing.PHASES), WORDS[phase], 0)
            lifecycle.append_log(operation, f"{WORDS[phase].capitalize()}.")
