"""The portal as one ASGI application: HTTP by Django, WebSockets by Channels."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nanoportal.settings")
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402  after Django is set up
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from nanoportal import celery  # noqa: E402, F401  makes it the current Celery app of this process
from nanoportal.handler import PooledHandler  # noqa: E402
from nanoportal.origin import SameOrigin  # noqa: E402
from nanoportal.proxies import TrustedProxies  # noqa: E402
from nanoportal.routing import websocket_urlpatterns  # noqa: E402

application = TrustedProxies(
    ProtocolTypeRouter(
        {
            "http": PooledHandler(),
            "websocket": SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        }
    ),
    settings.TRUSTED_PROXIES,
)
