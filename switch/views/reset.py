"""The fenced act on the switch chip itself, and what comes after it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from operations.http import ActorRequest
from operations.roles import may
from slots.services import fenced, overview
from switch.services import running
from switch.views import restore
from switch.views.looking import viewer


@require_GET
@viewer
def reset_page(request: ActorRequest, board: str) -> HttpResponse:
    """The tab Reset. The act itself is asked for by the board's own dialog."""
    row = overview.find_board(board)
    context = {
        **restore.context(request, row),
        "board": row,
        "may_reset_switch": may(request.actor, "switch.reset", running.resource(row)),
        "switch_busy": overview.open_operation(running.resource(row)),
        "switch_reset_words": fenced.SWITCH_RESET_CONSEQUENCE,
    }
    return render(request, "switch/reset.html", context)
