"""Hints for open pages: "slot 3 of demo changed, read it again". Losing one costs a moment of staleness.

Sending never blocks and never raises: one thread per process owns the connection to the channel layer, so that
neither a request nor a power sequence waits for the broker.
"""

import asyncio
import contextlib
import logging
import os
import threading
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

GROUP = "hints"
log = logging.getLogger("nanoportal.events")


# What a hint announces goes first: the message to the worker, the drive of the line. A burst becomes one hint.
PATIENCE_SECONDS = 0.02


class _Sender:
    """A daemon thread with an event loop of its own, started by the first hint."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._waiting: dict[str, dict[str, Any]] = {}  # touched by the loop's thread only, as are the tasks
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps no reference to them

    def put(self, hint: dict[str, Any]) -> None:
        self._running_loop().call_soon_threadsafe(self._collect, hint)

    def flush(self, timeout_seconds: float) -> None:
        if self._loop is not None and self._pid == os.getpid():
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(timeout_seconds)

    async def _drain(self) -> None:
        if self._waiting:
            self._send_collected()
        await asyncio.gather(*self._tasks)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._pid != os.getpid():  # a thread does not survive a fork
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name="hints", daemon=True).start()
            return self._loop

    def _collect(self, hint: dict[str, Any]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._send_collected)
        self._waiting[repr(hint)] = hint

    def _send_collected(self) -> None:
        hints, self._waiting = list(self._waiting.values()), {}
        task = asyncio.get_running_loop().create_task(self._send(hints))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, hints: list[dict[str, Any]]) -> None:
        try:
            async with asyncio.timeout(5):
                for hint in hints:
                    await get_channel_layer().group_send(GROUP, {"type": "hint", "hint": hint})
        except Exception as error:  # a hint may be lost, and whatever the broker says must not end this thread
            log.info("hints lost: %s", error)


_sender = _Sender()


def flush(timeout_seconds: float = 2.0) -> None:
    """Wait until what was announced is sent: for a process that is about to end, and with it the thread that sends."""
    _sender.flush(timeout_seconds)


def hint(topic: str, board: str = "", slot: int | None = None, **more: Any) -> None:
    """After the commit, tell open pages that something changed."""
    message: dict[str, Any] = {"topic": topic, "board": board, **more}
    if slot is not None:
        message["slot"] = slot
    transaction.on_commit(lambda: _sender.put(message))
