"""Who may look at a switch: its pages show the whole board, so a right on one slot of it is not enough."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse

from operations import roles
from operations.http import ActorRequest
from slots import views


def viewer(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for signed-in people who may view the switch of a board."""

    @wraps(view)
    def checked(request: ActorRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        roles.require(request.actor, "switch.view", f"{kwargs['board']}/switch")
        return view(request, *args, **kwargs)

    return views.viewer(checked)
