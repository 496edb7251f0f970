"""What a worker does besides operations: a thread of its own instead of a beat process."""

import sys

from django.conf import settings

from images.services import inspector
from operations import lifecycle, worker
from operations.worker import Periodic
from slots.services import execution, power, watch

# How long one thread may keep the others waiting for the interpreter. Python's own 5 ms is as long as the whole way
# from a click to the line.
SWITCH_SECONDS = 0.0005


def become_worker() -> None:
    """First thing of a worker's life. Raises operations.worker.NameTaken if its name lives already."""
    sys.setswitchinterval(SWITCH_SECONDS)
    me = worker.start(settings.DATA_DIR, settings.WORKER_NAME)
    lifecycle.sweep_dead(me.name, me.instance, execution.settle_interrupted)
    execution.release_left_over_holds()
    watch.check_boards()


def begin() -> None:
    """Start the periodic thread. All times are divided by the time scale."""
    me = worker.current()
    scale = settings.TIME_SCALE
    worker.run_periodic(
        me,
        [
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
        ],
    )


def _sweep() -> None:
    """End what nobody works on any more, on another machine or on this one."""
    lifecycle.sweep_silent(execution.settle_interrupted, alive=worker.names_alive(settings.DATA_DIR))
    worker.current().sweep_abandoned(execution.settle_interrupted)
