"""The socket that tells open pages what to read again."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from accounts.sockets import actor_for_scope, nobody_of, watch_access
from operations.events import GROUP
from operations.http import record_refusal
from operations.refusals import NotPermitted, TokenRefused
from operations.roles import Actor, Decision, may

NOT_ALLOWED = 4403


def _concerns(actor: Actor, hint: dict[str, Any]) -> bool:
    """Whether a hint is about something that the person may see. Does not query."""
    board, slot = hint.get("board"), hint.get("slot")
    if not board:
        return True
    return bool(may(actor, "view", board if slot is None else f"{board}/slot:{slot}"))


class EventsConsumer(AsyncJsonWebsocketConsumer):
    """Forwards hints to one browser while its person may view boards; closes within 3 s of losing that right."""

    async def connect(self) -> None:
        self.leave_access = None
        allowed, self.actor = Decision(False, "Sign in to see boards."), None
        try:
            self.actor = await actor_for_scope(self.scope)
        except TokenRefused as refusal:
            allowed = Decision(False, refusal.message)
        if self.actor is not None:
            allowed = may(self.actor, "view", "portal")
        if self.actor is None or not allowed:
            who = self.actor or nobody_of(self.scope)
            await database_sync_to_async(record_refusal)(NotPermitted(allowed.reason), who, "events.attached", "portal")
            await self.close(NOT_ALLOWED)
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        self.leave_access = watch_access(self.scope, self._access_lost, renewed=self._renewed)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        if self.leave_access is not None:
            self.leave_access()

    async def _access_lost(self) -> None:
        await self.close(NOT_ALLOWED)

    def _renewed(self, actor: Actor) -> None:
        self.actor = actor

    async def hint(self, message: dict[str, Any]) -> None:
        hint = message["hint"]
        if self.actor is not None and _concerns(self.actor, hint):
            await self.send_json(hint)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **more: Any) -> None:
        """Browsers only listen here; a ping keeps proxies from closing the socket. Nothing else is heard."""
        if (text_data or "").replace(" ", "") == '{"ping":true}':
            await self.send_json({"topic": "pong"})
