"""The socket that tells open pages what to read again."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from accounts.sockets import actor_for_scope, watch_access
from operations.events import GROUP
from operations.roles import may

NOT_ALLOWED = 4403


class EventsConsumer(AsyncJsonWebsocketConsumer):
    """Forwards hints to one browser while its person may view boards; closes within 3 s of losing that right."""

    async def connect(self) -> None:
        self.leave_access = None
        self.actor = actor_for_scope(self.scope)
        if self.actor is None or not may(self.actor, "view", "portal"):
            await self.close(NOT_ALLOWED)
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        self.leave_access = watch_access(self.scope, self._access_lost)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        if self.leave_access is not None:
            self.leave_access()

    async def _access_lost(self) -> None:
        await self.close(NOT_ALLOWED)

    async def hint(self, message: dict[str, Any]) -> None:
        await self.send_json(message["hint"])

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Browsers only listen here; a ping keeps proxies from closing the socket."""
        if content == {"ping": True}:
            await self.send_json({"topic": "pong"})
