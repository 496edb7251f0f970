"""WebSocket routes of all apps."""

from django.urls import path

from slots.consumers import EventsConsumer

websocket_urlpatterns = [path("ws/events/", EventsConsumer.as_asgi())]
