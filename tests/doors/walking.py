"""Every door of the running project, found in the project itself: addresses with their methods, sockets, commands."""

import re
from collections.abc import Iterator
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import URLPattern, URLResolver, get_resolver

#: What a browser or a script may send. A page answers HEAD and OPTIONS as Django does, and nothing happens by them.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def routes() -> list[str]:
    """The addresses of all pages and API operations as the project's URL patterns say them, each once."""
    return list(dict.fromkeys(_routes(get_resolver())))


def _routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield plain(route)
        else:
            yield from _routes(entry, route)


def sockets() -> list[str]:
    """The addresses of all WebSockets, as the application's router has them; "/" stands for all others."""
    from nanoportal.asgi import application

    inner: Any = application
    while not isinstance(inner, URLRouter):
        inner = inner.application_mapping["websocket"] if isinstance(inner, ProtocolTypeRouter) else within(inner)
    return [plain(str(entry.pattern)) for entry in inner.routes]


def within(middleware: Any) -> Any:
    """What a middleware stands around: ours call it so, Channels' otherwise."""
    return getattr(middleware, "application", None) or middleware.inner


def plain(route: str) -> str:
    """An address without the kinds of what stands in it: `/boards/<board>/slots/<number>/`."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", route)
