"""Gives every request its `actor`, so that apps below `accounts` know who asks without knowing what a user is."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.actors import actor_for


class ActorMiddleware:
    """Sets `request.actor`, worked out when it is first read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        source = "api" if request.path.startswith("/api/") else "web"
        request.actor = SimpleLazyObject(lambda: actor_for(request, source=source))  # type: ignore[attr-defined]
        return self.get_response(request)
