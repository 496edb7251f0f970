"""From a committed operation to a worker's queue."""

import logging

from celery import current_app
from kombu.exceptions import OperationalError

from operations import wishes
from operations.models import Operation

log = logging.getLogger("nanoportal.dispatch")

TASKS = {
    "power.reset": "slots.power",
    "switch.reset": "slots.power",
    "controller.restart": "slots.power",
    "flash.write": "flashing.run",
    "switch.vlan": "switch.vlan",
    "switch.restore": "switch.vlan",
    "switch.scan": "switch.scan",
}


class BrokerAway(Exception):
    """The message could not be handed to the broker."""


def queue(board: str, kind: str = "") -> str:
    """The queue of what touches `board`'s hardware. What may take an hour has one of its own, so that a power command
    never waits behind it."""
    return f"flash@{board}" if _is_long(kind) else f"hardware@{board}"


def _is_long(kind: str) -> bool:
    return kind.startswith("flash.")


def send(operation: Operation) -> None:
    """Hand a QUEUED operation to its board's worker. Call after the commit. Raises `BrokerAway` within about 2 s.

    Sending twice is harmless: an operation starts once, by conditional UPDATE.
    """
    task = current_app.tasks.get(TASKS[operation.kind])
    if task is None:
        current_app.loader.import_default_modules()
        task = current_app.tasks[TASKS[operation.kind]]
    try:
        task.apply_async(args=[str(operation.id)], queue=queue(operation.board, operation.kind), ignore_result=True)
    except (OperationalError, ConnectionError, OSError) as error:
        log.warning("the broker is away: %s", error)
        raise BrokerAway(str(error)) from error
    if _is_long(operation.kind):
        wishes.wish(wishes.FLASH_WORKER)
