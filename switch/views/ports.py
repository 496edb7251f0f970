"""Ports and addresses, read from the chip while somebody looks."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from hardware.jl6108.counters import Counters
from operations.http import ActorRequest
from slots.models import Board
from slots.services import overview
from slots.views import panel_of, viewer
from switch.services import ports, running
from switch.views import grid, shown

#: Where the chip's own web pages are unless somebody changed it (community reports; no data sheet says so).
USUAL_ADDRESS = "10.10.11.10"


def page_context(request: ActorRequest, board: Board) -> dict[str, Any]:
    now = running.of(board)
    return {
        "board": board,
        "why_no_access": now.why_no_access,
        "host": request.get_host().partition(":")[0],
        "usual_address": USUAL_ADDRESS,
        "management_vid": now.table.management_vid if now.table else None,
    }


@require_GET
@viewer
def ports_page(request: ActorRequest, board: str) -> HttpResponse:
    """Links and counters: the frame at once, the table when the chip was read."""
    row = overview.find_board(board)
    context = page_context(request, row)
    if not panel_of(request) or context["why_no_access"]:
        return render(request, "switch/ports.html", context)
    names = {column.place: column for column in grid.columns(running.wiring(row), shown.som_names(row))}
    rows = [
        {
            "column": names[str(view.place)],
            "view": view,
            "dropped": dropped(view.counters),
            "errors": errors(view.counters),
        }
        for view in ports.read(row)
    ]
    return render(request, "switch/_ports.html", context | {"rows": rows})


def dropped(counters: Counters) -> int:
    return counters.tx_dropped + counters.rx_dropped


def errors(counters: Counters) -> int:
    return counters.tx_errors + counters.rx_crc_errors + counters.rx_fragments


@require_GET
@viewer
def addresses_page(request: ActorRequest, board: str) -> HttpResponse:
    """Which hardware addresses the switch has learnt where: the frame at once, the table when it was read."""
    row = overview.find_board(board)
    context = page_context(request, row)
    if not panel_of(request) or context["why_no_access"]:
        return render(request, "switch/addresses.html", context)
    names = shown.som_names(row)
    order = {str(place): at for at, place in enumerate((*range(1, 8), "uplink", ports.OWN))}
    views = sorted(
        ports.addresses(row), key=lambda view: (min((order[str(one)] for one in view.places), default=9), view.mac)
    )
    rows = [
        {"view": view, "soms": ", ".join(names[place] for place in view.places if place in names)} for view in views
    ]
    return render(request, "switch/_addresses.html", context | {"rows": rows})
