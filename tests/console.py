"""One person at one console, by the browser's own protocol."""

import json
import struct
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.portal import Client


class Console:
    """An open socket, everything that came over it, and a keyboard. A context manager."""

    def __init__(self, client: Client, slot: int, board: str = "demo", query: str = "") -> None:
        url = str(client.http.base_url).rstrip("/")
        cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(
                f"{url.replace('http', 'ws', 1)}/ws/consoles/{board}/{slot}/{query}",
                origin=url,  # type: ignore[arg-type]
                additional_headers={"Cookie": cookies},
                max_size=2**20,
            )
        )
        #: All bytes that came, in order; `until` looks only at what it has not passed yet.
        self.bytes = b""
        self.messages: list[dict[str, Any]] = []
        self.offset: int | None = None
        self._passed = 0
        self.hello = self.wait("hello")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):  # type: ignore[no-untyped-def]
        self.close()

    def close(self) -> None:
        self._open.close()

    def say(self, kind: str, **fields: Any) -> None:
        """One control message."""
        self._socket.send(json.dumps({"type": kind, **fields}))

    def type(self, keys: str | bytes) -> None:
        """Keystrokes."""
        self._socket.send(keys.encode() if isinstance(keys, str) else keys)

    def take(self) -> None:
        """Take the free keyboard."""
        self.say("take", why="test")
        assert self.wait("lease")["yours"], self.messages

    def wait(self, kind: str, seconds: float = 10.0) -> dict[str, Any]:
        """The next message of that type, of those that come from now on."""
        deadline = time.monotonic() + seconds
        while True:
            message = self._receive(deadline, f"a message {kind!r}")
            if message is not None and message["type"] == kind:
                return message

    def skip_history(self, seconds: float = 10.0) -> None:
        """Pass all that was said before this console was opened."""
        deadline = time.monotonic() + seconds
        while self.hello["end"] > self.hello["start"] and (self.offset or 0) < self.hello["end"]:
            self._receive(deadline, "the history")
        self._passed = len(self.bytes)

    def until(self, words: str | bytes, seconds: float = 20.0) -> bytes:
        """What came up to and with `words`, from where the last call ended."""
        wanted = words.encode() if isinstance(words, str) else words
        deadline = time.monotonic() + seconds
        while (found := self.bytes.find(wanted, self._passed)) < 0:
            self._receive(deadline, f"{wanted!r}")
        begin, self._passed = self._passed, found + len(wanted)
        return self.bytes[begin : self._passed]

    def take_bytes(self, count: int, seconds: float = 20.0) -> bytes:
        """The next `count` bytes."""
        deadline = time.monotonic() + seconds
        while len(self.bytes) < self._passed + count:
            self._receive(deadline, f"{count} bytes")
        begin, self._passed = self._passed, self._passed + count
        return self.bytes[begin : self._passed]

    def _receive(self, deadline: float, what: str) -> dict[str, Any] | None:
        """Take one frame; a control message is returned."""
        try:
            frame = self._socket.recv(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; last came {self.bytes[-300:]!r}") from None
        if isinstance(frame, str):
            message: dict[str, Any] = json.loads(frame)
            self.messages.append(message)
            if message["type"] == "gap":
                self.offset = message["at"]
            return message
        start = struct.unpack_from(">Q", frame)[0]
        assert self.offset in (None, start), f"bytes of {start} came at {self.offset}"
        self.bytes += frame[8:]
        self.offset = start + len(frame) - 8
        self.say("ack", offset=self.offset)
        return None
