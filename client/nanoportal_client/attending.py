"""One console over its WebSocket: every byte once and in order, or a word about what is missing; typing, by turns.

A lost connection is taken up again where it broke, by the epoch and the place that were reached. Keys are sent at most
once: what was on its way then may have arrived or not, and is not repeated.
"""

import asyncio
import contextlib
import json
import math
import os
import ssl
import struct
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import click
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from nanoportal_client import AGENT
from nanoportal_client.access import Access
from nanoportal_client.escape import CTRL_C, MENU, Escapes, Keys, Word
from nanoportal_client.problems import Exit, Problem, printable, unreachable, untrusted
from nanoportal_client.terminal import Terminal

OFFSET = struct.Struct(">Q")
KEYS_BYTES = 256  # at once, of the 4,096 that the portal takes: a line of 115,200 baud needs 22 ms for them
USUAL_BAUD = 115_200
BITS_A_BYTE = 10  # 8N1
SHARE = 0.9  # of the line's speed: a UART has nowhere to put what comes faster
LASTS_SECONDS = 5.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries to be connected again
#: Why the portal closes a console for good. Others, a stalled reader's among them, are no reason to give up.
CLOSES = {4403: Exit.NOT_PERMITTED, 4404: Exit.NOT_THERE}
#: What a refusal of the keyboard, or of keys, means to a script; others: the state of things does not allow it.
REFUSALS = {
    **dict.fromkeys(("not-permitted", "reserved", "not-signed-in", "token-refused"), Exit.NOT_PERMITTED),
    "daemon-away": Exit.UNREACHABLE,
    "broker-unavailable": Exit.UNKNOWN,  # keys may have arrived
}
DOUBT_SECONDS = 1.0  # what was typed so shortly before the connection was lost may have been lost with it


@dataclass(frozen=True)
class Wish:
    """How somebody attends. `history`: of what was said before, so many bytes at most (None: all that there is);
    `patience`: seconds without a connection; `linger`: seconds of silence after the end of a piped input."""

    types: bool = True
    history: int | None = 8192
    patience: float = 60.0
    linger: float = 2.0
    take_over: str | None = None


class Attending:
    """Somebody at a console, from the first connection to the last. `run` once."""

    def __init__(self, access: Access, board: str, slot: int, terminal: Terminal, wish: Wish) -> None:
        scheme = "wss" if access.is_encrypted else "ws"
        self._url = f"{scheme}{access.url[access.url.index(':') :]}/ws/consoles/{quote(board)}/{slot}/"
        self._access, self._terminal, self._wish = access, terminal, wish
        self._name = f"Slot {slot} of {board}"
        self._pipes = wish.types and not terminal.is_interactive
        self._epoch, self._cursor = "", ""
        self._show_from = 0
        self._socket: ClientConnection | None = None
        self._has_keyboard = asyncio.Event()
        self._keys: deque[bytes] = deque()
        self._typed = asyncio.Event()
        self._sent_at, self._heard_at = float("-inf"), time.monotonic()
        self._was_connected = self._was_greeted = self._took_over = False
        self._baud = USUAL_BAUD
        self._people: list[dict[str, Any]] = []
        self._typist: dict[str, Any] | None = None

    async def run(self, seconds: float | None = None) -> None:
        """Until somebody leaves, the piped input is over, or `seconds` have passed. Raises `Problem`, and `NobodyReads`
        when nobody takes what is shown."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._type())]
        if self._wish.types or self._terminal.is_interactive:
            tasks.append(asyncio.create_task(self._listen()))
        try:
            ended, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # The connection

    async def _follow(self) -> None:
        lost_at, tries = 0.0, 0
        while True:
            connected_at = math.inf
            try:
                async with self._connected() as socket:
                    if tries:
                        self._terminal.say("Connected again.")
                    connected_at, self._was_connected = time.monotonic(), True
                    await self._hear_all(socket)
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                self._judge(error)
                now = time.monotonic()
                # One that does not last is none: whoever comes and goes is on record each time.
                if not tries or now - connected_at > LASTS_SECONDS:
                    lost_at, tries = now, 0
                if not self._was_connected or now - lost_at > self._wish.patience:
                    raise self._away(error) from error
                if not tries:
                    self._terminal.say(f"The connection is lost ({_words(error)}); trying again.")
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        place = f"?epoch={quote(self._epoch)}&after={self._cursor}" if self._epoch else ""
        async with connect(
            self._url + place,
            additional_headers={"Authorization": f"Bearer {self._access.token}"},
            user_agent_header=AGENT,
            ssl=self._access.tls() if self._access.is_encrypted else None,
            compression=None,
            max_size=2**20,
        ) as socket:
            try:
                yield socket
            finally:
                self._socket = None
                self._has_keyboard.clear()

    def _away(self, error: Exception) -> Problem:
        if isinstance(error, ssl.SSLCertVerificationError):
            return untrusted(self._access.url, error)
        return unreachable(self._access.url, _words(error))

    def _judge(self, error: Exception) -> None:
        """Raise `Problem` if there is no use in trying again, or if it would do harm. What somebody typed meanwhile is
        forgotten: it was meant for that moment."""
        if isinstance(error, InvalidStatus) and error.response.status_code < 500:
            words = f"{self._access.url} answers {error.response.status_code} instead of a console."
            raise Problem(Exit.UNREACHABLE, words) from error
        if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code in CLOSES:
            raise Problem(CLOSES[error.rcvd.code], error.rcvd.reason or "The portal closed the console.") from error
        if self._pipes and (self._keys or time.monotonic() - self._sent_at < DOUBT_SECONDS):
            words = "The connection was lost while input was being typed: how much of it arrived is not known."
            raise Problem(Exit.UNKNOWN, words) from error
        self._keys.clear()

    # What comes

    async def _hear_all(self, socket: ClientConnection) -> None:
        async for frame in socket:
            self._heard_at = time.monotonic()
            if isinstance(frame, str):
                await self._hear(socket, json.loads(frame))
                continue
            start = OFFSET.unpack_from(frame)[0]
            self._show(start, frame[OFFSET.size :])
            await self._reach(socket, f"{start + len(frame) - OFFSET.size}-0")
        raise ConnectionError("the portal closed it")

    async def _reach(self, socket: ClientConnection, cursor: str) -> None:
        """What was shown need not be sent again, and there is room for more."""
        self._cursor = cursor
        await socket.send(json.dumps({"type": "ack", "cursor": cursor}))

    def _show(self, start: int, data: bytes) -> None:
        self._terminal.write(data[max(0, self._show_from - start) :])

    def _remark(self, at: int, words: str) -> None:
        """Something that belongs to a place of the stream."""
        if at > self._show_from or not self._show_from:
            self._terminal.say(words)

    async def _hear(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "hello":
            await self._greet(socket, message)
        elif kind == "gap":
            missing = "An unknown number of bytes is" if message["bytes"] is None else f"{message['bytes']} bytes are"
            self._remark(message["at"], f"{missing} missing here. {printable(message['why'])}")
            self._cursor = f"{message['at']}-0"
        elif kind == "marker":
            self._remark(message["at"], printable(message["words"]))
            self._cursor = message["cursor"]
        elif kind == "lease":
            self._typist = message["typist"]
            self._take_lease(message)
        elif kind == "port":
            self._note_port(message)
        elif kind == "presence":
            self._people = message["people"]
        elif kind == "refused":
            self._take_refusal(message)

    async def _greet(self, socket: ClientConnection, hello: dict[str, Any]) -> None:
        self._people, self._typist = hello["present"], hello["typist"]
        self._note_port(hello["port"])
        if hello["epoch"] and hello["epoch"] != self._epoch:
            kept = None if self._epoch else self._wish.history
            self._show_from = 0 if kept is None else (hello["end"] or 0) - kept
            self._epoch, self._cursor = hello["epoch"], f"{hello['start']}-0"
        if self._socket is not None:
            return
        self._socket = socket
        if self._terminal.is_interactive and not self._was_greeted:
            self._was_greeted = True
            self._terminal.say(f"{self._name}: Ctrl-] q leaves, Ctrl-] ? helps.")
        if not self._wish.types:
            return
        if not hello["may_type"]:
            if self._pipes:
                raise Problem(Exit.NOT_PERMITTED, hello["why_not"] or "You may not type at this console.")
            self._terminal.say(f"You may watch, but not type. {printable(hello['why_not'])}".rstrip())
            return
        await self._take(socket)

    async def _take(self, socket: ClientConnection) -> None:
        """Ask for the keyboard. Taking it over is for the first time alone: whoever took it since had a reason, too."""
        self._terminal.forget_typed()
        if self._wish.take_over is not None and not self._took_over:
            self._took_over = True
            await socket.send(json.dumps({"type": "take-over", "why": self._wish.take_over}))
        else:
            await socket.send(json.dumps({"type": "take"}))

    def _whereabouts(self, present: dict[str, Any]) -> str:
        types = self._typist is not None and self._typist["socket"] == present["socket"]
        return f"{printable(present['person'])} ({'types' if types else 'watches'})"

    def _note_port(self, port: dict[str, Any]) -> None:
        self._baud = port.get("baud") or self._baud
        if port.get("problem"):
            self._terminal.say(printable(port["problem"]))

    def _take_lease(self, lease: dict[str, Any]) -> None:
        had = self._has_keyboard.is_set()
        if lease["yours"]:
            self._has_keyboard.set()
            if not had and self._terminal.is_interactive:
                self._terminal.say("You have the keyboard.")
            return
        self._has_keyboard.clear()
        if had:
            by, why = printable(lease["by"] or ""), printable(lease["why"] or "")
            self._lose(f"{by} has the keyboard now." if by else f"The keyboard is not yours any more. {why}".rstrip())

    def _lose(self, words: str) -> None:
        if self._pipes and self._keys:
            raise Problem(Exit.REFUSED, f"{words} The rest of the input was not typed.")
        self._terminal.say(words)

    def _take_refusal(self, refusal: dict[str, Any]) -> None:
        what, code, words = refusal["what"], refusal["code"], printable(refusal["message"])
        if what in ("socket", "attach"):
            return  # it is closed next, and the close has the same words
        if self._pipes and what in ("keys", "take", "take-over"):
            raise Problem(REFUSALS.get(code, Exit.REFUSED), words, code=code)
        self._terminal.say(f"{words} Ctrl-] o takes it over." if what == "take" and code == "busy" else words)

    # What is typed

    async def _listen(self) -> None:
        """Until somebody leaves, or the piped input has been typed and nothing comes any more."""
        escapes = Escapes()
        while data := await self._terminal.read():
            if not self._terminal.is_interactive:
                await self._queue(data)
                continue
            for found in escapes.feed(data):
                if isinstance(found, Word):
                    if found.kind == "quit":
                        return
                    await self._do(found)
                elif self._has_keyboard.is_set():
                    await self._queue(found.data)
                elif self._ends(found):
                    raise click.Abort
        if self._terminal.is_interactive:
            return  # it was closed
        while self._keys or not self._was_connected or self._silence() < self._wish.linger:
            await asyncio.sleep(0.05)

    def _silence(self) -> float:
        """Seconds since anything went either way."""
        return time.monotonic() - max(self._sent_at, self._heard_at)

    def _ends(self, keys: Keys) -> bool:
        """Whether somebody pressed Ctrl-C where it can be meant for no line."""
        return CTRL_C in keys.data and not (self._wish.types and self._was_connected)

    async def _queue(self, data: bytes) -> None:
        self._keys.extend(data[start : start + KEYS_BYTES] for start in range(0, len(data), KEYS_BYTES))
        self._typed.set()
        while len(self._keys) > 64:  # a long input waits where it is
            await asyncio.sleep(0.05)

    async def _type(self) -> None:
        """Send what was typed, no faster than the line takes it, while the keyboard is ours."""
        while True:
            await self._typed.wait()
            await self._has_keyboard.wait()
            if not self._keys:
                self._typed.clear()
            if not self._keys or self._socket is None:
                continue
            keys = self._keys.popleft()
            self._sent_at = time.monotonic()
            with contextlib.suppress(ConnectionClosed):  # who follows says so
                await self._socket.send(keys)
            await asyncio.sleep(len(keys) * BITS_A_BYTE / self._baud / SHARE)

    async def _do(self, word: Word) -> None:
        if word.kind == "help":
            self._terminal.say(MENU)
        elif word.kind == "say":
            self._terminal.say(word.text)
        elif word.kind == "echo":
            self._terminal.echo(word.text)
        elif word.kind == "who":
            self._terminal.say(f"Here: {', '.join(map(self._whereabouts, self._people)) or 'nobody'}")
        elif self._socket is None:
            self._terminal.say("There is no connection now.")
        elif not self._wish.types:
            self._terminal.say("This console is read-only (--read-only).")
        else:
            more = {"sysrq": {"key": word.text}, "take-over": {"why": word.text}}.get(word.kind, {})
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps({"type": word.kind, **more}))


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionClosed):
        return printable(error.rcvd.reason or error.rcvd.code) if error.rcvd else "it broke"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return printable(str(error) or type(error).__name__)
