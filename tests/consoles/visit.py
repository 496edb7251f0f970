"""A daemon's side of a console, written by the layout of the contract alone, and a browser that believes nothing."""

import asyncio
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import redis
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from consoles import journal, markers, tail
from consoles.journal import Cursor, Epoch, Keys, new_epoch_name
from consoles.markers import Marker
from slots.models import Board, Slot

SOON = 5.0


class Line:
    """What the daemon does to the broker for one console."""

    def __init__(self, board: str, slot: int = 3, url: str = "") -> None:
        self.keys = Keys(board, slot)
        self.client = redis.Redis.from_url(url or settings.JOURNAL_URL)
        self.epoch, self.end, self.n = "", 0, 0
        self.sent = bytearray()  # all that was ever written; offset 0 is its first byte

    def begin(self, cause: str = journal.DAEMON_START, first: int | None = None, lost: int | None = None) -> None:
        previous, self.epoch = self.epoch or None, new_epoch_name()
        self.end = self.end if first is None else first
        self.n = 0
        at = datetime.now(UTC).isoformat()
        epoch = Epoch(self.epoch, self.end, previous, cause, lost, 1.5, at)
        kind = markers.DAEMON_AWAY if cause == journal.DAEMON_START else markers.BROKER_LOST
        self.mark(kind, "It was away for 1.5 s.")
        self.client.rpush(self.keys.epochs, epoch.to_json())
        self.tell("epoch")

    def write(self, data: bytes) -> None:
        self.sent += data
        self.end, self.n = self.end + len(data), 0
        self.client.xadd(self.keys.stream(self.epoch), {journal.DATA: data}, id=f"{self.end}-0")

    def lose(self, data: bytes) -> None:
        """Bytes that were read and could not be kept."""
        self.sent += data
        self.end, self.n = self.end + len(data), 0

    def mark(self, kind: str = markers.BREAK, words: str = "A break was sent.") -> None:
        self.n += 1
        marker = Marker(kind, datetime.now(UTC), words)
        self.client.xadd(self.keys.stream(self.epoch), {journal.MARKER: marker.to_json()}, id=f"{self.end}-{self.n}")

    def say(self, **port: Any) -> None:
        self.client.set(self.keys.port, json.dumps({"state": "open", "baud": 115200, "problem": "", **port}), ex=30)
        self.tell("port")

    def tell(self, what: str) -> None:
        self.client.xadd(self.keys.news, {journal.NEWS: journal.news(what)})

    def typed(self) -> list[dict[str, bytes]]:
        rows = self.client.xrange(self.keys.keys)
        return [{name.decode(): value for name, value in fields.items()} for _, fields in rows]

    def close(self) -> None:
        self.client.close()


def make_slot(board: str, slot: int = 3) -> None:
    row, _ = Board.objects.get_or_create(slug=board, defaults={"name": board})
    Slot.objects.update_or_create(board=row, number=slot, defaults={"uart": True})


def cookie_of(person: Any) -> str:
    """A session of that person, as their browser would send it."""
    client = Client()
    client.force_login(person)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


class Browser:
    """One page at one console, or a program with a token. It checks every rule of the stream while it reads."""

    def __init__(
        self, board: str, slot: int = 3, cookie: str = "", resume: str = "", origin: str = "", token: str = ""
    ) -> None:
        from nanoportal.asgi import application

        headers = [(b"host", b"localhost")]
        headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
        headers += [(b"origin", (origin or "http://localhost").encode())] if origin or not token else []
        path = f"/ws/consoles/{board}/{slot}/{resume}"
        self.socket = WebsocketCommunicator(application, path, headers=[*headers, (b"cookie", cookie.encode())])
        self.data = bytearray()
        self.said: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.epoch: str | None = None
        self.cursor: Cursor | None = None
        self.code: int | None = None
        self.acknowledges = True
        self.left = False

    async def open(self) -> "Browser":
        accepted, _ = await self.socket.connect(timeout=SOON)
        assert accepted
        return self

    async def read(self, seconds: float = SOON) -> None:
        """Take one frame."""
        message = await self.socket.receive_output(timeout=seconds)
        if message["type"] == "websocket.close":
            self.code = message["code"]
        elif "bytes" in message:
            await self._take(message["bytes"])
        else:
            self._hear(json.loads(message["text"]))

    async def _take(self, frame: bytes) -> None:
        (start,), data = struct.unpack(">Q", frame[:8]), frame[8:]
        assert self.cursor is not None, "hello comes first"
        assert start == self.cursor.offset, f"at {self.cursor}, and now {len(data)} bytes from {start} on"
        assert 0 < len(data) <= 16_384
        self.frames.append(frame)
        self.data += data
        self.cursor = Cursor(start + len(data))
        if self.acknowledges:
            await self.say("ack", offset=self.cursor.offset)

    def _hear(self, row: dict[str, Any]) -> None:
        self.said.append(row)
        if row["type"] == "hello":
            self.epoch = row["epoch"]
            # What a hello says of port and people is not said once more, unless it changes.
            self.said += [{"type": "port", **row["port"]}, {"type": "presence", "people": row["present"]}]
            if self.epoch is not None:
                assert self.cursor is None or row["start"] <= self.cursor.offset
                self.cursor = (
                    Cursor(row["start"]) if not self.cursor or row["start"] != self.cursor.offset else self.cursor
                )
        elif row["type"] == "gap":
            assert self.cursor is not None
            if row["bytes"] is not None:
                assert row["at"] == self.cursor.offset + row["bytes"] > self.cursor.offset
            self.cursor = Cursor(row["at"])
        elif row["type"] == "marker":
            assert self.cursor is not None
            assert row["at"] == self.cursor.offset
            self.cursor = Cursor.parse(row["cursor"])

    async def until(self, question: Callable[[], Any], seconds: float = SOON) -> Any:
        """Read until the answer is true."""
        async with asyncio.timeout(seconds):
            while not (answer := question()):
                await self.read(seconds)
        return answer

    async def until_data(self, data: bytes, seconds: float = SOON) -> None:
        await self.until(lambda: len(self.data) >= len(data), seconds)
        assert bytes(self.data) == bytes(data)

    async def until_said(self, kind: str, seconds: float = SOON, **fields: Any) -> dict[str, Any]:
        """A message of that type with those fields, also if it was said before."""

        def said() -> dict[str, Any] | None:
            return next((row for row in self.of(kind) if fields.items() <= row.items()), None)

        return dict(await self.until(said, seconds))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.said if row["type"] == kind]

    def gaps(self) -> list[int | None]:
        return [row["bytes"] for row in self.of("gap")]

    async def quiet(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for so long."""
        return await self.socket.receive_nothing(timeout=seconds, interval=0.01)

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send_to(text_data=json.dumps({"type": kind, **fields}))

    async def type(self, data: bytes) -> None:
        await self.socket.send_to(bytes_data=data)

    @property
    def resume(self) -> str:
        return f"?epoch={self.epoch}&after={self.cursor}"

    async def close(self) -> None:
        """As a page that is left; may be called twice."""
        if not self.left:
            self.left = True
            await self.socket.disconnect(timeout=SOON)


class Visitors:
    """Opens the pages of one test, each person with one session, and closes them in the end."""

    def __init__(self, board: str, make_person: Callable[[str, str], Any]) -> None:
        self.board, self.people = board, {}
        self._make_person = make_person
        self._cookies: dict[str, str] = {}
        self._pages: list[Browser] = []

    def known(self, name: str, role: str) -> str:
        """The cookie of somebody's session; they are made at the first call."""
        if name not in self._cookies:
            self.people[name] = self._make_person(name, role)
            self._cookies[name] = cookie_of(self.people[name])
        return self._cookies[name]

    async def __call__(
        self, name: str = "olga", role: str = "operator", *, slot: int = 3, resume: str = "", **how: str
    ) -> Browser:
        """`how` is `origin` or `token`."""
        cookie = await in_thread(self.known)(name, role) if name else ""
        page = Browser(self.board, slot, cookie, resume, **how)
        await page.open()
        self._pages.append(page)
        return page

    async def close(self) -> None:
        for page in self._pages:
            await page.close()
        await tail.tails().close()


Visit = Visitors
in_thread = sync_to_async
