"""A lean WebSocket client on asyncio: enough of RFC 6455 for a hundred viewers in one process, and no more."""

import asyncio
import base64
import os
import secrets
import struct
from collections.abc import Callable

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The server answered the handshake with another status; it is the argument."""


class WebSocket(asyncio.Protocol):
    """One connection. `on_frame(kind, payload)` is called for each text or binary message, `on_close(code)` once."""

    def __init__(self, on_frame: Callable[[int, bytes], None], on_close: Callable[[int], None]) -> None:
        self._on_frame, self._on_close = on_frame, on_close
        self._received = bytearray()
        self._open = False
        self._code = 1006
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, kind: int, payload: bytes) -> None:
        """One message of less than 64 KiB. A connection that has gone takes it and does nothing."""
        if self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        length = struct.pack(">B", 0x80 | size) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
        mask = os.urandom(4)
        whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self._transport.write(bytes([0x80 | kind]) + length + mask + whole.to_bytes(size, "big"))

    def close(self, code: int = 1000) -> None:
        self.send(CLOSE, struct.pack(">H", code))
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Be gone without a word, as a browser whose network went."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read nothing more: what comes fills the kernel's buffers, then the server's."""
        if self._transport is not None:
            self._transport.pause_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(Refused("connection lost"))
        self._on_close(self._code)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._open and not self._take_answer():
            return
        while (frame := self._next_frame()) is not None:
            kind, payload = frame
            if kind in (TEXT, BINARY):
                self._on_frame(kind, payload)
            elif kind == PING:
                self.send(PONG, payload)
            elif kind == CLOSE:
                self._code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.close()

    def _take_answer(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._received[:end]).split(b" ", 2)[1].decode()
        del self._received[: end + 4]
        if status != "101":
            if not self.ready.done():
                self.ready.set_exception(Refused(status))
            self.abort()
            return False
        self._open = True
        if not self.ready.done():
            self.ready.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        received = self._received
        if len(received) < 2:
            return None
        kind, size = received[0] & 0x0F, received[1] & 0x7F
        begin = {126: 4, 127: 10}.get(size, 2)
        if begin > 2:
            size = int.from_bytes(received[2:begin], "big")
        if len(received) < begin or len(received) < begin + size:
            return None
        payload = bytes(received[begin : begin + size])
        del received[: begin + size]
        return kind, payload


async def connect(
    host: str,
    port: int,
    path: str,
    on_frame: Callable[[int, bytes], None],
    on_close: Callable[[int], None],
    *,
    cookie: str = "",
    subprotocol: str = "",
) -> WebSocket:
    """Open a WebSocket as a page of the same origin would. Raises `Refused` and OSError."""
    _, socket = await asyncio.get_running_loop().create_connection(lambda: WebSocket(on_frame, on_close), host, port)
    origin = f"{host}:{port}"
    lines = [f"GET {path} HTTP/1.1", f"Host: {origin}", f"Origin: http://{origin}", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    lines += [f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    lines += [f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []
    assert socket._transport is not None
    socket._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    await socket.ready
    return socket
