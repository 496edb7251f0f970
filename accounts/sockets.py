"""The person behind a WebSocket, and the watch that closes the socket when they lose their right.

One task per process re-reads the access version once a second; consumers never query for it themselves.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from accounts.access import current_version
from accounts.actors import actor_for
from accounts.models import Session, User
from accounts.services import tokens
from operations import reservations
from operations.refusals import TokenRefused
from operations.rights import next_end
from operations.roles import Actor, may

SECONDS_BETWEEN_LOOKS = 1.0
log = logging.getLogger("nanoportal.sockets")


async def actor_for_scope(scope: dict[str, Any]) -> Actor | None:
    """The signed-in person of a socket's handshake, or the token's owner, with what they may do; or None. One query,
    three for a token. Raises TokenRefused."""
    address = (scope.get("client") or ("", 0))[0]
    if text := _bearer(scope):
        return await database_sync_to_async(tokens.enter)(text, address)
    user = scope.get("user")
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    return await database_sync_to_async(actor_for)(user, credential="session", address=address)


def _bearer(scope: dict[str, Any]) -> str:
    """The token that the handshake carries; "" without one."""
    said = next((value.decode("latin1") for name, value in scope["headers"] if name == b"authorization"), "")
    kind, _, text = said.partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def nobody_of(scope: dict[str, Any]) -> Actor:
    """Whoever is not signed in, by where the socket's handshake came from: for the record of a refusal."""
    client = scope.get("client") or ("", 0)
    return Actor(name="", address=client[0])


# Who somebody is by now, None once they are signed out; and when their session ends by itself. Blocks.
Asks = Callable[[], tuple[Actor | None, datetime | None]]


@dataclass(eq=False)
class _Watched:
    now: Asks
    actions: tuple[str, ...]
    resource: str
    held: frozenset[str]
    changed: Callable[[frozenset[str]], Awaitable[None]]
    renewed: Callable[[Actor], None] = lambda actor: None
    ask_at: datetime | None = None  # when that may change by itself


class _Watch:
    def __init__(self) -> None:
        self.sockets: set[_Watched] = set()
        self.fresh: set[_Watched] = set()  # rights may have changed between their handshake and their first watch
        self.task: asyncio.Task[None] | None = None

    def add(self, socket: _Watched) -> Callable[[], None]:
        self.sockets.add(socket)
        self.fresh.add(socket)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._look())
        return lambda: self.sockets.discard(socket)

    async def _look(self) -> None:
        seen = -1
        while self.sockets:
            try:
                version = await database_sync_to_async(current_version)()
                await self._ask_again(self._due() if version == seen else set(self.sockets))
                seen = version
            except DatabaseError as error:
                log.warning("rights could not be looked at, trying again: %s", error)
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    def _due(self) -> set[_Watched]:
        now = timezone.now()
        return {
            socket
            for socket in self.sockets
            if socket in self.fresh or (socket.ask_at is not None and socket.ask_at <= now)
        }

    async def _ask_again(self, asked: set[_Watched]) -> None:
        if not asked:
            return
        for socket, actor, held in await database_sync_to_async(_all_now)(list(asked)):
            self.fresh.discard(socket)
            if socket not in self.sockets:
                continue
            if actor is not None:
                socket.renewed(actor)
            if held == socket.held:
                continue
            socket.held = held
            if not held:
                self.sockets.discard(socket)
            with contextlib.suppress(Exception):  # it may be closing by itself at this very moment
                await socket.changed(held)


_watch = _Watch()


def watch_rights(
    scope: dict[str, Any],
    changed: Callable[[frozenset[str]], Awaitable[None]],
    *,
    actions: Sequence[str],
    resource: str,
    held: frozenset[str],
    renewed: Callable[[Actor], None] = lambda actor: None,
) -> Callable[[], None]:
    """Call `changed` within 3 s with what the socket's person may do of `actions` whenever that is no longer `held`;
    with nothing, and for the last time, when they sign out, are deactivated or lost all of it. `renewed` is told who
    they are whenever that was asked again.

    Both must return soon: others are told after them. Returns a function that ends the watch. Needs a running event
    loop.
    """
    now = _by_token(scope) if _bearer(scope) else _signed_in(scope)
    return _watch.add(_Watched(now, tuple(actions), resource, held, changed, renewed))


def watch_access(
    scope: dict[str, Any],
    lost: Callable[[], Awaitable[None]],
    *,
    action: str = "view",
    resource: str = "portal",
    renewed: Callable[[Actor], None] = lambda actor: None,
) -> Callable[[], None]:
    """Call `lost` once, within 3 s, when the socket's person signs out, is deactivated or may no longer do `action`.

    Returns a function that ends the watch. Needs a running event loop.
    """

    async def changed(_held: frozenset[str]) -> None:
        await lost()

    held = frozenset({action})
    return watch_rights(scope, changed, actions=[action], resource=resource, held=held, renewed=renewed)


def _by_token(scope: dict[str, Any]) -> Asks:
    """Asks what a token allows now. Its end is among its limits."""
    text, address = _bearer(scope), (scope.get("client") or ("", 0))[0]

    def now() -> tuple[Actor | None, datetime | None]:
        try:
            return tokens.enter(text, address), None
        except TokenRefused:
            return None, None

    return now


def _signed_in(scope: dict[str, Any]) -> Asks:
    """Asks who the person of a session is now: nobody once it has ended or their password was changed."""
    user_id, session = scope["user"].pk, scope["session"]
    key, password = session.session_key or "", session.get("_auth_user_hash", "")

    def now() -> tuple[Actor | None, datetime | None]:
        user = User.objects.filter(pk=user_id, is_active=True).first()
        open_now = Session.objects.filter(session_key=key, expire_date__gt=timezone.now())
        ends_at = open_now.values_list("expire_date", flat=True).first()
        if user is None or ends_at is None or user.get_session_auth_hash() != password:
            return None, None
        return actor_for(user), ends_at

    return now


def _all_now(sockets: Sequence[_Watched]) -> list[tuple[_Watched, Actor | None, frozenset[str]]]:
    """Who each socket's person is now, and what of what was asked they may do."""
    found = []
    for socket in sockets:
        now = timezone.now()
        actor, ends_at = socket.now()
        allowed = [
            action for action in socket.actions if actor is not None and may(actor, action, socket.resource, now)
        ]
        socket.ask_at = _next_change(socket, actor, ends_at, now)
        found.append((socket, actor, frozenset(allowed)))
    return found


def _next_change(socket: _Watched, actor: Actor | None, ends_at: datetime | None, now: datetime) -> datetime | None:
    """When the answer may be another one though nobody decides anything: the session or a right ends, or somebody's
    time begins or is over. (A worker writes that down, and may be away.)"""
    if actor is None:
        return None
    ends = next_end(actor.held, actor.limits, now)
    turn = reservations.next_change(socket.resource, now) if reservations.RESERVED & set(socket.actions) else None
    return min((time for time in (ends_at, ends, turn) if time is not None), default=None)
