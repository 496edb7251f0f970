"""WebSocket routes of all apps."""

from typing import Any

from django.urls import path, re_path

from consoles.consumers import ConsoleConsumer
from slots.consumers import EventsConsumer


async def nothing_here(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuses a socket to an address that is none; Channels' router would fail, and tell the log a page about it."""
    await receive()  # the connect event
    await send({"type": "websocket.close", "code": 4404})


websocket_urlpatterns = [
    path("ws/events/", EventsConsumer.as_asgi()),
    path("ws/consoles/<slug:board>/<int:slot>/", ConsoleConsumer.as_asgi()),
    re_path("", nothing_here),  # type: ignore[arg-type]  # an ASGI application, as the others
]
