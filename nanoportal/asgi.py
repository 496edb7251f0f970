"""The portal as one ASGI application: HTTP by Django, WebSockets by Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nanoportal.settings")
http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  after Django is set up
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from nanoportal import celery  # noqa: E402, F401  makes it the current Celery app of this process
from nanoportal.origin import SameOrigin  # noqa: E402
from nanoportal.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
