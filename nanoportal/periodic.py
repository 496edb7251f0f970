"""What a worker does besides operations: a thread of its own instead of a beat process.

There are two kinds of worker: one for what may not wait, and one for flashes, which runs only while there are any.
"""

import os
import signal
import sys
import time

from django.conf import settings

from flashing.services import queueing, restoring
from images.services import inspector
from operations import lifecycle, verifying, worker
from operations.models import Operation, OperationState
from operations.worker import Periodic
from reservations.services import turns as reservation_turns
from slots.services import execution, power, watch
from switch.services import rates, recovering
from switch.services import restoring as switch_restoring
from switch.services import watching as switch_watching

# How long one thread may keep the others waiting for the interpreter. Python's own 5 ms is as long as the whole way
# from a click to the line.
SWITCH_SECONDS = 0.0005
IDLE_SECONDS = 600.0  # a flash worker without a flash ends after this
_busy_at = time.monotonic()


def become_worker() -> None:
    """First thing of a worker's life. Raises operations.worker.NameTaken if its name lives already."""
    me = worker.start(settings.DATA_DIR, settings.WORKER_NAME)
    lifecycle.sweep_dead(me.name, me.instance, settle_interrupted)
    execution.release_left_over_holds()
    if settings.WORKER_KIND == "flash":
        restoring.close_what_has_ended()
        restoring.remove_left_over_files()
        return
    _sweep_dead_flashes()
    sys.setswitchinterval(SWITCH_SECONDS)
    switch_restoring.undo_left_over()
    watch.check_boards()


def _sweep_dead_flashes() -> None:
    """End what a flash worker left, whose next life may be a month away: until the next flash. Of its files too, since
    they hold what somebody's next system is set up with."""
    for name in worker.names_dead(settings.DATA_DIR):
        lifecycle.sweep_dead(name, "", settle_interrupted)
    if worker.names_alive(settings.DATA_DIR) == [worker.current().name]:
        restoring.remove_left_over_files()


def settle_interrupted(operation: Operation) -> lifecycle.Settled:
    """What is believed after an operation whose worker died: each kind knows what it was doing."""
    settle = restoring.settle_interrupted if operation.kind == queueing.KIND else execution.settle_interrupted
    return settle(operation)


def begin() -> None:
    """Start the periodic thread. All times are divided by the time scale."""
    me = worker.current()
    worker.run_periodic(me, _of_flash(me) if settings.WORKER_KIND == "flash" else _of_hardware(me))


def _of_hardware(me: worker.Worker) -> list[Periodic]:
    scale = settings.TIME_SCALE
    return [
        Periodic("cancels", 0.3, me.pass_on_cancels),
        Periodic("turns", 0.5, power.send_due),
        Periodic("holds", 1, execution.release_left_over_holds),
        Periodic("links", max(0.5, 4 / scale), watch.read_links),
        Periodic("evidence", max(0.25, 2 / scale), watch.observe),
        Periodic("boards", max(1, 10 / scale), watch.check_boards),
        Periodic("probes", max(1, 10 / scale), watch.probe),
        worker.heartbeat_job(me),  # before the sweep: a worker that was stopped for a minute is not silent itself
        Periodic("inspections", 1, inspector.start_if_needed),
        Periodic("uploads", 60, inspector.tidy_if_needed),
        Periodic("silent", 20, _sweep),
        Periodic("audit", 5, verifying.Patrol().look),
        Periodic("reservations", 1, reservation_turns.keep),
        Periodic("flashes", 2, restoring.close_what_has_ended),
        Periodic("changes", max(0.25, 2 / scale), switch_restoring.undo_left_over),
        Periodic("switches", max(1, 60 / scale), switch_watching.look),
        Periodic("switch resets", max(1, 10 / scale), recovering.look),
        Periodic("new switches", max(1, 60 / scale), _meet_switches, due=time.monotonic() + 60 / scale),
        Periodic("traffic", max(5, rates.EVERY_SECONDS / scale), rates.Watch().look),
    ]


def _meet_switches() -> None:
    if settings.SWITCH_SCANS_BY_ITSELF:
        recovering.meet()


def _of_flash(me: worker.Worker) -> list[Periodic]:
    return [
        Periodic("cancels", 0.3, me.pass_on_cancels),
        Periodic("holds", 1, execution.release_left_over_holds),
        worker.heartbeat_job(me),
        Periodic("abandoned", 20, lambda: me.sweep_abandoned(settle_interrupted)),
        Periodic("idle", 5 / settings.TIME_SCALE, _end_if_idle),
    ]


def _sweep() -> None:
    """End what nobody works on any more, on another machine or on this one."""
    lifecycle.sweep_silent(settle_interrupted, alive=worker.names_alive(settings.DATA_DIR))
    worker.current().sweep_abandoned(settle_interrupted)


def _end_if_idle() -> None:
    """A flash worker that has had nothing to do for a while ends, as if it were told to: its memory is needed."""
    global _busy_at
    queued = Operation.objects.filter(kind=queueing.KIND, state=OperationState.QUEUED)
    if worker.current().running_ids() or queued.exists():
        _busy_at = time.monotonic()
    elif time.monotonic() - _busy_at > IDLE_SECONDS / settings.TIME_SCALE:
        os.kill(os.getpid(), signal.SIGTERM)
