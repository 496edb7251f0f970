"""Three ways to one serial line, each as a client sees it: the portal, ser2net by raw TCP, terminado by WebSocket.

`python -m bench.consoles` is many watchers in a process of their own: one JSON line says of what, then each line on
standard input is answered with the bytes that each kind has received.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

from tests.websocket import BINARY, TEXT, WebSocket, connect

ACK_BYTES = 16_384
PORTAL, SER2NET, TERMINADO = "portal", "ser2net", "terminado"


class Line:
    """A line that somebody has open. `received` counts bytes; `on_bytes` is called for each piece."""

    def __init__(self) -> None:
        self.received = 0
        self.on_bytes: Callable[[bytes], None] = lambda data: None

    def type(self, keys: bytes) -> None:
        raise NotImplementedError

    async def stroke(self, key: bytes, seconds: float = 5.0) -> float:
        """Milliseconds from a keystroke to its echo."""
        heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def listen(data: bytes) -> None:
            if key in data and not heard.done():
                heard.set_result(time.perf_counter())

        self.on_bytes = listen
        began = time.perf_counter()
        self.type(key)
        return (await asyncio.wait_for(heard, seconds) - began) * 1000

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        self.on_bytes(data)


class PortalLine(Line):
    """A console of the portal, acknowledged as its page does."""

    def __init__(self) -> None:
        super().__init__()
        self._unacknowledged = 0
        self.hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lease: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket: WebSocket | None = None

    async def open(self, port: int, cookie: str, slot: int) -> Self:
        path = f"/ws/consoles/demo/{slot}/"
        self._socket = await connect("127.0.0.1", port, path, self._frame, lambda code: None, cookie=cookie)
        await asyncio.wait_for(self.hello, 10)
        return self

    async def take(self) -> None:
        """Take the keyboard, which must be free."""
        assert self._socket is not None
        self._socket.send(TEXT, b'{"type":"take","why":"bench"}')
        await asyncio.wait_for(self.lease, 5)

    def type(self, keys: bytes) -> None:
        assert self._socket is not None
        self._socket.send(BINARY, keys)

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            message = json.loads(payload)
            if message["type"] == "hello" and not self.hello.done():
                self.hello.set_result(None)
            elif message["type"] == "lease" and message["yours"] and not self.lease.done():
                self.lease.set_result(None)
            return
        self._take(payload[8:])
        self._unacknowledged += len(payload) - 8
        if self._unacknowledged >= ACK_BYTES:
            self._unacknowledged = 0
            assert self._socket is not None
            offset = int.from_bytes(payload[:8], "big") + len(payload) - 8
            self._socket.send(TEXT, b'{"type":"ack","offset":%d}' % offset)


class TerminadoLine(Line):
    """A terminal of terminado's."""

    async def open(self, port: int) -> Self:
        self._socket = await connect("127.0.0.1", port, "/terminal", self._frame, lambda code: None)
        return self

    def type(self, keys: bytes) -> None:
        self._socket.send(TEXT, json.dumps(["stdin", keys.decode()]).encode())

    def _frame(self, kind: int, payload: bytes) -> None:
        message = json.loads(payload)
        if message[0] == "stdout":
            self._take(message[1].encode())


class TcpLine(Line, asyncio.Protocol):
    """A TCP port of ser2net's."""

    async def open(self, port: int) -> Self:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport  # (asyncio sets TCP_NODELAY)

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def type(self, keys: bytes) -> None:
        self._transport.write(keys)


async def open_line(kind: str, where: dict[str, Any]) -> Line:
    """One more who has the line open: `where` as `bench.console` wrote it."""
    if kind == PORTAL:
        return await PortalLine().open(where["port"], where["cookie"], where["slot"])
    return await (TcpLine() if kind == SER2NET else TerminadoLine()).open(where["port"])


async def watch() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wanted = json.loads(await reader.readline())
    lines = [(kind, await open_line(kind, where)) for kind, where, count in wanted for _ in range(count)]
    while True:
        received = {kind: sum(line.received for of, line in lines if of == kind) for kind, _, _ in wanted}
        print(json.dumps(received), flush=True)
        if not await reader.readline():
            return


class Watchers:
    """A benchmark's hold on that process."""

    def __init__(self, wanted: list[tuple[str, dict[str, Any], int]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.consoles"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._say(json.dumps(wanted))
        self._read()

    def received(self) -> dict[str, int]:
        """Bytes that all watchers of each kind have received so far."""
        self._say("")
        return self._read()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _say(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


if __name__ == "__main__":
    asyncio.run(watch())
