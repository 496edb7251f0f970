"""The end of one console's journal, read once per web process for all who watch it there.

A viewer who keeps up is served from the ring; one who fell behind reads the stream by itself (`consoles.session`).
"""

import asyncio
import json
import logging
import time
import weakref
from typing import Any, Protocol

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from consoles import journal
from consoles.flow import ECHO_BYTES, JOIN_SECONDS, Flow
from consoles.journal import Cursor, Entry, Epoch, Keys
from consoles.presence import Present
from consoles.resp import Word
from consoles.ring import Ring
from consoles.state import StateKeeper
from consoles.wire import Wire

log = logging.getLogger("nanoportal.consoles")
PATIENCE_SECONDS = 5.0  # for any answer of the broker
BLOCK_SECONDS = 2.0  # for how long a read waits in the broker for something new
READ_ENTRIES = 512
RETRY_SECONDS = 0.25
CANCEL_SECONDS = 0.5  # and once more: it may reach the client where that swallows it
RANGES_AT_ONCE = 4  # of all who fell behind: each may hold a whole journal for a moment

StreamEntries = list[tuple[bytes, list[bytes]]]  # ids, and fields with their values in turn


class Viewer(Protocol):
    """What a tail knows of a session."""

    @property
    def present(self) -> Present: ...

    def wake(self) -> None:
        """There is something new. Must not block."""
        ...

    def fail(self) -> None:
        """Nothing will come any more: the tail has failed."""
        ...


class JournalTail:
    """Follows one console for the viewers of this process. Needs a running event loop, from `start` to `stop`."""

    def __init__(self, keys: Keys, url: str, client: Redis, ranges: asyncio.Semaphore) -> None:
        self.keys, self.client, self._url, self._ranges = keys, client, url, ranges
        self.keeper = StateKeeper(keys, client, self.wake_all)
        self.epochs: list[Epoch] = []
        self.ring: Ring | None = None
        self.finished: dict[str, Cursor] = {}  # where those epochs ended that were read to their end here
        self.viewers: dict[str, Viewer] = {}
        self._reader: Wire | None = None  # a connection of its own: it waits in the broker
        self._news_id = b"0-0"
        self._flow = Flow()
        self._begun = asyncio.Event()
        self._held: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow."""
        for work in (self._follow(), self.keeper.keep()):
            task = asyncio.get_running_loop().create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        log.error("the console %s can no longer be followed", self.keys, exc_info=task.exception())
        self._begun.set()
        self.keeper.looked.set()
        for viewer in list(self.viewers.values()):
            viewer.fail()

    async def settled(self) -> None:
        """Wait until journal and state have been read for the first time, or could not be."""
        await self._begun.wait()
        await self.keeper.looked.wait()

    async def stop(self) -> None:
        """End. Whoever left is taken from the list of people."""
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=CANCEL_SECONDS)
        self._let_go()
        await self.keeper.say_goodbye()
        self._close_reader()

    def join(self, viewer: Viewer) -> None:
        """From now on `viewer` is woken."""
        self.viewers[viewer.present.socket] = viewer
        self.keeper.come(viewer.present)

    def leave(self, viewer: Viewer) -> None:
        """From now on it is not."""
        del self.viewers[viewer.present.socket]
        self.keeper.go(viewer.present.socket)

    def wake_all(self) -> None:
        """Let every viewer look what is new."""
        self._let_go()
        for viewer in self.viewers.values():
            viewer.wake()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None

    # Epochs

    def successor(self, epoch: str) -> Epoch | None:
        """The epoch that came after that one, as far as is on record."""
        for before, after in zip([None, *self.epochs], self.epochs, strict=False):
            if (before.epoch if before else after.previous) == epoch:
                return after
        return None

    def knows(self, epoch: str) -> bool:
        """Whether that epoch, or at least the one after it, is on record."""
        return any(known.epoch == epoch for known in self.epochs) or self.successor(epoch) is not None

    async def read_epochs_again(self) -> None:
        """Before a viewer's epoch is called unknown. Raises RedisError or OSError when the broker is away."""
        rows = await self.client.lrange(self.keys.epochs, 0, -1)
        self.epochs = [Epoch.from_json(row) for row in rows]

    # For who fell behind

    async def entries_after(self, epoch: str, cursor: Cursor | None, count: int) -> list[Entry]:
        """The next entries of `epoch` behind `cursor`, or its oldest ones; none also if its stream is gone. Raises
        RedisError or OSError when the broker is away."""
        start = "-" if cursor is None else f"({cursor}"
        words = ("XRANGE", self.keys.stream(epoch), start, "+", "COUNT", count)
        async with self._ranges:
            rows = await self.client.execute_command(*words)
        return [journal.decode(entry_id, fields) for entry_id, fields in rows]

    # Following

    async def _follow(self) -> None:
        while True:
            try:
                self._reader = await Wire.connect(self._url, PATIENCE_SECONDS)
                await self._begin()
                self._begun.set()
                self.keeper.heed({"epoch"})
                self.wake_all()
                while True:
                    await self._read(BLOCK_SECONDS)
            except (RedisError, OSError) as error:
                log.info("%s: the broker is away: %s", self.keys, error)
                self.keeper.broker_is_away()
                self._begun.set()
                self._close_reader()
            await asyncio.sleep(RETRY_SECONDS)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    async def _ask(self, *words: Word) -> Any:
        assert self._reader is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.ask(*words)

    async def _begin(self) -> None:
        """Find the end of the journal, or go on where we were. The place in the news is taken first, so that whatever
        happens meanwhile will be read."""
        newest = await self._newest(self.keys.news)
        self._news_id = newest or b"0-0"
        await self._read_epochs()
        if self.ring is None and self.epochs:
            epoch = self.epochs[-1]
            last = await self._newest(self.keys.stream(epoch.epoch))
            self.ring = Ring(epoch.epoch, Cursor.parse(last) if last else Cursor(epoch.first))
        await self._go_over()

    async def _newest(self, stream: str) -> bytes | None:
        rows: StreamEntries = await self._ask("XREVRANGE", stream, "+", "-", "COUNT", 1)
        return rows[0][0] if rows else None

    async def _read_epochs(self) -> None:
        rows = await self._ask("LRANGE", self.keys.epochs, 0, -1)
        self.epochs = [Epoch.from_json(row) for row in rows]

    async def _go_over(self) -> None:
        """Go over to the newest epoch; the one that was followed is read to its end first."""
        while self.epochs and (self.ring is None or self.ring.epoch != self.epochs[-1].epoch):
            after = self.epochs[-1]
            if self.ring is not None:
                await self._finish(self.ring)
                after = self.successor(self.ring.epoch) or after
            self.ring = Ring(after.epoch, Cursor(after.first))
            self.wake_all()

    async def _finish(self, ring: Ring) -> None:
        while True:
            words = ("XRANGE", self.keys.stream(ring.epoch), f"({ring.end}", "+", "COUNT", READ_ENTRIES)
            entries = _decoded(await self._ask(*words))
            if not entries:
                break
            ring.add(entries)
        self.finished[ring.epoch] = ring.end

    async def _read(self, block_seconds: float) -> None:
        """Wait for something new and take it in."""
        words: list[Word] = ["XREAD", "COUNT", READ_ENTRIES, "BLOCK", round(block_seconds * 1000), "STREAMS"]
        if self.ring is None:
            words += [self.keys.news, self._news_id]
        else:
            words += [self.keys.stream(self.ring.epoch), self.keys.news, str(self.ring.end), self._news_id]
        reply = await self._ask(*words)
        if not reply:
            await self._look_for_epochs()  # a hint may have been lost with the broker's memory
        for stream, rows in reply or ():
            if stream == self.keys.news.encode():
                self._news_id = rows[-1][0]
                await self._heed({json.loads(_row(fields)[journal.NEWS])["what"] for _, fields in rows})
            else:
                await self._take_in(_decoded(rows))

    async def _take_in(self, entries: list[Entry]) -> None:
        """Pass on what came: at once while the line is quiet, else together with what comes in the next moments."""
        assert self.ring is not None
        self.ring.add(entries)
        size = sum(len(entry.data) for entry in entries)
        typist = self.keeper.state.typist
        typing = self.viewers.get(typist.socket) if typist is not None else None
        if typing is not None and size <= ECHO_BYTES:
            typing.wake()  # first of all, and whatever the others have to wait for
        if self._flow.passes(size, time.monotonic()):
            self.wake_all()
            await asyncio.sleep(0)  # what came goes out before more is asked for
            return
        if self._held is None:
            self._held = asyncio.get_running_loop().call_later(JOIN_SECONDS, self.wake_all)
        if size > ECHO_BYTES:
            await asyncio.sleep(JOIN_SECONDS)  # output, not echo: let one read bring all of it

    async def _heed(self, hints: set[str]) -> None:
        if "epoch" in hints:
            await self._look_for_epochs()
        self.keeper.heed(hints)

    async def _look_for_epochs(self) -> None:
        await self._read_epochs()
        await self._go_over()


def _decoded(rows: StreamEntries) -> list[Entry]:
    return [journal.decode(entry_id, _row(fields)) for entry_id, fields in rows]


def _row(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


class Tails:
    """The tails of one event loop: each is made when the first viewer comes, and ends when the last one leaves."""

    def __init__(self, url: str) -> None:
        # What was typed must never be sent twice: no command is tried again by the client itself.
        never = Retry(NoBackoff(), 0)
        self.client = Redis.from_url(
            url, protocol=2, retry=never, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
        )
        self._url = url
        self._ranges = asyncio.Semaphore(RANGES_AT_ONCE)
        self._typing: Wire | None = None
        self._connecting = asyncio.Lock()
        self._tails: dict[Keys, JournalTail] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def join(self, keys: Keys, viewer: Viewer) -> JournalTail:
        """The tail of that console, with `viewer` among those whom it wakes."""
        tail = self._tails.get(keys)
        if tail is None:
            tail = self._tails[keys] = JournalTail(keys, self._url, self.client, self._ranges)
            tail.start()
        tail.join(viewer)
        return tail

    def leave(self, tail: JournalTail, viewer: Viewer) -> None:
        """`viewer` has gone."""
        tail.leave(viewer)
        if not tail.viewers and self._tails.get(tail.keys) is tail:
            del self._tails[tail.keys]
            task = asyncio.get_running_loop().create_task(tail.stop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def typing(self) -> Wire:
        """The connection for keystrokes. Raises RedisError or OSError when the broker is away."""
        if self._typing is None or not self._typing.is_open:
            async with self._connecting:
                if self._typing is None or not self._typing.is_open:
                    self._typing = await Wire.connect(self._url, PATIENCE_SECONDS)
        return self._typing

    async def close(self) -> None:
        """Wait until those that end have ended, and let go of the broker. Nobody may be watching any more."""
        await asyncio.gather(*self._ending)
        if self._typing is not None:
            self._typing.close()
        await self.client.aclose()


_of_loop: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Tails]" = weakref.WeakKeyDictionary()


def tails() -> Tails:
    """Those of the running event loop, on the broker of the settings."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        _of_loop[loop] = Tails(settings.JOURNAL_URL)
    return _of_loop[loop]
