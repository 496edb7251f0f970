"""A broker of our own, as REDIS_URL would name one: it goes and comes when a test says so."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from celery import Celery

from nanoportal import broker as embedded
from tests.portal import wait_for


class Broker:
    """The broker's process, and what lies in its queues."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._socket = folder, folder / "b.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it unless it runs; returns once it answers."""
        if self._process is None:
            self._process = subprocess.Popen(embedded.command(self._folder, self._socket))
        wait_for(lambda: embedded.answers(self._socket), 10, "the broker to answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def hung(self) -> Iterator[None]:
        """It takes connections and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    @contextmanager
    def short_of_memory(self, limit_bytes: int) -> Iterator[None]:
        """It may hold no more than that, as if an hour's chatter had filled it."""
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            before = client.config_get("maxmemory")["maxmemory"]
            client.config_set("maxmemory", limit_bytes)
            try:
                yield
            finally:
                client.config_set("maxmemory", before)

    def used_bytes(self) -> int:
        """What its data takes."""
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            return int(client.info("memory")["used_memory"])

    def waiting(self) -> int:
        """How many messages for the demo board's worker it has not taken yet."""
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            return int(client.llen("hardware@demo"))

    def deliver(self, operation: str) -> None:
        """Put a message about an operation into the worker's queue, as the portal does."""
        with Celery(broker=f"redis+socket://{self._socket}?virtual_host=0", set_as_current=False) as application:
            application.send_task("slots.power", args=[operation], queue="hardware@demo")
