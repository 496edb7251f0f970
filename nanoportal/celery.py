"""The worker: Celery carries the messages, `operations.worker` is the process around them."""

import os
import signal
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_init, worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nanoportal.settings")

# On a controller the portal commonly runs as root, for the bus and the ports; the messages are our own.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("nanoportal")
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_acks_late=False,  # never twice: a message is acknowledged before it acts, and never redelivered afterwards
    task_create_missing_queues=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_publish_retry=False,
    broker_transport_options={
        "visibility_timeout": 3600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "polling_interval": 0.1,
        # A request that finds no broker says so after one more try, not after Celery's own six seconds of them.
        "max_retries": 1,
        "interval_start": 0.2,
    },
    db_reuse_max=1_000_000,  # Django's own connections: a task must not pay for a new one
    imports=("slots.tasks", "flashing.tasks", "switch.tasks"),
)


@worker_init.connect
def become_worker(**_: Any) -> None:
    """Take the worker's lock, end what an earlier life left running, and read the boards, before any message."""
    from nanoportal import periodic

    periodic.become_worker()


@worker_ready.connect
def begin_periodic_work(**_: Any) -> None:
    from nanoportal import periodic

    periodic.begin()


@worker_shutting_down.connect
def stop_operations(sig: str = "", **_: Any) -> None:
    """Wake every wait: presses finish or are released, waits for evidence end. One signal is enough; more are
    ignored, since a second one would end the process without any `finally`."""
    from operations import worker

    worker.current().shutdown()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
