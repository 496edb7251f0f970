"""What is said of a console beside its bytes: its port, its keyboard, its people; kept current per web process.

It is read again when a hint says so, and every few seconds anyhow: a hint may be lost, and a key that runs out sends
none.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from redis.exceptions import RedisError

from consoles import keyboard, presence
from consoles.frames import Message, text
from consoles.journal import Keys
from consoles.keyboard import Typist
from consoles.presence import Present

LOOK_SECONDS = 5.0
GATHER_SECONDS = 0.2  # after a restart many come at once: they are announced together
OK, NO_DAEMON, NO_BROKER = "ok", "daemon-away", "broker-away"
DAEMON_AWAY = "The console daemon is away: nothing is read from the line and nothing can be typed."
BROKER_AWAY = "The broker is away: the console goes on as soon as it is back."

BROKER_IS_AWAY = {"reach": NO_BROKER, "state": "unknown", "problem": BROKER_AWAY}
DAEMON_IS_AWAY = {"reach": NO_DAEMON, "state": "unknown", "problem": DAEMON_AWAY}


@dataclass(frozen=True)
class ConsoleState:
    """The port as the daemon describes it (with `reach`: whether daemon and broker are there), and who is here."""

    port: dict[str, Any] = field(default_factory=lambda: DAEMON_IS_AWAY)
    typist: Typist | None = None
    present: tuple[Present, ...] = ()

    @cached_property
    def people(self) -> list[dict[str, Any]]:
        """Who is here, as other people may see it."""
        typing = self.typist.socket if self.typist else ""
        return [
            {
                "person": p.person,
                "mode": "type" if p.socket == typing else "watch",
                "since": p.since,
                "socket": p.socket,
            }
            for p in self.present
        ]

    @cached_property
    def port_message(self) -> Message:
        return text("port", **self.port)

    @cached_property
    def people_message(self) -> Message:
        return text("presence", people=self.people)


class StateKeeper:
    """Keeps `state` of one console current, and this process's part of it known to others.

    `changed` is called after each change, on the event loop.
    """

    def __init__(self, keys: Keys, client: Any, changed: Callable[[], None]) -> None:
        self.keys, self.client, self.state = keys, client, ConsoleState()
        self._changed = changed
        self._here: dict[str, Present] = {}
        self._come: set[str] = set()
        self._gone: set[str] = set()
        self._renewed_at = float("-inf")
        self._overtaken = 0  # how often what we know came from elsewhere than a look
        self._handing_over = 0
        self.looked = asyncio.Event()  # at least once, or in vain
        self._stale = asyncio.Event()
        self._urgent = asyncio.Event()

    def come(self, present: Present) -> None:
        """Somebody watches from now on."""
        self._here[present.socket] = present
        self._come.add(present.socket)
        self._stale.set()

    def go(self, socket: str) -> None:
        """They do no longer."""
        del self._here[socket]
        self._come.discard(socket)
        self._gone.add(socket)
        self._stale.set()

    def heed(self, hints: Collection[str]) -> None:
        """Something is said to have changed: "port", "typist", "epoch" or "presence". People may wait a little."""
        self._stale.set()
        if set(hints) - {"presence"}:
            self._urgent.set()

    @contextlib.contextmanager
    def handing_over(self) -> Iterator[None]:
        """The keyboard changes hands through us, and `set_typist` says to whom before this ends. Meanwhile it may be
        free although we still believe it to be somebody's, so nobody's lease is renewed."""
        self._handing_over += 1
        try:
            yield
        finally:
            self._handing_over -= 1

    def set_typist(self, typist: Typist | None) -> None:
        """The keyboard has just changed hands through us. It may have done so once more before we heard of it, and the
        hint of that have come first: so it is looked at again."""
        self._overtaken += 1
        self.heed({"typist"})
        self._set(replace(self.state, typist=typist))

    def broker_is_away(self) -> None:
        """Say so, until the state can be read again: anew, since a look may be under way that knew it alive. Its memory
        may be lost: all is told anew then."""
        self._overtaken += 1
        self._stale.set()
        self._renewed_at = float("-inf")
        self._set(replace(self.state, port=BROKER_IS_AWAY))

    def _set(self, state: ConsoleState) -> None:
        if state != self.state:
            self.state = state
            self._changed()

    async def keep(self) -> None:
        """Do so until cancelled."""
        while True:
            self._stale.clear()
            self._urgent.clear()
            with contextlib.suppress(RedisError, OSError):  # who follows the journal says that the broker is away
                await self._tell()
                await self._look()
            self.looked.set()
            await _wait(self._stale, LOOK_SECONDS)
            await _wait(self._urgent, GATHER_SECONDS)

    async def _look(self) -> None:
        overtaken = self._overtaken
        pipeline = self.client.pipeline(transaction=False)
        pipeline.get(self.keys.port)
        pipeline.get(self.keys.typist)
        pipeline.hgetall(self.keys.present)
        port, typist, rows = await pipeline.execute()
        here, gone = presence.people(rows, time.time())
        if gone:
            await self.client.hdel(self.keys.present, *gone)
        if self._overtaken != overtaken:
            return  # what was read may be from before, and is read again
        said = {"reach": OK, **json.loads(port)} if port else DAEMON_IS_AWAY
        self._set(ConsoleState(said, Typist.from_json(typist), tuple(here)))

    async def _tell(self) -> None:
        """Tell the broker who came and who left, and every 10 s who is still here and typing."""
        now = time.monotonic()
        due = now - self._renewed_at >= presence.RENEW_SECONDS
        come, gone, self._come, self._gone = self._come, self._gone, set(), set()
        here = [present for socket, present in self._here.items() if due or socket in come]
        try:
            if gone:
                await presence.withdraw(self.client, self.keys, gone)
            if here:
                await presence.announce(self.client, self.keys, here, time.time(), news=bool(come))
            if due:
                await self._keep_keyboard()
        except (RedisError, OSError, asyncio.CancelledError):  # (cancelled: the goodbye names those who have gone)
            self._come |= come & self._here.keys()
            self._gone |= gone
            raise
        if due:
            self._renewed_at = now

    async def _keep_keyboard(self) -> None:
        """Renew the lease of whoever of ours types. One that was lost with the broker's memory is taken anew; one that
        is another's by now is not."""
        typist = self.state.typist
        if typist is None or typist.socket not in self._here or self._handing_over:
            return
        board, slot = self.keys.board, self.keys.slot
        lease = await keyboard.renew(board, slot, typist.socket).on_async(self.client)
        was_given_up = self._handing_over or self.state.typist != typist  # while the broker was asked
        if not lease.granted and lease.holder is None and not was_given_up:
            await keyboard.take(board, slot, typist).on_async(self.client)

    async def say_goodbye(self) -> None:
        """Take those who left from the list of people, at the end; without the broker, they run out there."""
        if self._gone:
            with contextlib.suppress(RedisError, OSError):
                await presence.withdraw(self.client, self.keys, self._gone)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
