"""Pages of boards and slots. Each view parses, asks one service, and renders."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from operations import refusals, roles
from operations.http import ActorRequest, begin_act
from operations.models import AuditEntry, Operation
from operations.refusals import Refused
from operations.roles import may
from slots.forms import BoardForm, FencedForm, ResetForm, SeveralForm, SomForm, SomTypeForm
from slots.models import Board, Som, SomType
from slots.services import fenced, overview, power, records, several
from slots.services.power import Ask

BOARDS_PER_PAGE = 25


def viewer(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for signed-in people who may view boards."""

    @wraps(view)
    def checked(request: ActorRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        roles.require(request.actor, "view", kwargs.get("board", "portal"))
        return view(request, *args, **kwargs)

    return login_required(checked)


@require_GET
@viewer
def dashboard(request: ActorRequest) -> HttpResponse:
    """The board if there is one, else the list of boards."""
    boards = list(Board.objects.filter(present=True)[:2])
    if len(boards) == 1:
        return render_board(request, boards[0])
    return fleet(request)


@require_GET
@viewer
def fleet(request: ActorRequest) -> HttpResponse:
    """All boards, 25 to a page; attention first is the sort of the drawing, the list keeps its order."""
    page = Paginator(Board.objects.filter(present=True), BOARDS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "slots/fleet.html", {"page": page, "rows": overview.fleet(list(page.object_list))})


@require_GET
@viewer
def board_page(request: ActorRequest, board: str) -> HttpResponse:
    return render_board(request, overview.find_board(board))


def render_board(request: ActorRequest, board: Board) -> HttpResponse:
    context = {
        "view": overview.board_view(board),
        "recent": AuditEntry.objects.filter(target__startswith=board.slug)[:8],
        "may_power": may(request.actor, "power", board.slug),
    }
    template = "slots/_board.html" if request.htmx else "slots/board.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_GET
@viewer
def nav(request: ActorRequest, board: str) -> HttpResponse:
    """The slots in the side navigation, for refreshing."""
    overview.find_board(board)
    return render(request, "includes/nav_slots.html")


@require_GET
@viewer
def slot_page(request: ActorRequest, board: str, number: int) -> HttpResponse:
    return render_slot(request, board, number)


def render_slot(
    request: ActorRequest, board: str, number: int, *, status: int = 200, refusal: Refused | None = None
) -> HttpResponse:
    template = "slots/_slot.html" if request.htmx else "slots/slot.html"  # type: ignore[attr-defined]
    context = {**slot_context(request, board, number), "refusal": refusal}
    return render(request, template, context, status=status)


def slot_context(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    slot = power.find_slot(board, number)
    resource = slot.resource(board)
    current = next((row for row in overview.open_operations(board) if row.resource == resource), None)
    shown = current or Operation.objects.filter(resource=resource).order_by("-created_at").first()
    offered, words = fenced.controller_restart_words(slot.board) if slot.is_controller else (False, "")
    return {
        "view": overview.slot_view(slot, current),
        "board": slot.board,
        "actions": overview.actions(slot),
        "shown": shown,
        "log": shown.log.all() if shown else [],
        "history": slot.history.all()[:20],
        "operations": Operation.objects.filter(resource=resource).order_by("-created_at")[:20],
        "may_power": may(request.actor, "power", resource),
        "may_edit": may(request.actor, "slot.edit", resource),
        "may_restart_controller": may(request.actor, "controller.restart", resource),
        "controller_restart_offered": offered,
        "controller_restart_words": words,
        "request_key": uuid.uuid4().hex,
        "tab": request.GET.get("tab", "now"),
    }


@require_GET
@viewer
def confirm_reset(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """The dialog before a shutdown, restart or force off: what will happen and what else goes on there."""
    slot = power.find_slot(board, number)
    wanted = power.parse_reset_type(request.GET.get("reset_type", ""))
    action = next(action for action in overview.actions(slot) if action.reset_type == wanted)
    context = {
        "view": overview.slot_view(slot),
        "board": slot.board,
        "action": action,
        "elsewhere": overview.elsewhere(slot),
        "request_key": uuid.uuid4().hex,
    }
    return render(request, "slots/_confirm_reset.html", context)


@require_POST
@viewer
def reset(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """A power command from the page; answers with the slot's panels, or the refusal inside them."""
    resource = f"{board}/slot:{number}"
    actor = begin_act(request, "power.reset", resource)
    form = valid(ResetForm(request.POST))
    slot = power.find_slot(board, number)
    stranding = form["accept_stranding"] and form["typed"].strip() == overview.slot_view(slot).name
    ask = Ask(power.parse_reset_type(form["reset_type"]), power.clean_reason(form["reason"]), stranding)
    power.request_reset(slot, ask, actor, key=form["key"])
    return after_act(request, board, number)


def after_act(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Show the slot as it is now: in place for htmx, by redirect otherwise."""
    if request.htmx:  # type: ignore[attr-defined]
        return render_slot(request, board, number)
    return HttpResponseRedirect(reverse("slots:slot", kwargs={"board": board, "number": number}))


def valid(form: Any) -> dict[str, Any]:
    """The cleaned fields of a form, or `BadRequest` with its first complaint."""
    if form.is_valid():
        return dict(form.cleaned_data)
    name, errors = next(iter(form.errors.items()))
    raise refusals.BadRequest(f"{name}: {errors[0]}")


@require_POST
@viewer
def mark_off(request: ActorRequest, board: str, number: int) -> HttpResponse:
    actor = begin_act(request, "slot.mark-off", f"{board}/slot:{number}")
    power.mark_off(power.find_slot(board, number), actor, power.clean_reason(request.POST.get("reason", "")))
    return after_act(request, board, number)


@require_POST
@viewer
def clear_latch(request: ActorRequest, board: str, number: int) -> HttpResponse:
    actor = begin_act(request, "slot.clear-latch", f"{board}/slot:{number}")
    power.clear_latch(power.find_slot(board, number), actor, power.clean_reason(request.POST.get("reason", "")))
    return after_act(request, board, number)


@viewer
@require_http_methods(["GET", "POST"])
def edit_som(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Record or change which SOM sits in a slot."""
    slot = power.find_slot(board, number)
    if request.method == "POST":
        actor = begin_act(request, "som.record", slot.resource(board))
        roles.require(actor, "slot.edit", slot.resource(board))
    form = SomForm(request.POST or None, instance=getattr(slot, "som", None) or Som(slot=slot))
    if request.method == "POST" and form.is_valid():
        records.save_som(slot, form.save(commit=False), request.actor)
        return redirect("slots:slot", board=board, number=number)
    context = {"form": form, "view": overview.slot_view(slot), "board": slot.board}
    return render(request, "slots/som.html", context, status=400 if form.errors else 200)


@require_POST
@viewer
def remove_som(request: ActorRequest, board: str, number: int) -> HttpResponse:
    actor = begin_act(request, "som.remove", f"{board}/slot:{number}")
    records.remove_som(power.find_slot(board, number), actor)
    return redirect("slots:slot", board=board, number=number)


@viewer
@require_http_methods(["GET", "POST"])
def board_settings(request: ActorRequest, board: str) -> HttpResponse:
    """What the board is wired to, its supply and notes, and the fenced acts."""
    row = overview.find_board(board)
    if request.method == "POST":
        roles.require(begin_act(request, "board.edit", board), "board.edit", board)
    form = BoardForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        records.save_board(form.save(commit=False), form.changed_data, request.actor)
        return redirect("slots:settings", board=board)
    context = {
        "form": form,
        "board": row,
        "spec": fenced.parts.spec(board),
        "types": SomType.objects.all(),
        "may_edit": may(request.actor, "board.edit", board),
        "may_reset_switch": may(request.actor, "switch.reset", f"{board}/switch"),
        "switch_reset_words": fenced.SWITCH_RESET_CONSEQUENCE,
    }
    return render(request, "slots/settings.html", context, status=400 if form.errors else 200)


@require_POST
@viewer
def reset_switch(request: ActorRequest, board: str) -> HttpResponse:
    actor = begin_act(request, "switch.reset", f"{board}/switch")
    form = valid(FencedForm(request.POST))
    row = overview.find_board(board)
    fenced.request_switch_reset(row, actor, reason=power.clean_reason(form["reason"]), typed=form["typed"])
    return redirect("slots:board", board=board)


@require_POST
@viewer
def restart_controller(request: ActorRequest, board: str) -> HttpResponse:
    actor = begin_act(request, "controller.restart", f"{board}/slot:1")
    form = valid(FencedForm(request.POST))
    row = overview.find_board(board)
    fenced.restart_controller(row, actor, reason=power.clean_reason(form["reason"]), typed=form["typed"])
    return redirect("slots:board", board=board)


@require_GET
@viewer
def confirm_several(request: ActorRequest, board: str) -> HttpResponse:
    """The dialog before a bulk action: order, what each slot will do, the sum; or why it is refused."""
    row = overview.find_board(board)
    form = valid(SeveralForm(request.GET))
    try:
        members, refusal = several.plan_several(row, form["slots"], form["verb"]), None
    except Refused as error:
        members, refusal = [], error
    context = {
        "board": row,
        "members": members,
        "refusal": refusal,
        "verb": form["verb"],
        "words": several.WORDS.get(form["verb"], ""),
        "slots": form["slots"],
    }
    return render(request, "slots/_confirm_several.html", context)


@require_POST
@viewer
def act_on_several(request: ActorRequest, board: str) -> HttpResponse:
    actor = begin_act(request, "power.several", board)
    form = valid(SeveralForm(request.POST))
    row = overview.find_board(board)
    several.request_several(row, form["slots"], form["verb"], actor, power.clean_reason(form["reason"]))
    if request.htmx:  # type: ignore[attr-defined]
        return render_board(request, row)
    return redirect("slots:board", board=board)


@viewer
@require_http_methods(["GET", "POST"])
def som_type(request: ActorRequest, name: str = "") -> HttpResponse:
    """Look at a SOM type's figures and their source; add or edit a third party's."""
    row = get_object_or_404(SomType, name=name) if name else SomType(source="")
    if request.method == "POST":
        roles.require(begin_act(request, "som-type.record", "portal"), "board.edit", "portal")
    form = SomTypeForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        records.save_som_type(form.save(commit=False), request.actor)
        return redirect("slots:som-type", name=form.instance.name)
    context = {"form": form, "type": row, "may_edit": may(request.actor, "board.edit", "portal") and not row.shipped}
    return render(request, "slots/som_type.html", context, status=400 if form.errors else 200)
