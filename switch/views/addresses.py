"""Which hardware addresses the switch has learnt where, and when each was seen. Read while somebody looks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from operations.http import ActorRequest
from slots.services import overview
from slots.views import panel_of
from switch.services import addresses, running
from switch.services.addresses import AddressView
from switch.views import shown
from switch.views.looking import viewer

EXACT = timedelta(seconds=15)  # no less is said to the second


@dataclass(frozen=True)
class AddressRow:
    """A line of the table. `within` says how long ago a frame came at most, where that is all that is known."""

    view: AddressView
    soms: str
    seen_at: datetime | None
    within: timedelta | None


def row_of(view: AddressView, names: dict[int, str], now: datetime) -> AddressRow:
    """An address as it is shown at `now`."""
    soms = ", ".join(names[place] for place in view.places if isinstance(place, int) and place in names)
    is_exact = view.seen_at and view.seen_after and view.seen_at - view.seen_after <= EXACT
    return AddressRow(
        view,
        soms,
        view.seen_at if is_exact else None,
        now - view.seen_after if view.seen_after and not is_exact else None,
    )


@require_GET
@viewer
def addresses_page(request: ActorRequest, board: str) -> HttpResponse:
    """What is known at once; asked for as a panel, read anew where that is due."""
    row = overview.find_board(board)
    is_panel, why_no_access = panel_of(request), running.of(row).why_no_access
    found = addresses.look(row) if is_panel and not why_no_access else addresses.known(row)
    names, now = shown.som_names(row), timezone.now()
    context = {
        "board": row,
        "why_no_access": why_no_access,
        "rows": [row_of(view, names, now) for view in found.views],
        "read_at": found.read_at,
        "ageing_seconds": found.ageing_seconds,
        "round_seconds": (found.ageing_seconds or 0) * addresses.ROUND,
    }
    return render(request, "switch/_addresses.html" if is_panel else "switch/addresses.html", context)
