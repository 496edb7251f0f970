"""A run as its page draws it: what each job does now, how far it is, what hands have to do. Read-only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from flashing import guidance
from flashing.models import FlashJob, FlashRun, Phase
from operations.models import OPEN_STATES, Operation, OperationState

QUIET_AFTER = timedelta(seconds=5)  # progress comes twice a second; older figures say so
ALMOST = 0.995  # a bar is full only when its job has ended
MOVES_BYTES = (Phase.WRITING, Phase.VERIFYING, Phase.CUSTOMISING)
# Verbs and what has happened to the bytes that are counted
WORDS = {
    Phase.WRITING: ("Writing", "on the device"),
    Phase.VERIFYING: ("Verifying", "read back"),
    Phase.CUSTOMISING: ("Writing what the first boot needs", ""),
    Phase.RESTORING: ("Restoring its power", ""),
    Phase.PREPARING: ("Preparing", ""),
    Phase.WAITING: ("Waiting", ""),
    Phase.BOOT_MODE: ("Boot mode", ""),
    Phase.READY: ("Ready", ""),
    Phase.ENDED: ("Ended", ""),
}
STOPPED = (OperationState.FAILED, OperationState.INTERRUPTED, OperationState.EXPIRED, OperationState.CANCELLED)


def place_of(address: str) -> str:
    """An address as people read it: `USB 1-1.2`, a file, or a disk of a machine."""
    path = guidance.usb_path(address)
    return path if "/" in path else f"USB {path}" if path else ""


@dataclass(frozen=True)
class Stage:
    """A phase in a job's bar of phases: "done", "now", "bad", or "" for what is to come or was never begun."""

    title: str
    at: str


@dataclass(frozen=True)
class Target:
    """A job of a run."""

    job: FlashJob
    operation: Operation
    state: str  # of the operation, as it is now
    stages: list[Stage]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def place(self) -> str:
        return place_of(self.job.address)

    @property
    def words(self) -> str:
        return WORDS[Phase(self.job.phase)][0]

    @property
    def moves_bytes(self) -> bool:
        return self.is_open and self.job.phase in MOVES_BYTES

    @property
    def where(self) -> str:
        """What has happened to the bytes that are counted: on the device, or read back."""
        return WORDS[Phase(self.job.phase)][1]

    @property
    def bar(self) -> int:
        """For the bar, which is not full before the end."""
        return min(self.job.done_bytes, int(self.job.total_bytes * ALMOST))

    @property
    def is_quiet(self) -> bool:
        """Whether its figures are older than they should be."""
        at = self.job.progress_at
        return self.moves_bytes and at is not None and timezone.now() - at > QUIET_AFTER

    @property
    def time_left(self) -> str:
        """`0:10 left`, by the rate that was measured; `no estimate yet` before there is one."""
        if self.job.eta_seconds is None or self.is_quiet:
            return "no estimate yet" if not self.is_quiet else ""
        whole = max(0, round(self.job.eta_seconds))
        return f"{whole // 60}:{whole % 60:02} left"

    @property
    def wrote(self) -> bool:
        """Whether the storage is not what it was before."""
        return self.job.contents != "untouched"


@dataclass(frozen=True)
class RunView:
    """A run with its jobs, in the order of the slots."""

    run: FlashRun
    targets: list[Target]

    @property
    def is_open(self) -> bool:
        return any(target.is_open for target in self.targets)

    @property
    def hands(self) -> Target | None:
        """The job for which hands have something to do now."""
        return next(
            (t for t in self.targets if t.is_open and t.job.phase == Phase.BOOT_MODE and t.job.hands_step), None
        )

    @property
    def is_writing(self) -> bool:
        """Whether boot mode is behind: something is being written, or all is over."""
        past = (*MOVES_BYTES, Phase.RESTORING)
        return not self.is_open or any(target.is_open and target.job.phase in past for target in self.targets)

    @property
    def summary(self) -> tuple[str, str]:
        """The state and the words of the badge beside the title: `2 running, 1 stopped`."""
        running = sum(target.is_open for target in self.targets)
        done = sum(target.state == OperationState.SUCCEEDED for target in self.targets)
        stopped = sum(target.state in STOPPED for target in self.targets)
        counts = ((running, "running"), (done, "done"), (stopped, "stopped"))
        look = "run" if running else "fail" if stopped else "on"
        return look, ", ".join(f"{count} {word}" for count, word in counts if count)

    @property
    def total_bytes(self) -> int:
        """What every target is sent; before it begins, at least the image's data."""
        return max((target.job.total_bytes for target in self.targets), default=self.run.data_bytes)

    @property
    def read_bytes(self) -> int:
        """What of the image has been read at least: what the fastest target holds."""
        past = (Phase.VERIFYING, Phase.CUSTOMISING, Phase.RESTORING)
        if any(target.job.phase in past or target.state == OperationState.SUCCEEDED for target in self.targets):
            return self.total_bytes
        return max((t.job.done_bytes for t in self.targets if t.job.phase == Phase.WRITING), default=0)

    @property
    def holds_back(self) -> Target | None:
        """The target that is so slow that the others wait for it."""
        return next((t for t in self.targets if t.is_open and t.job.is_behind and t.job.phase == Phase.WRITING), None)


def view_of(run: FlashRun) -> RunView:
    """A run as it was read; no query if its jobs were read along with it (`flashing.services.history`)."""
    now, phases = timezone.now(), phases_of(run)
    return RunView(
        run,
        [Target(job, job.operation, job.operation.shown_state(now), stages_of(job, phases)) for job in run.jobs.all()],
    )


def phases_of(run: FlashRun) -> list[Phase]:
    """The phases that every job of a run goes through."""
    left_out = set() if run.profile_name else {Phase.CUSTOMISING}
    left_out |= {Phase.VERIFYING} if run.unverified_reason else set()
    through = (Phase.PREPARING, Phase.BOOT_MODE, Phase.WRITING, Phase.VERIFYING, Phase.CUSTOMISING, Phase.RESTORING)
    return [phase for phase in through if phase not in left_out]


def stages_of(job: FlashJob, phases: Iterable[Phase]) -> list[Stage]:
    """What of `phases` is behind a job, what is now, and where it stopped."""
    order = list(phases)
    if job.operation.state == OperationState.SUCCEEDED:
        return [Stage(str(phase.label), "done") for phase in order]
    if job.failed_in:
        here = _index(order, job.failed_in)
        ends = {here: "bad", len(order) - 1: "" if job.phase != Phase.ENDED else "done"}
        return [Stage(str(p.label), ends.get(i, "done" if i < here else "")) for i, p in enumerate(order)]
    here = -1 if job.phase in (Phase.WAITING, Phase.ENDED) else _index(order, job.phase)
    return [
        Stage(str(phase.label), "now" if index == here else "done" if index < here else "")
        for index, phase in enumerate(order)
    ]


def _index(order: list[Phase], phase: str) -> int:
    """Where a job stands; one that is READY has boot mode behind it and nothing of the next begun."""
    wanted = Phase.BOOT_MODE if phase == Phase.READY else phase
    return next((index for index, one in enumerate(order) if one == wanted), 0)
