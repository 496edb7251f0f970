"""The web server: Daphne, with bounds on what it keeps. `python -m nanoportal.web --bind ADDRESS --port PORT`.

Daphne takes in a whole request body before the application sees its first byte, so nothing in Django can refuse a
body that is too large: an anonymous upload of 300 MB would cost 300 MB. Here it is refused while it arrives. And it
takes all that an application sends, however slowly the client reads it: a download would lie in memory. Here the
application waits.
"""

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from daphne import server as daphne_server  # before anything of Twisted: it chooses the reactor
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.abstract import FileDescriptor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import ISSLTransport

MAX_BODY_BYTES = 9 * 1024 * 1024
# How long a refused client may go on sending. It is read and dropped: closing at once would reset the connection,
# and most clients would then report the reset instead of our answer.
LINGER_SECONDS = 5.0

REFUSAL_CODE = "body-too-large"
REFUSAL = f"The body of a request may hold at most {MAX_BODY_BYTES // 2**20} MiB; send larger files in pieces."


class BoundedRequest(WebRequest):
    """A request whose body is dropped, and answered with 413, as soon as it is known to be too large."""

    def __init__(self, channel: Any, queued: bool = False) -> None:
        # Forms are parsed by Django alone; Twisted's own parser would take a multiple of the body's size for nothing.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self.received_bytes = 0
        self.refused = False
        self.flow: Flow | None = None

    def gotLength(self, length: int | None) -> None:
        """Twisted's call when the headers are complete; `length` is None for a chunked body."""
        super().gotLength(length)
        if length is not None and length > MAX_BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Twisted's call for each piece of the body as it arrives."""
        if self.refused:
            return
        self.received_bytes += len(data)
        if self.received_bytes > MAX_BODY_BYTES:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Twisted's call when the whole body is here."""
        if self.refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's call with whatever the application sends."""
        more = message.get("more_body", False)
        if more and self.flow is None and self.channel is not None:
            self.flow = Flow()
            self.registerProducer(self.flow, True)
        elif not more and self.flow is not None:
            self.unregisterProducer()
            self.flow = None
        super().handle_reply(message)

    def _refuse(self) -> None:
        from twisted.internet import reactor

        self.refused = True
        self.content.close()
        self.requestHeaders.removeHeader(b"Expect")  # else Twisted would still say "100 Continue"
        self.transport.write(_refusal_response(self.channel._path))
        self.transport.loseWriteConnection()
        linger = reactor.callLater(LINGER_SECONDS, self.transport.abortConnection)
        self.notifyFinish().addErrback(lambda _lost: linger.active() and linger.cancel())


class Flow:
    """Whether a client takes more of an answer that is sent in pieces, as Twisted says: not while 64 KiB wait."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def pauseProducing(self) -> None:
        self.open.clear()

    def resumeProducing(self) -> None:
        self.open.set()

    def stopProducing(self) -> None:
        """The client has gone; what is sent from now on goes nowhere."""
        self.open.set()


def _refusal_response(path: bytes) -> bytes:
    if path.startswith(b"/api/"):
        kind = "application/json"
        text = json.dumps({"code": REFUSAL_CODE, "message": REFUSAL, "detail": None})
    else:
        kind, text = "text/plain; charset=utf-8", REFUSAL + "\n"
    head = f"HTTP/1.1 413 Content Too Large\r\nContent-Type: {kind}\r\nContent-Length: {len(text.encode())}\r\n"
    return f"{head}Connection: close\r\n\r\n{text}".encode()


class BoundedFactory(HTTPFactory):
    """Daphne's factory, making bounded requests."""

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        """Twisted's question for TLS. Whatever else is installed: the bounds above are those of HTTP/1.1."""
        return [b"http/1.1"]


class PromptSocket(WebSocketProtocol):
    """A WebSocket whose frames are given to the kernel at once.

    Twisted's transport would ask the reactor to call it back when the socket is writable: two more system calls and a
    turn of the loop for each frame, with all other viewers' frames before it.
    """

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Autobahn's call with a frame in its final form."""
        self.transport.write(data)
        if isinstance(self.transport, FileDescriptor) and self.transport.connected and not self.transport.disconnecting:
            self.transport.doWrite()  # what the kernel does not take, and any failure, is left to the reactor

    def serverSend(self, content: bytes | str, binary: bool = False) -> None:
        """Daphne's call with a message; none goes out once the closing has begun."""
        if self.state in (self.STATE_CONNECTING, self.STATE_OPEN):
            super().serverSend(content, binary)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's call with whatever the application sends. Its own version forgets the reason of a close."""
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            self.sendClose(message.get("code", 1000), message.get("reason") or None)
        else:
            super().handle_reply(message)


class PromptFactory(WebSocketFactory):
    """Daphne's factory, making prompt sockets."""

    protocol = PromptSocket


class PatientServer(daphne_server.Server):
    """Daphne's server, which lets an application wait until the client takes more of its answer."""

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Daphne's call for each request and socket; of a socket it does not say whether it is a secure one."""
        if scope["type"] == "websocket":
            scope["scheme"] = "wss" if ISSLTransport.providedBy(protocol.transport) else "ws"
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Daphne's coroutine behind the application's `send`."""
        await super().handle_reply(protocol, message)
        flow = getattr(protocol, "flow", None)
        if flow is not None:
            await flow.open.wait()


def serve(application: Any, bind: str, port: int, secured: Callable[[Any], Any] = lambda endpoint: endpoint) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT; exits with one sentence if the port cannot be opened.
    `secured` may put TLS around the endpoint."""
    # Daphne's server offers no parameter for its protocols and builds their factories, and endpoints, by these names.
    daphne_server.HTTPFactory = BoundedFactory
    daphne_server.WebSocketFactory = PromptFactory
    daphne_server.serverFromString = lambda reactor, words: secured(serverFromString(reactor, words))
    server = PatientServer(
        application,
        endpoints=build_endpoint_description_strings(host=bind, port=port),
        server_name="",
        verbosity=0,
    )
    # What is loaded by now stays until the end: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # The reactor's thread should not wait 5 ms for a request's thread to let go of the interpreter.
    sys.setswitchinterval(0.0005)
    server.run()
    if not server.listening_addresses:
        sys.exit(f"The web server could not open port {port} on {bind}.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nanoportal.web", description="The portal's web server.")
    parser.add_argument("--bind", required=True, metavar="ADDRESS")
    parser.add_argument("--port", required=True, type=int)
    arguments = parser.parse_args()
    application = import_module("nanoportal.asgi").application
    serve(application, arguments.bind, arguments.port, import_module("nanoportal.secured").by_settings())


if __name__ == "__main__":
    main()
