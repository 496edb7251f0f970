"""One viewer's way through a console's journal: every byte once and in order, or a gap of exact size."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from redis.exceptions import RedisError

from consoles import markers
from consoles.frames import FRAME_BYTES, Frame, Message, gap, next_frame, text
from consoles.journal import BROKER_LOST, Cursor, Entry, Epoch
from consoles.keyboard import Typist
from consoles.presence import Present
from consoles.ring import Ring
from consoles.state import ConsoleState
from consoles.tail import JournalTail
from consoles.window import STALL_SECONDS, SendWindow

RANGE_ENTRIES = 256
LOST_WITH_BROKER = "These bytes were lost with the broker's memory."
LOST_WITH_DAEMON = "The console daemon was started anew and does not know these bytes."
DAEMON_WAS_AWAY = "The console daemon was away: an unknown number of bytes is lost."
UNKNOWN_PLACE = "The journal was begun anew since you were here: an unknown number of bytes is lost."

Send = Callable[[Message], Awaitable[None]]


class Stalled(Exception):
    """The viewer acknowledged nothing for a minute while something waited for it."""


class TailFailed(Exception):
    """The journal can no longer be followed in this process: a bug, and logged as one."""


@dataclass(frozen=True)
class _Doubt:
    """An unknown number of bytes is missing here: to be said, unless a marker of the kind `said_by` comes next."""

    why: str
    said_by: str = ""


class Session:
    """Sends one viewer what a tail knows, as fast as they take it.

    `resume` is the epoch and the place where they were before; None for somebody new, who gets all that is retained.
    """

    def __init__(
        self,
        present: Present,
        send: Send,
        *,
        may_type: bool,
        why_not: str = "",
        resume: tuple[str, Cursor] | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.present, self.may_type, self.why_not = present, may_type, why_not
        self.window = SendWindow()
        self._send, self._stall_seconds = send, stall_seconds
        self._epoch: str = resume[0] if resume else ""
        self._cursor: Cursor | None = resume[1] if resume else None
        self._doubt: _Doubt | None = None
        self._greeted: str | None = None  # the epoch of the last hello
        self._said = ConsoleState()
        self._woken = asyncio.Event()
        self._failed = False

    def wake(self) -> None:
        """Something is new."""
        self._woken.set()

    def fail(self) -> None:
        """The tail has failed."""
        self._failed = True
        self._woken.set()

    def acknowledge(self, offset: int) -> None:
        """The viewer has dealt with everything up to `offset`."""
        blocked = self.window.blocked
        self.window.acknowledge(offset, time.monotonic())
        if blocked:
            self._woken.set()

    async def run(self, tail: JournalTail) -> None:
        """Send until cancelled. Raises `Stalled`, `TailFailed`, and what sending raises once the socket is closed."""
        await tail.settled()
        while True:
            self._woken.clear()
            if self._failed:
                raise TailFailed
            if self._said is not tail.keeper.state and self._greeted is not None:
                await self._say_state(tail.keeper.state)
            if not await self._go_on(tail):
                await self._rest()

    async def _rest(self) -> None:
        """Until there is something new, or room for what waits."""
        if not self.window.blocked:
            await self._woken.wait()
            return
        try:
            async with asyncio.timeout(self._stall_seconds - self.window.stalled_seconds(time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            raise Stalled from None

    # The way through the journal

    async def _go_on(self, tail: JournalTail) -> bool:
        """Send what can be sent; whether to try again at once."""
        ring, cursor = tail.ring, self._cursor
        in_reach = ring is not None and ring.epoch == self._greeted and cursor is not None and cursor >= ring.base
        if ring is not None and in_reach and self._doubt is None:
            return await self._send_from(ring)
        if not tail.epochs:
            await self._greet(tail)
            return False
        if not self.window.admits(FRAME_BYTES, time.monotonic()):
            return False
        try:
            return await self._catch_up(tail)
        except (RedisError, OSError):
            return False  # we are woken when the broker is back

    async def _send_from(self, ring: Ring) -> bool:
        while self._cursor is not None and (frame := ring.frame(self._cursor)) is not None:
            if not self.window.admits(frame.size_bytes, time.monotonic()):
                return False
            await self._deliver(frame)
            if self._cursor < ring.base:
                return True  # others went on while we were sending
        return False

    async def _catch_up(self, tail: JournalTail) -> bool:
        """Read from the broker what the ring no longer holds, then go over to the epoch after."""
        if self._epoch and not tail.knows(self._epoch):
            await tail.read_epochs_again()  # the viewer may come from a process that heard of it earlier
        if not self._epoch or not tail.knows(self._epoch):
            self._doubt = _Doubt(UNKNOWN_PLACE) if self._epoch else None
            self._epoch, self._cursor = tail.epochs[0].epoch, None
        after = tail.successor(self._epoch)  # known before the end is read: nothing is added to an epoch that has one
        entries: Sequence[Entry] = ()
        if self._cursor is None or self._cursor != tail.finished.get(self._epoch):
            entries = await tail.entries_after(self._epoch, self._cursor, RANGE_ENTRIES)
        if not entries and after is not None:
            await self._go_over(tail, after)
            return True
        if self._cursor is None:
            self._cursor = Cursor(entries[0].start if entries else tail.epochs[-1].first)
        await self._greet(tail)
        if entries:
            await self._admit_doubt(entries[0])
            return await self._send_all(entries)
        ring = tail.ring
        return ring is not None and ring.epoch == self._epoch and ring.base <= self._cursor < ring.end

    async def _go_over(self, tail: JournalTail, after: Epoch) -> None:
        """To the next epoch. What is missing between is said: exactly, where one count goes on in the other."""
        self._epoch = after.epoch
        if after.lost is None and self._cursor is not None and self._doubt is None:
            self._doubt = _Doubt(DAEMON_WAS_AWAY, said_by=markers.DAEMON_AWAY)
        if self._cursor is None:
            return
        missing = after.first - self._cursor.offset
        if missing > 0:
            await self._greet(tail)
            why = LOST_WITH_BROKER if after.cause == BROKER_LOST else LOST_WITH_DAEMON
            await self._deliver(gap(missing, after.first, why))
        elif missing < 0 and after.cause != BROKER_LOST:
            self._doubt = _Doubt(UNKNOWN_PLACE)  # a count that began again below: nothing may be taken for known
            self._cursor = Cursor(after.first)
        else:
            self._cursor = Cursor(self._cursor.offset)  # ahead of `first` is who saw what the daemon sends again

    async def _admit_doubt(self, coming: Entry) -> None:
        doubt, self._doubt = self._doubt, None
        if doubt is None or self._cursor is None:
            return
        if coming.marker is None or coming.marker.kind != doubt.said_by:
            await self._deliver(gap(None, self._cursor.offset, doubt.why))

    async def _send_all(self, entries: Sequence[Entry]) -> bool:
        index = 0
        while index < len(entries) and self._cursor is not None:
            frame = next_frame(entries, index, self._cursor)
            if not self.window.admits(frame.size_bytes, time.monotonic()):
                return False  # what was read is dropped, so that nothing of it is kept for who does not read
            await self._deliver(frame)
            while index < len(entries) and entries[index].cursor <= frame.cursor:
                index += 1
        return True

    async def _deliver(self, frame: Frame) -> None:
        self._cursor = frame.cursor
        if frame.size_bytes:
            self.window.sent(frame.start, frame.size_bytes)
        await self._send(frame.message)

    # What is said beside it

    async def _greet(self, tail: JournalTail) -> None:
        """Say hello: first of all, even if there is no journal yet, and once for each epoch."""
        epoch = self._epoch if tail.epochs else ""
        if self._greeted == epoch or (self._greeted is not None and not epoch):
            return
        self._greeted, state, cursor, ring = epoch, tail.keeper.state, self._cursor, tail.ring
        await self._send(
            text(
                "hello",
                epoch=epoch or None,
                start=cursor.offset if epoch and cursor else None,
                end=ring.end.offset if epoch and ring else None,
                socket=self.present.socket,
                person=self.present.person,
                may_type=self.may_type,
                why_not=self.why_not,
                port=state.port,
                typist=_shown(state.typist),
                present=state.people,
            )
        )
        # Whoever has the keyboard hears so in the usual words as well, if they took it before we came to say hello.
        ours = state.typist is not None and state.typist.socket == self.present.socket
        self._said = replace(state, typist=None) if ours else state

    async def _say_state(self, state: ConsoleState) -> None:
        """What has changed since it was said last. Only the keyboard is told to somebody who does not read: it
        changes hands seldom, and the loser must know."""
        if state.typist != self._said.typist:
            await self.say_lease(state.typist)
        if self.window.blocked:
            return
        if state.port != self._said.port:
            await self._send(state.port_message)
        if state.people != self._said.people:
            await self._send(state.people_message)
        self._said = state

    async def say_lease(self, typist: Typist | None, why: str = "") -> None:
        """Whose the keyboard is now; if it was another's until now, also who took it and why."""
        before = self._said.typist
        taken = typist is not None and before is not None and typist.socket != before.socket
        self._said = replace(self._said, typist=typist)
        await self._send(
            text(
                "lease",
                typist=_shown(typist),
                yours=typist is not None and typist.socket == self.present.socket,
                by=typist.person if taken and typist else None,
                why=why or (typist.why if taken and typist else ""),
                may_type=self.may_type,
                why_not=self.why_not,
            )
        )


def _shown(typist: Typist | None) -> dict[str, str] | None:
    return {"person": typist.person, "since": typist.since, "socket": typist.socket} if typist else None
