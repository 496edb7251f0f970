"""What a worker process is: a name, a lock on it, an instance id, the operations it runs and its periodic work.

A lock decides who is dead, not a clock: the kernel frees it with the process.
"""

import fcntl
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db import close_old_connections, connections

from hardware.sequencer import Stop, StopReason
from operations import lifecycle
from operations.models import Operation, OperationState

log = logging.getLogger("nanoportal.worker")


class NameTaken(Exception):
    """Another live worker has this name."""


def lock_path(data_dir: Path, name: str) -> Path:
    return data_dir / f"worker-{name}.lock"


def is_alive(data_dir: Path, name: str) -> bool:
    """Whether a live process holds the lock of worker `name`. Takes no lock that a worker could miss: a shared
    test lock is dropped at once, and a starting worker tries for a second."""
    try:
        with open(lock_path(data_dir, name), "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def names_alive(data_dir: Path) -> list[str]:
    """The workers of this data directory that live, this process's own included."""
    names = [path.stem.removeprefix("worker-") for path in data_dir.glob("worker-*.lock")]
    return [name for name in names if is_alive(data_dir, name)]


def names_dead(data_dir: Path) -> list[str]:
    """The workers that were once on this data directory and do not live."""
    names = [path.stem.removeprefix("worker-") for path in data_dir.glob("worker-*.lock")]
    return [name for name in names if not is_alive(data_dir, name)]


class Worker:
    """The one of this process. Made by `start`, reached by `current()`."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.data_dir, self.name = data_dir, name
        self.instance = uuid.uuid4().hex
        self.stopping = threading.Event()
        self._running: dict[str, Stop] = {}
        self._unaccounted: set[uuid.UUID] = set()
        self._guard = threading.Lock()
        self._lock = self._take_lock()

    def _take_lock(self) -> int:
        path = lock_path(self.data_dir, self.name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + 1.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise NameTaken(
                        f"A worker named {self.name} is running already on {self.data_dir}; stop it first."
                    ) from None
                time.sleep(0.02)
        content = json.dumps({"name": self.name, "instance": self.instance, "pid": os.getpid()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content.encode(), 0)
        os.fsync(descriptor)
        return descriptor

    def enter(self, operation: Operation) -> Stop:
        """Register an operation that begins now; a worker that is stopping makes it stop at once."""
        stop = Stop()
        with self._guard:
            self._running[str(operation.pk)] = stop
        if self.stopping.is_set():
            stop.request(StopReason.SHUTDOWN)
        return stop

    def leave(self, operation: Operation) -> None:
        with self._guard:
            self._running.pop(str(operation.pk), None)

    def running_ids(self) -> list[str]:
        with self._guard:
            return list(self._running)

    def shutdown(self) -> None:
        """Tell every running operation that the worker is to end. Does not block."""
        self.stopping.set()
        with self._guard:
            for stop in self._running.values():
                stop.request(StopReason.SHUTDOWN)

    def pass_on_cancels(self) -> None:
        """Wake the operations of this process that somebody cancelled, or that were ended from outside, for instance
        since the board lost power. One that begins while we look is not among them."""
        ids = self.running_ids()
        if not ids:
            return
        rows = Operation.objects.filter(pk__in=ids, state=OperationState.RUNNING)
        states = {str(pk): by for pk, by in rows.values_list("pk", "cancel_requested_by")}
        wanted = {pk for pk, cancelled_by in states.items() if not cancelled_by}
        with self._guard:
            for operation_id in set(ids) - wanted:
                if operation_id in self._running:
                    self._running[operation_id].request(StopReason.CANCEL)

    def sweep_abandoned(self, settle: lifecycle.Aftermath) -> None:
        """End what this worker began and runs no more, though nobody wrote down how it ended (the database was away).

        Only what two looks in a row find: an operation has its row first and enters here a moment later.
        """
        rows = Operation.objects.filter(instance=self.instance, state=OperationState.RUNNING)
        found = {row.pk: row for row in rows.exclude(pk__in=self.running_ids())}
        for pk in self._unaccounted & found.keys():
            lifecycle.interrupt(found[pk], "How this ended could not be written down. It is not repeated.", settle)
        self._unaccounted = set(found)


@dataclass
class Periodic:
    """Work that the worker repeats every `seconds`; a failure is logged and the next turn comes as usual."""

    name: str
    seconds: float
    work: Callable[[], None]
    due: float = 0.0


_current: Worker | None = None


def current() -> Worker:
    """The worker of this process. Raises RuntimeError outside a worker."""
    if _current is None:
        raise RuntimeError("this process is not a worker")
    return _current


def start(data_dir: Path, name: str) -> Worker:
    """Become worker `name`: take its lock (raises `NameTaken`) and end what its earlier life left running."""
    global _current
    worker = Worker(data_dir, name)
    _current = worker
    return worker


def run_periodic(worker: Worker, jobs: list[Periodic]) -> threading.Thread:
    """Start the thread that does the worker's periodic work until it stops."""
    thread = threading.Thread(target=_periodic_loop, args=(worker, jobs), name="periodic", daemon=True)
    thread.start()
    return thread


def _periodic_loop(worker: Worker, jobs: list[Periodic]) -> None:
    while not worker.stopping.is_set() or worker.running_ids():
        now = time.monotonic()
        for job in jobs:
            if job.due <= now:
                _run_job(job)
                job.due = time.monotonic() + job.seconds
        pause = max(0.05, min(job.due for job in jobs) - time.monotonic())
        worker.stopping.wait(pause) if not worker.stopping.is_set() else time.sleep(min(pause, 0.2))
    connections.close_all()


def _run_job(job: Periodic) -> None:
    try:
        job.work()
    except Exception:  # one failing job must not end the others; the next turn may be better
        log.exception("periodic work %s failed", job.name)
        close_old_connections()


def heartbeat_job(worker: Worker) -> Periodic:
    return Periodic("heartbeat", lifecycle.HEARTBEAT.total_seconds(), lambda: lifecycle.heartbeat(worker.instance))
