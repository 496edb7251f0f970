"""Pages of consoles: live, all at once, recorded, and their settings. What is shown live comes by WebSocket."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods

from consoles.forms import PortForm, RuleForm, WhoForm
from consoles.models import StageRule
from consoles.recordings.reading import Contents
from consoles.services import access, history, places, ports
from consoles.services import stages as rules
from consoles.services.places import Place
from operations import refusals, roles
from operations.http import ActorRequest, begin_act

READ, EDIT = "console.read", "console.edit"
LAST_LINES = 8  # in the panel of a slot's page
SHOWN_MARKERS = ("stage", "port-away", "daemon-away", "recording-stopped", "overrun", "dropped", "taken-over")


def viewer(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page for signed-in people who may view boards."""

    @wraps(view)
    def checked(request: ActorRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        roles.require(request.actor, "view", kwargs["board"])
        return view(request, *args, **kwargs)

    return login_required(checked)


@require_GET
@viewer
def grid(request: ActorRequest, board: str) -> HttpResponse:
    """All consoles of a board, live and small."""
    row = places.find_board(board)
    shown = places.places(request.actor, row)
    mapped = [place for place in shown if place.has_port]
    context = {
        "board": row,
        "places": shown,
        "mapped": mapped,
        "open": sum(place.state.port["state"] == "open" for place in mapped),
        "first": next((place.number for place in mapped if place.may_read), None),
    }
    return render(request, "consoles/grid.html", context)


def place_of(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """What every page of one console needs. Raises `NotFound`, also for a slot that there is not."""
    row = places.find_board(board)
    shown = places.places(request.actor, row)
    place = next((place for place in shown if place.number == number), None)
    if place is None:
        raise refusals.NotFound(f"There is no slot {number} on a board {board}.", code="unknown-slot")
    return {
        "board": row,
        "place": place,
        "places": [other for other in shown if other.has_port],
        "may_edit": roles.may(request.actor, EDIT, history.resource(board, number)),
    }


@require_GET
@viewer
def console(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """One console, live. Without the right to read it the page says so; without a port, how to map one."""
    context = place_of(request, board, number)
    return render(request, "consoles/console.html", {**context, "window": "window" in request.GET})


@require_GET
@viewer
def panel(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """The last lines, for the slot's page."""
    context = place_of(request, board, number)
    place: Place = context["place"]
    lines = places.last_lines(board, number, LAST_LINES) if place.may_read else []
    return render(request, "consoles/_panel.html", {**context, "lines": lines})


@require_GET
@viewer
def recordings(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """What a console has said: a timeline, and a player."""
    roles.require(request.actor, READ, history.resource(board, number))
    context = place_of(request, board, number)
    contents = history.timeline(request.actor, board, number)
    at = moment(request.GET.get("at", ""))
    shown = [marker for marker in contents.markers if marker.kind in SHOWN_MARKERS]
    facts = {
        "timeline": timeline_json(contents),
        "at": at.timestamp() if at else None,
        "shown": shown[:-41:-1],
        "kept_bytes": sum(one.bytes for one in contents.stretches),
        "began": history.moment(contents.stretches[0].start) if contents.stretches else None,
    }
    return render(request, "consoles/recordings.html", {**context, **facts})


def timeline_json(contents: Contents) -> dict[str, Any]:
    """A recording's timeline as the player's page draws it; times in unix seconds."""
    return {
        "stretches": [asdict(one) for one in contents.stretches],
        "markers": [
            {"kind": one.kind, "at": one.at.timestamp(), "words": one.words, "detail": dict(one.detail)}
            for one in contents.markers
        ],
    }


@require_GET
@viewer
def recording_data(request: ActorRequest, board: str, number: int) -> JsonResponse:
    """Pieces of a recording for the player: what came before `?at=`, or what follows `?from=` or `?cursor=`."""
    at = moment(request.GET.get("at", ""))
    if at is not None:
        return JsonResponse(history.page_json(history.lead(request.actor, board, number, at)))
    start, to = moment(request.GET.get("from", "")), moment(request.GET.get("to", ""))
    cursor = request.GET.get("cursor", "")
    page = history.records(request.actor, board, number, cursor=cursor, start=start, to=to)
    return JsonResponse(history.page_json(page))


@require_GET
@viewer
def download(request: ActorRequest, board: str, number: int) -> StreamingHttpResponse:
    """A recording as a file."""
    begin_act(request, "console.downloaded", history.resource(board, number))
    start, to = moment(request.GET.get("from", "")), moment(request.GET.get("to", ""))
    file = history.download(request.actor, board, number, request.GET.get("format", "text"), start, to)
    response = StreamingHttpResponse(file.stream(), content_type=file.content_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return response


def moment(text: str) -> datetime | None:
    """A moment as addresses and date fields write it; None for none. Raises `BadRequest`."""
    if not text:
        return None
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None:
        raise refusals.BadRequest("A moment is written like 2026-11-22T03:04:05Z.", code="invalid-moment")
    return history.moment(history.seconds(found))


@require_GET
@viewer
def search(request: ActorRequest, board: str) -> HttpResponse:
    """Find a text in all recordings that one may read."""
    begin_act(request, "console.searched", board)
    row = places.find_board(board)
    query, older = request.GET.get("q", "").strip(), request.GET.get("older", "")
    shown = [place for place in places.places(request.actor, row) if place.may_read]
    names = {place.number: place.name for place in shown}
    slot = request.GET.get("slot", "")
    chosen = int(slot) if slot.isdecimal() and int(slot) in names else None
    found = history.search(request.actor, board, query, [chosen] if chosen else None, older) if query else None
    hits = [(hit, history.moment(hit.at), names.get(hit.slot, "")) for hit in found.hits] if found else []
    context = {"board": row, "query": query, "places": shown, "chosen": chosen, "found": found, "hits": hits}
    return render(request, "consoles/search.html", context)


@viewer
@require_http_methods(["GET", "POST"])
def settings(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """How a port is opened and recorded, and who may read it and type on it."""
    resource = history.resource(board, number)
    if request.method == "POST":
        roles.require(begin_act(request, "console.settings", resource), EDIT, resource)
    context = place_of(request, board, number)
    slot = ports.find(board, number)
    locked = not context["may_edit"]
    usual = access.least_roles(slot)
    form = PortForm(request.POST or None, instance=ports.port_of(slot), locked=locked)
    who = WhoForm(request.POST or None, initial=usual, locked=locked)
    if request.method == "POST" and form.is_valid() and who.is_valid():
        if form.has_changed():
            ports.save_port(form.save(commit=False), request.actor)
        access.let(slot, request.actor, read=who.cleaned_data["read"], write=who.cleaned_data["write"])
        messages.success(request, f"The settings of slot {number}'s console are kept.")
        return redirect("consoles:settings", board=board, number=number)
    context |= {"form": form, "who": who, "slot": slot, "in_force": ports.settings_of(slot)}
    return render(request, "consoles/settings.html", context, status=400 if form.errors or who.errors else 200)


@viewer
@require_http_methods(["GET", "POST"])
def stages(request: ActorRequest, board: str) -> HttpResponse:
    """The rules by which boots are recognised; add one."""
    row = places.find_board(board)
    may_edit = roles.may(request.actor, EDIT, rules.PORTAL)
    if request.method == "POST":
        roles.require(begin_act(request, "stage-rule.add", rules.PORTAL), EDIT, rules.PORTAL)
    form = RuleForm(request.POST or None, locked=not may_edit)
    if request.method == "POST" and form.is_valid():
        rules.save_rule(form.save(commit=False), request.actor)
        messages.success(request, "The rule is added; it counts from now on.")
        return redirect("consoles:stages", board=board)
    context = {"board": row, "rules": rules.rules(), "form": form, "may_edit": may_edit}
    return render(request, "consoles/stages.html", context, status=400 if form.errors else 200)


@viewer
@require_http_methods(["GET", "POST"])
def change_rule(request: ActorRequest, board: str, rule: int) -> HttpResponse:
    """Change a rule of one's own, switch any on or off, or remove it: `do` says which."""
    row = places.find_board(board)
    found: StageRule = rules.find_rule(rule)
    may_edit = roles.may(request.actor, EDIT, rules.PORTAL)
    wanted = request.POST.get("do", "")
    if request.method == "POST":
        act = "stage-rule.remove" if wanted == "remove" else "stage-rule.change"
        roles.require(begin_act(request, act, rules.PORTAL), EDIT, rules.PORTAL)
    if wanted in ("on", "off"):
        rules.enable_rule(found, wanted == "on", request.actor)
        return redirect("consoles:stages", board=board)
    if wanted == "remove":
        rules.remove_rule(found, request.actor)
        return redirect("consoles:stages", board=board)
    form = RuleForm(request.POST or None, instance=found, locked=found.shipped or not may_edit)
    if request.method == "POST" and form.is_valid():
        rules.save_rule(form.save(commit=False), request.actor)
        messages.success(request, "The rule is changed.")
        return redirect("consoles:stages", board=board)
    context = {"board": row, "rule": found, "form": form, "may_edit": may_edit}
    return render(request, "consoles/rule.html", context, status=400 if form.errors else 200)
