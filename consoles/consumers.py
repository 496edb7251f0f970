"""The socket of one open console: journal to the browser, keystrokes to the line."""

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.sockets import actor_for_scope, nobody_of, watch_rights
from consoles import keyboard
from consoles.frames import KEYS_BYTES, Ask, Message, read_ask, text
from consoles.journal import Cursor, Keys
from consoles.presence import Present
from consoles.services import attending
from consoles.services.attending import READ, WRITE, Seat
from consoles.session import Session, Stalled, TailFailed
from consoles.state import DAEMON_AWAY, NO_DAEMON
from consoles.tail import JournalTail, tails
from consoles.window import STALL_SECONDS
from operations.http import record_refusal
from operations.refusals import BadRequest, BrokerUnavailable, NotFound, NotPermitted, Refused, Unavailable
from operations.roles import Actor

# (an application may close with codes from 3000 on; those below are the protocol's own)
NOT_ALLOWED, NO_SUCH_SLOT, STALLED, FAILED = 4403, 4404, 4408, 4500
ACTS_AT_ONCE, ACTS_PER_SECOND = 10, 1.0  # each act but typing is on record: nobody fills the log by holding a key
EPOCH = re.compile(r"[0-9a-f]{16}")
LAST_OFFSET = 2**63
TYPE_SECONDS = 2.0  # for the broker to take a keystroke
WITHDRAW_SECONDS = 1.0  # between tries, while the broker is away and nobody can type anyhow
log = logging.getLogger("nanoportal.consoles")
T = TypeVar("T")

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ConsoleConsumer:
    """One browser at one console, as an ASGI application.

    It is none of Channels' own consumers: these make two tasks and a change of thread for every message, and a
    keystroke should not wait for that.
    """

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        where = scope["url_route"]["kwargs"]
        self.keys = Keys(where["board"], where["slot"])
        self.socket = uuid.uuid4().hex
        self.seat: Seat
        self.session: Session
        self.tail: JournalTail
        self._acts, self._acts_at = float(ACTS_AT_ONCE), time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = False

    @classmethod
    def as_asgi(cls) -> Any:
        """An application for the routes."""

        async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
            await cls(scope, receive, send).serve()

        return application

    async def serve(self) -> None:
        """From the handshake to the end of the socket."""
        await self.receive()  # the connect event
        # Accepted in any case: only then a browser learns the code with which it is closed.
        await self.send({"type": "websocket.accept"})
        try:
            actor = await self._known()
            try:
                self.seat = await _in_thread(attending.attach, actor, self.keys.board, self.keys.slot, self.socket)
            except Refused as refusal:
                resource = attending.resource(self.keys.board, self.keys.slot)
                await _in_thread(record_refusal, refusal, actor, "console.attached", resource)
                raise
        except Refused as refusal:
            await self._refuse("attach", refusal)
            await self._close(NO_SUCH_SLOT if isinstance(refusal, NotFound) else NOT_ALLOWED, refusal.message)
            return
        await self._attend()

    async def _known(self) -> Actor:
        """Who asks. Raises Refused, which is then on record, for nobody."""
        try:
            actor = await actor_for_scope(self.scope)
            if actor is None:
                raise NotPermitted("Sign in to see a console.", code="not-signed-in")
        except Refused as refusal:
            # Not by console: whoever is nobody could fill the log by asking for more than there are.
            await _in_thread(record_refusal, refusal, nobody_of(self.scope), "console.attached", "portal")
            raise
        return actor

    async def _attend(self) -> None:
        came = time.monotonic()
        actor, may_type = self.seat.actor, self.seat.may_type
        present = Present(self.socket, actor.name, actor.user_id, timezone.now().isoformat())
        stall_seconds = STALL_SECONDS / settings.TIME_SCALE
        resume = _resume(self.scope["query_string"])
        self.session = Session(
            *(present, self.send),
            may_type=may_type,
            why_not=self.seat.why_not,
            resume=resume,
            stall_seconds=stall_seconds,
        )
        self.tail = tails().join(self.keys, self.session)
        held = frozenset({READ, WRITE} if may_type else {READ})
        unwatch = watch_rights(
            self.scope, self._rights_changed, actions=(READ, WRITE), resource=self.seat.resource, held=held
        )
        try:
            self._start(self._show())
            await self._listen()
        finally:
            unwatch()
            for task in self._tasks:
                task.cancel()
            tails().leave(self.tail, self.session)
            await _in_thread(attending.detach, self.seat, time.monotonic() - came)

    async def _show(self) -> None:
        """Let the session send, until it is over."""
        try:
            await self.session.run(self.tail)
        except Stalled:
            seconds = STALL_SECONDS / settings.TIME_SCALE
            await self._close(STALLED, f"Nothing was taken for {seconds:g} s. Reconnect to go on where you were.")
        except TailFailed:
            await self._close(FAILED, "The console can no longer be followed; it is on record why.")

    async def _listen(self) -> None:
        while True:
            message = await self.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is not None:
                await self._type(data)
            else:
                await self._hear(message["text"])

    async def _type(self, data: bytes) -> None:
        """Keystrokes: straight to the broker, which looks whose the keyboard is."""
        if len(data) > KEYS_BYTES:
            await self._refuse("keys", BadRequest(f"At most {KEYS_BYTES} bytes can be typed at once.", code="too-long"))
            return
        if not data:
            return
        if not self.session.may_type:
            why = f"You may watch this console, but not type. {self.session.why_not}".rstrip()
            await self._refuse("keys", NotPermitted(why, code="not-permitted"))
            return
        if self.tail.keeper.state.port["reach"] == NO_DAEMON:
            await self._refuse("keys", Unavailable(DAEMON_AWAY, code="daemon-away"))
            return  # the next daemon types nothing that was sent before it began
        keys = self.keys
        call = keyboard.type_keys(keys.board, keys.slot, self.socket, self.seat.actor.name, data)
        try:
            async with asyncio.timeout(TYPE_SECONDS):
                lease = await call.on_async(await tails().typing())
        except (RedisError, OSError):
            await self._refuse("keys", BrokerUnavailable("The broker is away: what you typed may not have arrived."))
            return
        if not lease.granted:
            whose = f"{lease.holder.person} has it now." if lease.holder else "Nobody has it now."
            await self._refuse("keys", NotPermitted(f"You do not have the keyboard. {whose}", code="not-typing"))

    async def _hear(self, words: str) -> None:
        try:
            ask = read_ask(words)
        except BadRequest as refusal:
            await self._refuse("message", refusal)
            return
        if ask.kind == "ack":
            self.session.acknowledge(ask.offset)
            return
        try:
            if not self._is_unhurried():
                raise Refused("That was too much at once. Try again in a second.", code="too-fast")
            await self._do(ask)
        except Refused as refusal:
            await self._refuse(ask.kind, refusal)

    def _is_unhurried(self) -> bool:
        now = time.monotonic()
        self._acts = min(ACTS_AT_ONCE, self._acts + (now - self._acts_at) * ACTS_PER_SECOND)
        self._acts_at = now
        if self._acts < 1:
            return False
        self._acts -= 1
        return True

    async def _do(self, ask: Ask) -> None:
        keeper = self.tail.keeper
        try:
            if ask.kind in ("break", "sysrq"):
                return await _in_thread(attending.send_break, self.seat, ask.key)
            with keeper.handing_over():
                if ask.kind == "take":
                    keeper.set_typist(await _in_thread(attending.take, self.seat, ask.why))
                elif ask.kind == "take-over":
                    keeper.set_typist(await _in_thread(attending.take_over, self.seat, ask.why))
                else:
                    await _in_thread(attending.release, self.seat)
                    keeper.set_typist(None)
        except Refused as refusal:
            await _in_thread(record_refusal, refusal, self.seat.actor, f"console.{ask.kind}", self.seat.resource)
            raise

    # Rights

    async def _rights_changed(self, held: frozenset[str]) -> None:
        if READ not in held:
            await self._close(NOT_ALLOWED, "You may no longer see this console.")
        else:
            self._start(self._allow_typing(WRITE in held))

    async def _allow_typing(self, allowed: bool) -> None:
        """Say that one may type from now on, or no longer; then the keyboard is taken away too."""
        session, keeper = self.session, self.tail.keeper
        session.may_type = allowed  # nothing is typed from here on
        typist = keeper.state.typist
        ours = typist is not None and typist.socket == self.socket
        session.why_not = "" if allowed else await _in_thread(attending.why_not_typing, self.seat)
        why = "You may type here now." if allowed else f"You may no longer type here. {session.why_not}".rstrip()
        await session.say_lease(None if ours and not allowed else typist, why)
        if not allowed:
            with keeper.handing_over():
                await self._withdraw()
                if ours:
                    keeper.set_typist(None)

    async def _withdraw(self) -> None:
        while True:
            try:
                return await _in_thread(attending.withdraw, self.seat)
            except BrokerUnavailable:
                await asyncio.sleep(WITHDRAW_SECONDS)

    # Saying so

    async def _refuse(self, what: str, refusal: Refused) -> None:
        await self.send(text("refused", what=what, code=refusal.code, message=refusal.message))

    async def _close(self, code: int, why: str) -> None:
        """Say why and close. The socket's end then comes as any other does."""
        await self.send(text("refused", what="socket", code=str(code), message=why))
        await self.send({"type": "websocket.close", "code": code, "reason": why})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        if not isinstance(task.exception(), OSError):  # which sending raises once the socket is closed
            log.error("a viewer of %s is lost", self.keys, exc_info=task.exception())
            if self._lost:
                return
            self._lost = True
            self._start(self._close(FAILED, "Something went wrong here; it is in the portal's log."))


async def _in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do what blocks for the database."""
    done: T = await database_sync_to_async(work)(*arguments)
    return done


def _resume(query_string: bytes) -> tuple[str, Cursor] | None:
    """The epoch and place of `?epoch=&after=`; None for a new visit. What makes no sense is the place of nobody's
    epoch, and answered as such."""
    query = parse_qs(query_string.decode("latin1"))
    epoch, after = query.get("epoch", [""])[-1], query.get("after", [""])[-1]
    if not epoch and not after:
        return None
    with contextlib.suppress(ValueError):
        cursor = Cursor.parse(after)
        if EPOCH.fullmatch(epoch) and max(cursor.offset, cursor.n) < LAST_OFFSET:
            return epoch, cursor
    return "unknown", Cursor(0)
