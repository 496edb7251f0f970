"""WebSocket routes of all apps."""

from django.urls import path

from consoles.consumers import ConsoleConsumer
from slots.consumers import EventsConsumer

websocket_urlpatterns = [
    path("ws/events/", EventsConsumer.as_asgi()),
    path("ws/consoles/<slug:board>/<int:slot>/", ConsoleConsumer.as_asgi()),
]
