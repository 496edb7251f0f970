"""After a reset of the switch chip: what was confirmed last comes back by itself, or somebody asks for it here."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from operations.http import ActorRequest, begin_act
from operations.roles import may
from slots.models import Board
from slots.services import overview
from slots.views import leave_for, panel_of
from switch.services import changes, recovering, running
from switch.views.looking import viewer


def context(request: ActorRequest, board: Board) -> dict[str, Any]:
    """What `switch/_restore.html` shows, beside `board`."""
    resource = running.resource(board)
    return {
        "recovery": recovering.of(board),
        "why_not_restore": _why_not(board),
        "may_restore": may(request.actor, "switch.commit", resource),
        "may_let_restore": may(request.actor, "board.edit", board.slug),
    }


def _why_not(board: Board) -> str:
    """Why nothing can be restored now; "" if whoever may can."""
    now, open_change = running.of(board), changes.open_change(board)
    if now.why_no_access:
        return now.why_no_access
    if open_change:
        return f"Change {open_change.number} is not over; restoring waits for its end."
    busy = overview.open_operation(running.resource(board))
    if busy:
        return f"{busy.title} is not over; restoring waits for its end."
    return "First the switch's VLAN table has to be read as a whole, on the tab VLANs." if now.needs_scan else ""


@require_GET
@viewer
def restore_panel(request: ActorRequest, board: str) -> HttpResponse:
    """The panel by itself, read again when the switch has changed."""
    row = overview.find_board(board)
    return render(request, "switch/_restore.html", {"board": row, **context(request, row)})


@require_POST
@viewer
def restore_last(request: ActorRequest, board: str) -> HttpResponse:
    """Put the last revision back."""
    row = overview.find_board(board)
    actor = begin_act(request, changes.RESTORE_KIND, running.resource(row))
    recovering.request_restore(row, actor, key=request.POST.get("key", ""))
    return leave_for(request, reverse("switch:vlans", args=[row.slug]))


@require_POST
@viewer
def let_restore(request: ActorRequest, board: str) -> HttpResponse:
    """Say whether it comes back by itself: `by_itself` is "yes" or not."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.restores-by-itself", running.resource(row))
    recovering.let_restore(row, actor, request.POST.get("by_itself") == "yes")
    if panel_of(request):
        return render(request, "switch/_restore.html", {"board": row, **context(request, row)})
    return leave_for(request, reverse("switch:revisions", args=[row.slug]))
