"""A WebSocket is accepted only from our own pages, where Origin must equal scheme, host and port of the request, and
from programs that carry a token."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from accounts.sockets import nobody_of
from operations.http import record_refusal
from operations.refusals import NotPermitted

PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class SameOrigin:
    """ASGI middleware that refuses cross-site sockets before anything of ours runs."""

    def __init__(self, application: Callable[..., Awaitable[Any]]) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        if "authorization" in headers:  # no page of a browser can send this: who asks is the token, and no cookie
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"cookie"]}
            return await self.application(scope, receive, send)
        if is_same_origin(headers.get("origin", ""), headers.get("host", ""), scope.get("scheme", "ws")):
            return await self.application(scope, receive, send)
        await receive()  # the connect event
        refusal = NotPermitted(
            f"A page of {headers.get('origin', 'nowhere')[:200]} is none of ours.", code="cross-site"
        )
        await database_sync_to_async(record_refusal)(refusal, nobody_of(scope), "socket.attached", "portal")
        await send({"type": "websocket.close", "code": 4403})
        return None


def is_same_origin(origin: str, host: str, scheme: str) -> bool:
    """Whether `origin` names exactly the `host` (an allowed one) and the scheme that the socket was asked on."""
    parts = urlsplit(origin)
    domain, port = split_domain_port(host.lower())
    if parts.scheme not in ("http", "https") or not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    wanted_scheme = "https" if scheme == "wss" else "http"
    origin_domain, origin_port = split_domain_port(parts.netloc.lower())
    return (parts.scheme, origin_domain, origin_port or PORTS[parts.scheme]) == (
        wanted_scheme,
        domain,
        port or PORTS[scheme],
    )
