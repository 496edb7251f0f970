"""Revisions: every table that was confirmed, and the way back to one."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from operations.http import ActorRequest, begin_act
from operations.roles import may
from slots.services import overview
from slots.views import leave_for, panel_of
from switch.services import changes, revisions, running
from switch.views import drawing, grid, shown
from switch.views.looking import viewer
from switch.views.vlans import resource

PER_PAGE = 25


@require_GET
@viewer
def revisions_page(request: ActorRequest, board: str) -> HttpResponse:
    """All revisions, the newest first."""
    row = overview.find_board(board)
    now = running.of(row)
    page = Paginator(revisions.of(row), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "board": row,
        "page": page,
        "revisions": [shown.revision_line(one, now) for one in page.object_list],
        "may_edit": may(request.actor, "switch.edit", resource(row)),
        "why_not_edit": shown.why_not_edit(now, changes.open_change(row)),
    }
    return render(request, "switch/_revisions.html" if panel_of(request) else "switch/revisions.html", context)


@require_GET
@viewer
def revision_page(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """One revision, drawn."""
    row = overview.find_board(board)
    now, wiring, one = running.of(row), running.wiring(row), revisions.find(row, number)
    setup = one.setup(wiring)
    table = setup.table
    columns = grid.columns(wiring, shown.som_names(row))
    drawn = grid.grid(columns, table, None, grid.colours(revisions.created_vids(row), table))
    context = {
        "board": row,
        "revision": shown.revision_line(one, now),
        "grid": drawn,
        "beside": shown.beside(setup, wiring),
        "drawing": drawing.draw(drawn),
        "may_edit": may(request.actor, "switch.edit", resource(row)),
        "why_not_edit": shown.why_not_edit(now, changes.open_change(row)),
    }
    return render(request, "switch/revision.html", context)


@require_POST
@viewer
def restore(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Make a revision the draft; it is previewed and committed as any other."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.edit", resource(row))
    revisions.restore(revisions.find(row, number), actor)
    return leave_for(request, reverse("switch:vlans", args=[row.slug]))
