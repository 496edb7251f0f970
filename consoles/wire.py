"""A connection to the broker with nothing between a command and the kernel, for what has no time to lose.

redis-py makes a task and a timer for each command: on the way of a keystroke that takes as long as the broker itself.
"""

import asyncio
import ssl
from collections import deque
from typing import Any, Self

import hiredis
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError, NoScriptError, ResponseError

from consoles.resp import Word, command

AWAY = "The broker is away."


class Wire(asyncio.Protocol):
    """Commands go out in the order in which they are asked, each with the call; answers come in that order.

    Belongs to one event loop. What is asked after the connection is lost raises redis-py's `ConnectionError`, and so
    does what was not answered before: whether that was done, nobody knows.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._replies = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()

    @classmethod
    async def connect(cls, url: str, seconds: float) -> Self:
        """A connection to the broker at `url`, as redis-py writes them. Raises OSError (TimeoutError after that time),
        or redis-py's errors when the broker refuses."""
        loop, options = asyncio.get_running_loop(), parse_url(url)
        async with asyncio.timeout(seconds):
            if path := options.get("path"):
                _, wire = await loop.create_unix_connection(cls, path)
            else:
                host, port = options.get("host") or "localhost", options.get("port") or 6379
                secure = ssl.create_default_context() if options.get("connection_class") is SSLConnection else None
                _, wire = await loop.create_connection(cls, host, port, ssl=secure)
            greeted = False
            try:
                if options.get("password"):
                    await wire.ask("AUTH", *filter(None, [options.get("username")]), options["password"])
                await wire.ask("SELECT", options.get("db") or 0)
                greeted = True
            finally:
                if not greeted:
                    wire.close()
        return wire

    def ask(self, *words: Word) -> "asyncio.Future[Any]":
        """Send a command now; its answer: bytes, int, None or lists of these, or redis-py's `ResponseError` raised."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError(AWAY)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._transport.write(command(*words))
        return answer

    async def evalsha(self, digest: str, count: int, *words: Word) -> Any:
        """Run a script that the broker knows by name. Raises redis-py's `NoScriptError` if it does not."""
        return await self.ask("EVALSHA", digest, count, *words)

    async def eval(self, text: str, count: int, *words: Word) -> Any:
        """Run a script, which the broker then knows."""
        return await self.ask("EVAL", text, count, *words)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """May be called twice."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        while (reply := self._replies.gets()) is not False:
            answer = self._waiting.popleft()
            if answer.done():
                continue  # nobody waits for it any more
            if isinstance(reply, hiredis.ReplyError):
                answer.set_exception(_error(str(reply)))
            else:
                answer.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(ConnectionError(AWAY))


def _error(words: str) -> ResponseError:
    return NoScriptError(words) if words.startswith("NOSCRIPT") else ResponseError(words)
