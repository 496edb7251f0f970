"""Pages of reservations: the calendar of a board, and the dialogs of a slot. Each view parses, asks one service, and
renders the panel from which it was asked."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import places
from accounts.places import Place
from operations import rights, roles
from operations.http import ActorRequest, begin_act, parts_of
from operations.models import Reservation
from operations.refusals import BadRequest
from reservations.forms import BreakForm, ExtendForm, ReserveForm, SpanForm
from reservations.services import booking, showing
from reservations.services.booking import Wish

BOARD_PANEL, SLOT_PANEL = "reservations", "reservation"


@login_required
@require_GET
def board_page(request: ActorRequest, board: str) -> HttpResponse:
    """Who has which slot of a board, and when: the page, or its panel."""
    roles.require(request.actor, "view", board)
    panel = bool(getattr(request, "htmx", None))
    response = _board(request, board, request.GET.dict(), "_board" if panel else "board")
    patch_vary_headers(response, ["HX-Request"])
    return response


@login_required
@require_http_methods(["GET", "POST"])
def reserve(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Take a slot, plan to, or queue for it: asked for, then done."""
    actor, resource = request.actor, f"{board}/slot:{number}"
    if request.method == "POST":
        actor = begin_act(request, "reservation.make", resource)
    roles.require(actor, "view", resource)
    place = places.find(board, number)
    if request.method == "GET":
        book = showing.of_slot(place, actor)
        context = {"book": book, "form": ReserveForm(), "into": _panel_behind(request)}
        return render(request, "reservations/_reserve.html", context)
    given = _valid(ReserveForm(request.POST))
    booking.reserve(place, Wish(given["purpose"], given["seconds"], given["starts_at"], given["queue"]), actor)
    return _after(request, place)


@login_required
@require_http_methods(["GET", "POST"])
def extend(request: ActorRequest, pk: int) -> HttpResponse:
    """Have a slot longer."""
    row = _asked(request, pk, "reservation.extend")
    if request.method == "GET":
        return _dialog(request, "_extend", row, ExtendForm())
    more = timedelta(seconds=_valid(ExtendForm(request.POST))["seconds"])
    if row.ends_at is None:
        raise BadRequest("It has not begun, so it has no end yet.")
    booking.change_end(pk, row.ends_at + more, request.actor)
    return _after(request, _place(row))


@login_required
@require_POST
def release(request: ActorRequest, pk: int) -> HttpResponse:
    """Give a slot back, give up a plan, leave the queue."""
    row = _asked(request, pk, "reservation.end")
    booking.release(pk, request.actor)
    return _after(request, _place(row))


@login_required
@require_http_methods(["GET", "POST"])
def break_glass(request: ActorRequest, pk: int) -> HttpResponse:
    """Override somebody's reservation, with a reason."""
    row = _asked(request, pk, "reservation.break")
    if request.method == "GET":
        return _dialog(request, "_break", row, BreakForm())
    booking.break_glass(pk, _valid(BreakForm(request.POST))["reason"], request.actor)
    return _after(request, _place(row))


def _asked(request: ActorRequest, pk: int, action: str) -> Reservation:
    """The reservation that an act is about, once it is on record who asks for what."""
    if request.method == "POST":
        begin_act(request, action, f"reservation:{pk}")
    row = booking.find(pk, request.actor)
    if request.method == "POST":
        begin_act(request, action, row.resource)
    return row


def _place(row: Reservation) -> Place:
    return places.find(rights.board_of(row.resource), rights.slot_of(row.resource) or 0)


def _dialog(request: ActorRequest, name: str, row: Reservation, form: Any) -> HttpResponse:
    book = showing.of_slot(_place(row), request.actor)
    context = {"book": book, "row": row, "form": form, "into": _panel_behind(request)}
    return render(request, f"reservations/{name}.html", context)


def _valid(form: Any) -> dict[str, Any]:
    """The cleaned fields of a form, or `BadRequest` with its first complaint."""
    if form.is_valid():
        return dict(form.cleaned_data)
    name, errors = next(iter(form.errors.items()))
    raise BadRequest(f"{name}: {errors[0]}")


# ---- The panel from which it was asked -------------------------------------------------------------------------------


def _current(request: ActorRequest) -> tuple[str, dict[str, str]]:
    """Path and query of the page that htmx asks from; both empty for a browser without it."""
    htmx = getattr(request, "htmx", None)
    parts = parts_of((htmx.current_url or "") if htmx else "")
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}


def _panel_behind(request: ActorRequest) -> str:
    """The id of the panel that shows what comes of a dialog."""
    return BOARD_PANEL if _current(request)[0].endswith("/reservations/") else SLOT_PANEL


def _after(request: ActorRequest, place: Place) -> HttpResponse:
    """What was acted on as it is now: in place for htmx, by redirect otherwise."""
    target = request.htmx.target if getattr(request, "htmx", None) else ""  # type: ignore[attr-defined]
    if target == BOARD_PANEL:
        return _board(request, place.board, _current(request)[1], "_board")
    if target == SLOT_PANEL:
        return render(request, "reservations/_slot.html", {"book": showing.of_slot(place, request.actor)})
    return HttpResponseRedirect(reverse("slots:slot", kwargs={"board": place.board, "number": place.number}))


def _board(request: ActorRequest, board: str, query: dict[str, str], template: str) -> HttpResponse:
    form = SpanForm(query)
    form.is_valid()  # what cannot be read shows the week from today on
    first, days = form.cleaned_data.get("first"), form.cleaned_data.get("days") or 7
    book = showing.of_board(places.of_board(board), request.actor, first, days)
    context = {"book": book, "board": {"slug": board}, "moved": first is not None}
    return render(request, f"reservations/{template}.html", context)
