"""Pages of boards and slots. Each view parses, asks one service, and renders."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.recent import require_recent
from operations import reading, refusals, roles
from operations.http import ActorRequest, begin_act
from operations.models import Operation
from operations.progress import progress_of
from operations.refusals import Refused
from operations.roles import may, may_by_grant, may_somewhere
from reservations.services import showing
from slots import questions
from slots.forms import BoardForm, FencedForm, ResetForm, SeveralForm, SomForm, SomTypeForm
from slots.models import Board, Slot, Som, SomType
from slots.questions import Question
from slots.services import fenced, overview, parts, power, records, several, sight
from slots.services.places import place_of
from slots.services.power import Ask

BOARDS_PER_PAGE = 25
OPERATIONS_PER_PAGE = 25
TIMELINE = 8  # steps of a slot's history beside what it does now; the History tab has them all
# The part of a page that htmx asks for, by the id that it goes into -> the template that draws it, first and later
BOARD_PANELS = {"board": "slots/_board.html", "running": "slots/_running.html", "recent": "slots/_recent.html"}


def viewer(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for signed-in people who may view boards. A page and its panels have one address, so caches must tell
    them apart."""

    @wraps(view)
    def checked(request: ActorRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        roles.require(request.actor, "view", kwargs.get("board", "portal"))
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response

    return login_required(checked)


def panel_of(request: ActorRequest) -> str:
    """The id of the element that htmx will put the answer into; "" for a whole page."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return (htmx.target or "") if htmx else ""


@require_GET
@viewer
def dashboard(request: ActorRequest) -> HttpResponse:
    """The board if there is one, else the list of boards."""
    boards = list(sight.boards(request.actor)[:2])
    if len(boards) == 1:
        return render_board(request, boards[0])
    return fleet(request)


@require_GET
@viewer
def fleet(request: ActorRequest) -> HttpResponse:
    """All boards by name, 25 to a page."""
    page = Paginator(sight.boards(request.actor), BOARDS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": overview.fleet(list(page.object_list), request.actor)}
    return render(request, "slots/_fleet.html" if panel_of(request) else "slots/fleet.html", context)


@require_GET
@viewer
def board_page(request: ActorRequest, board: str) -> HttpResponse:
    return render_board(request, overview.find_board(board))


def render_board(request: ActorRequest, board: Board) -> HttpResponse:
    """A board's page, or the one of its panels that htmx asks for."""
    panel = panel_of(request)
    context: dict[str, Any] = {"board": board, "may_power": may_somewhere(request.actor, "power", board.slug)}
    if panel in ("", "board"):
        context["view"] = overview.board_view(board, request.actor)
        context["may_pick"] = [
            slot.number
            for slot in context["view"].slots
            if may_by_grant(request.actor, "power", f"{board.slug}/slot:{slot.number}")
        ]
    if panel in ("", "running"):
        operations = sight.seen(request.actor, overview.open_operations(board.slug))
        context["operations"] = [(operation, progress_of(operation)) for operation in operations]
    if panel in ("", "recent"):
        resources = overview.resources(board.slug)
        context["recent"] = reading.recent([name for name in resources if sight.sees(request.actor, name)])
    return render(request, BOARD_PANELS.get(panel, "slots/board.html"), context)


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


def render_slot(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """What a slot does now: its page, or the panels of it."""
    slot = power.find_slot(board, number)
    resource = slot.resource(board)
    current = overview.open_operation(resource)
    shown = current or Operation.objects.filter(resource=resource).order_by("-created_at").first()
    actions = overview.actions(slot, current)
    context = {
        **slot_context(request, slot, current),
        "offered": [action for action in actions if action.offered],
        "not_offered": [action for action in actions if not action.offered],
        "markable": overview.may_be_marked_off(slot, current),
        "shown": shown,
        "progress": progress_of(shown) if shown else None,
        "log": shown.log.all() if shown else [],
        "history": slot.history.all()[:TIMELINE],
        "may_power": may(request.actor, "power", resource),
        "may_mark": may(request.actor, "slot.mark", resource),
        "may_restart_controller": may(request.actor, "controller.restart", resource),
        "request_key": uuid.uuid4().hex,
    }
    if slot.is_controller:
        offered, words = fenced.controller_restart_words(slot.board)
        context |= {"restart_offered": offered, "restart_words": words}
    return render(request, "slots/_slot.html" if panel_of(request) else "slots/slot.html", context)


def slot_context(request: ActorRequest, slot: Slot, current: Operation | None = None) -> dict[str, Any]:
    """What every page of a slot shows in its head."""
    return {
        "view": overview.slot_view(slot, current),
        "board": slot.board,
        "som": getattr(slot, "som", None),
        "may_edit": may(request.actor, "slot.edit", slot.resource(slot.board.slug)),
        "reservations": showing.of_slot(place_of(slot, slot.board.slug), request.actor),
    }


@require_GET
@viewer
def history(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """What became of a slot: its operations, and every change of what was believed of it."""
    slot = power.find_slot(board, number)
    operations = Operation.objects.filter(resource=slot.resource(board)).order_by("-created_at")
    context = {
        **slot_context(request, slot),
        "page": Paginator(operations, OPERATIONS_PER_PAGE).get_page(request.GET.get("page")),
        "changes": slot.history.all()[:100],
    }
    return render(request, "slots/history.html", context)


@require_GET
@viewer
def confirm_reset(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """The dialog before a shutdown, restart or force off: what will happen and what else goes on there."""
    slot = power.find_slot(board, number)
    wanted = power.parse_reset_type(request.GET.get("reset_type", ""))
    question = questions.reset(slot, wanted, key=uuid.uuid4().hex)
    return ask(request, question)


def ask(request: ActorRequest, question: Question) -> HttpResponse:
    return render(request, "slots/_question.html", {"question": question})


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
    """Show what was acted on as it is now: in place for htmx, by redirect otherwise."""
    panel = panel_of(request)
    if panel in BOARD_PANELS:
        return render_board(request, overview.find_board(board))
    if panel:
        return render_slot(request, board, number)
    return HttpResponseRedirect(reverse("slots:slot", kwargs={"board": board, "number": number}))


def valid(form: Any) -> dict[str, Any]:
    """The cleaned fields of a form, or `BadRequest` with its first complaint."""
    if form.is_valid():
        return dict(form.cleaned_data)
    name, errors = next(iter(form.errors.items()))
    raise refusals.BadRequest(f"{name}: {errors[0]}")


@viewer
@require_http_methods(["GET", "POST"])
def mark_off(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """A person's word that a slot is off: asked for, then taken."""
    if request.method == "GET":
        return ask(request, questions.mark_off(power.find_slot(board, number)))
    actor = begin_act(request, "slot.mark-off", f"{board}/slot:{number}")
    power.mark_off(power.find_slot(board, number), actor, power.clean_reason(request.POST.get("reason", "")))
    return after_act(request, board, number)


@viewer
@require_http_methods(["GET", "POST"])
def clear_latch(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """A person's word that the board was without power: asked for, then taken."""
    if request.method == "GET":
        return ask(request, questions.clear_latch(power.find_slot(board, number)))
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
    context = slot_context(request, slot)
    instance = context["som"] or Som(slot=slot)
    form = SomForm(request.POST or None, instance=instance, locked=not context["may_edit"])
    if request.method == "POST" and form.is_valid():
        som = form.save(commit=False)
        records.save_som(slot, som, request.actor)
        messages.success(request, f"Slot {number} is recorded as {som.som_type}.")
        return redirect("slots:slot", board=board, number=number)
    return render(request, "slots/som.html", {**context, "form": form}, status=400 if form.errors else 200)


@viewer
@require_http_methods(["GET", "POST"])
def remove_som(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Record that a slot is empty: asked for, then done."""
    if request.method == "GET":
        return ask(request, questions.remove_som(power.find_slot(board, number)))
    actor = begin_act(request, "som.remove", f"{board}/slot:{number}")
    records.remove_som(power.find_slot(board, number), actor)
    return leave_for(request, reverse("slots:slot", kwargs={"board": board, "number": number}))


@viewer
@require_http_methods(["GET", "POST"])
def board_settings(request: ActorRequest, board: str) -> HttpResponse:
    """What the board is wired to, its supply and notes, and the fenced act on its switch."""
    row = overview.find_board(board)
    may_edit = may(request.actor, "board.edit", board)
    if request.method == "POST":
        roles.require(begin_act(request, "board.edit", board), "board.edit", board)
    form = BoardForm(request.POST or None, instance=row, locked=not may_edit)
    if request.method == "POST" and form.is_valid():
        records.save_board(form.save(commit=False), form.changed_data, request.actor)
        messages.success(request, "The board's settings are saved.")
        return redirect("slots:settings", board=board)
    spec = parts.spec(board)
    context = {
        "form": form,
        "board": row,
        "spec": spec,
        "wiring": list(spec.slots.values()),
        "types": SomType.objects.all(),
        "may_edit": may_edit,
        "may_reset_switch": may(request.actor, "switch.reset", f"{board}/switch"),
        "switch_busy": overview.open_operation(f"{board}/switch"),
        "switch_reset_words": fenced.SWITCH_RESET_CONSEQUENCE,
    }
    return render(request, "slots/settings.html", context, status=400 if form.errors else 200)


@viewer
@require_http_methods(["GET", "POST"])
def reset_switch(request: ActorRequest, board: str) -> HttpResponse:
    """Reset the switch chip: asked for with everything that guards it, then queued."""
    row = overview.find_board(board)
    if may(request.actor, "switch.reset", f"{board}/switch"):
        require_recent(request)
    if request.method == "GET":
        return ask(request, questions.reset_switch(row, request.actor))
    actor = begin_act(request, "switch.reset", f"{board}/switch")
    form = valid(FencedForm(request.POST))
    operation = fenced.request_switch_reset(row, actor, reason=power.clean_reason(form["reason"]), typed=form["typed"])
    return leave_for(request, reverse("operations:operation", args=[operation.pk]))


@viewer
@require_http_methods(["GET", "POST"])
def restart_controller(request: ActorRequest, board: str) -> HttpResponse:
    """Restart slot 1 by its own operating system: asked for with everything that guards it, then done."""
    row = overview.find_board(board)
    if may(request.actor, "controller.restart", f"{board}/slot:1"):
        require_recent(request)
    if request.method == "GET":
        return ask(request, questions.restart_controller(row, request.actor))
    actor = begin_act(request, "controller.restart", f"{board}/slot:1")
    form = valid(FencedForm(request.POST))
    fenced.restart_controller(row, actor, reason=power.clean_reason(form["reason"]), typed=form["typed"])
    return leave_for(request, reverse("slots:slot", kwargs={"board": board, "number": 1}))


def leave_for(request: ActorRequest, url: str) -> HttpResponse:
    """Send the whole page elsewhere, also when only a panel of it asked."""
    return HttpResponseClientRedirect(url) if panel_of(request) else HttpResponseRedirect(url)


@require_GET
@viewer
def confirm_several(request: ActorRequest, board: str) -> HttpResponse:
    """The dialog before a bulk action: order, what each slot will do, the sum; or why it is refused."""
    row = overview.find_board(board)
    form = valid(SeveralForm(request.GET))
    several.require_power(row, form["slots"], request.actor)
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
        "budget": overview.budget_with(row, [member.slot for member in members])
        if members and form["verb"] != several.STOP
        else None,
    }
    return render(request, "slots/_several.html", context)


@require_POST
@viewer
def act_on_several(request: ActorRequest, board: str) -> HttpResponse:
    actor = begin_act(request, "power.several", board)
    form = valid(SeveralForm(request.POST))
    row = overview.find_board(board)
    several.request_several(row, form["slots"], form["verb"], actor, power.clean_reason(form["reason"]))
    if panel_of(request):
        return render_board(request, row)
    return redirect("slots:board", board=board)


@viewer
@require_http_methods(["GET", "POST"])
def som_type(request: ActorRequest, name: str = "") -> HttpResponse:
    """Look at a SOM type's figures and their source; add or edit a third party's."""
    row = get_object_or_404(SomType, name=name) if name else SomType(source="")
    if request.method == "POST":
        roles.require(begin_act(request, "som-type.record", "portal"), "board.edit", "portal")
    may_edit = may(request.actor, "board.edit", "portal")
    form = SomTypeForm(request.POST or None, instance=row, locked=row.shipped or not may_edit)
    if request.method == "POST" and form.is_valid():
        records.save_som_type(form.save(commit=False), request.actor)
        messages.success(request, f"{form.instance.name} is recorded.")
        return redirect("slots:som-type", name=form.instance.name)
    context = {
        "form": form,
        "type": row,
        "title": name or "New SOM type",
        "may_edit": may_edit,
        "soms": row.soms.select_related("slot__board") if row.pk else [],
    }
    return render(request, "slots/som_type.html", context, status=400 if form.errors else 200)
