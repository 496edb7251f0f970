"""What somebody may not see is not there: one gate before every page and API operation that names a board or a slot."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from operations.http import ActorRequest, record_refusal, refusal_response
from operations.refusals import NotFound
from operations.roles import require_sight

SAFE = ("GET", "HEAD", "OPTIONS")


class SightMiddleware:
    """Answers 404 where the address names a board or slot that the person may not see. What else an act needs is asked
    by its own door; whoever is not signed in is sent to sign in by it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: ActorRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        if any(isinstance(word, str) and "\0" in word for word in kwargs.values()):  # no database looks for it
            return refusal_response(request, NotFound("There is nothing at this address."))
        resource = named_by(request, kwargs)
        if not resource or not request.actor.name:
            return None
        try:
            require_sight(request.actor, resource)
        except NotFound as refusal:
            action = "view" if request.method in SAFE else "attempt"
            record_refusal(refusal, request.actor, action, resource)
            return refusal_response(request, refusal)
        return None


def named_by(request: HttpRequest, kwargs: dict[str, Any]) -> str:
    """The board or slot that an address is about; "" for none."""
    board = kwargs.get("board", "")
    route = request.resolver_match.route if request.resolver_match else ""
    slot = kwargs.get("number") if "/slots/" in route or "/network/" in route else None
    return f"{board}/slot:{slot}" if board and slot is not None else board
