"""The person behind a WebSocket, and the watch that closes the socket when they lose their right.

One task per process re-reads the access version once a second; consumers never query for it themselves.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from accounts.access import current_version
from accounts.models import Session, User
from operations.roles import Actor, may

SECONDS_BETWEEN_LOOKS = 1.0
log = logging.getLogger("nanoportal.sockets")


def actor_for_scope(scope: dict[str, Any]) -> Actor | None:
    """The signed-in person of a socket's handshake, or None. Does not query."""
    user = scope.get("user")
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    client = scope.get("client") or ("", 0)
    return Actor(
        name=user.username, role=user.role, user_id=user.pk, credential="session", address=client[0], source="web"
    )


@dataclass(eq=False)
class _Watched:
    user_id: int
    session_key: str
    session_hash: str
    actions: tuple[str, ...]
    resource: str
    held: frozenset[str]
    changed: Callable[[frozenset[str]], Awaitable[None]]


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
                await self._ask_again(self.sockets if version != seen else self.fresh & self.sockets)
                seen = version
            except DatabaseError as error:
                log.warning("rights could not be looked at, trying again: %s", error)
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def _ask_again(self, asked: set[_Watched]) -> None:
        sockets = list(asked)
        if not sockets:
            return
        for socket, held in zip(sockets, await database_sync_to_async(_all_held)(sockets), strict=True):
            self.fresh.discard(socket)
            if held == socket.held or socket not in self.sockets:
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
) -> Callable[[], None]:
    """Call `changed` within 3 s with what the socket's person may do of `actions` whenever that is no longer `held`;
    with nothing, and for the last time, when they sign out, are deactivated or lost all of it.

    `changed` must return soon: others are told after it. Returns a function that ends the watch. Needs a running
    event loop.
    """
    session = scope["session"]
    return _watch.add(
        _Watched(
            user_id=scope["user"].pk,
            session_key=session.session_key or "",
            session_hash=session.get("_auth_user_hash", ""),
            actions=tuple(actions),
            resource=resource,
            held=held,
            changed=changed,
        )
    )


def watch_access(
    scope: dict[str, Any], lost: Callable[[], Awaitable[None]], *, action: str = "view", resource: str = "portal"
) -> Callable[[], None]:
    """Call `lost` once, within 3 s, when the socket's person signs out, is deactivated or may no longer do `action`.

    Returns a function that ends the watch. Needs a running event loop.
    """

    async def changed(_held: frozenset[str]) -> None:
        await lost()

    return watch_rights(scope, changed, actions=[action], resource=resource, held=frozenset({action}))


def _all_held(sockets: Sequence[_Watched]) -> list[frozenset[str]]:
    return [_held(socket) for socket in sockets]


def _session_is_open(key: str) -> bool:
    return Session.objects.filter(session_key=key, expire_date__gt=timezone.now()).exists()


def _held(socket: _Watched) -> frozenset[str]:
    """What the socket's person may do now of what was asked."""
    user = User.objects.filter(pk=socket.user_id, is_active=True).first()
    if user is None or not _session_is_open(socket.session_key):
        return frozenset()
    if user.get_session_auth_hash() != socket.session_hash:
        return frozenset()  # the password was changed
    actor = Actor(name=user.username, role=user.role, user_id=user.pk)
    return frozenset(action for action in socket.actions if may(actor, action, socket.resource))
