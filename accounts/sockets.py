"""The person behind a WebSocket, and the watch that closes the socket when they lose their right.

One task per process re-reads the access version once a second; consumers never query for it themselves.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.sessions.models import Session

from accounts.access import current_version
from accounts.models import User
from operations.roles import Actor, may

SECONDS_BETWEEN_LOOKS = 1.0


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
    action: str
    resource: str
    lost: Callable[[], Awaitable[None]]


class _Watch:
    def __init__(self) -> None:
        self.sockets: set[_Watched] = set()
        self.task: asyncio.Task[None] | None = None

    def add(self, socket: _Watched) -> Callable[[], None]:
        self.sockets.add(socket)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._look())
        return lambda: self.sockets.discard(socket)

    async def _look(self) -> None:
        seen = await database_sync_to_async(current_version)()
        while self.sockets:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            version = await database_sync_to_async(current_version)()
            if version == seen:
                continue
            seen = version
            for socket in list(self.sockets):
                if not await database_sync_to_async(_still_allowed)(socket):
                    self.sockets.discard(socket)
                    with contextlib.suppress(Exception):  # it may be closing by itself at this very moment
                        await socket.lost()


_watch = _Watch()


def watch_access(
    scope: dict[str, Any], lost: Callable[[], Awaitable[None]], *, action: str = "view", resource: str = "portal"
) -> Callable[[], None]:
    """Call `lost` once, within 3 s, when the socket's person signs out, is deactivated or may no longer do `action`.

    Returns a function that ends the watch. Needs a running event loop.
    """
    session = scope["session"]
    return _watch.add(
        _Watched(
            user_id=scope["user"].pk,
            session_key=session.session_key or "",
            session_hash=session.get("_auth_user_hash", ""),
            action=action,
            resource=resource,
            lost=lost,
        )
    )


def _still_allowed(socket: _Watched) -> bool:
    user = User.objects.filter(pk=socket.user_id, is_active=True).first()
    if user is None or not Session.objects.filter(session_key=socket.session_key).exists():
        return False
    if user.get_session_auth_hash() != socket.session_hash:
        return False  # the password was changed
    actor = Actor(name=user.username, role=user.role, user_id=user.pk)
    return bool(may(actor, socket.action, socket.resource))
