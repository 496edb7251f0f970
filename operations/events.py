"""Hints for open pages: "slot 3 of demo changed, read it again". Losing one costs a moment of staleness.

Sending never blocks and never raises: one thread per process owns the connection to the channel layer, so that
neither a request nor a power sequence waits for the broker.
"""

import asyncio
import logging
import queue
import threading
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

GROUP = "hints"
log = logging.getLogger("nanoportal.events")


class _Sender:
    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def put(self, hint: dict[str, Any]) -> None:
        self.waiting.put(hint)
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        asyncio.run(self._send_all())

    async def _send_all(self) -> None:
        layer = get_channel_layer()
        loop = asyncio.get_running_loop()
        while True:
            hint = await loop.run_in_executor(None, self.waiting.get)
            try:
                await layer.group_send(GROUP, {"type": "hint", "hint": hint})
            except Exception as error:  # a hint may be lost, and whatever the broker says must not end this thread
                log.info("hint lost: %s", error)


_sender = _Sender()


def hint(topic: str, board: str = "", slot: int | None = None, **more: Any) -> None:
    """After the commit, tell open pages that something changed."""
    message: dict[str, Any] = {"topic": topic, "board": board, **more}
    if slot is not None:
        message["slot"] = slot
    transaction.on_commit(lambda: _sender.put(message))
