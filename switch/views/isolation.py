"""Who hears nothing of whom, and what is copied where: the draft of both."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from hardware.switch_setup import SwitchSetup
from operations import refusals
from operations.http import ActorRequest
from slots.models import Board
from slots.services import overview
from slots.views import panel_of
from switch import editing, wording
from switch.forms import MirrorForm, valid
from switch.services import drafts, running
from switch.views import grid, shown
from switch.views.grid import Column
from switch.views.looking import viewer
from switch.views.pending import pending
from switch.views.vlans import change_setup, dialog

APART, TOGETHER = "apart", "together"
#: What a button makes of all pairs at once.
WHOLES = {
    "slots-apart": editing.separate_slots,
    "nobody-apart": lambda setup, _: editing.let_all_hear(setup),
}


@dataclass(frozen=True)
class Pair:
    """Two columns and whether they are apart; `is_changed`: on the switch it is the other way."""

    one: Column
    other: Column
    are_apart: bool
    is_changed: bool
    is_first: bool

    @property
    def words(self) -> str:
        said = f"{self.one.words} and {self.other.words}: {'kept apart' if self.are_apart else 'hear each other'}"
        return f"{said}, changed" if self.is_changed else said

    @property
    def next(self) -> str:
        return TOGETHER if self.are_apart else APART


@dataclass(frozen=True)
class Line:
    """A row of the matrix; None where a column meets itself."""

    column: Column
    pairs: tuple[Pair | None, ...]


def matrix(columns: tuple[Column, ...], setup: SwitchSetup, held: SwitchSetup | None) -> tuple[Line, ...]:
    """Every pair twice, so that each slot has a row to read along."""
    lines = []
    for row, one in enumerate(columns):
        pairs: list[Pair | None] = []
        for at, other in enumerate(columns):
            if one is other:
                pairs.append(None)
                continue
            are_apart = setup.are_apart(one.port, other.port)
            is_changed = held is not None and held.are_apart(one.port, other.port) != are_apart
            pairs.append(Pair(one, other, are_apart, is_changed, is_first=(row, at) == (0, 1)))
        lines.append(Line(one, tuple(pairs)))
    return tuple(lines)


@require_GET
@viewer
def isolation_page(request: ActorRequest, board: str) -> HttpResponse:
    return render_isolation(request, overview.find_board(board))


def render_isolation(request: ActorRequest, board: Board) -> HttpResponse:
    """The tab Mirror and isolation, or what of it changes."""
    wiring = running.wiring(board)
    columns, draft = grid.columns(wiring, shown.som_names(board)), pending(request, board, wiring)
    setup, held = draft.setup, draft.held
    context: dict[str, Any] = draft.context | {
        "columns": columns,
        "matrix": matrix(columns, setup, held),
        "apart": len(setup.apart),
        "mirror_words": shown.sentence(wording.mirroring(setup.mirror, wiring)) if setup.mirror else "",
    }
    return render(request, "switch/_isolation.html" if panel_of(request) else "switch/isolation.html", context)


def after_act(request: ActorRequest, board: Board) -> HttpResponse:
    if panel_of(request):
        return render_isolation(request, board)
    return HttpResponseRedirect(reverse("switch:isolation", args=[board.slug]))


@require_POST
@viewer
def edit_pair(request: ActorRequest, board: str) -> HttpResponse:
    """One touch of the matrix: `pair` is "PLACE:PLACE:apart" or "...:together", for instance "2:uplink:apart"."""
    row = overview.find_board(board)
    one, other, how = (*request.POST.get("pair", "").split(":"), "", "", "")[:3]
    if how not in (APART, TOGETHER):
        raise refusals.BadRequest('A pair is two slots and "apart" or "together".', code="no-such-pair")
    change_setup(
        request,
        row,
        lambda setup, wiring: editing.keep_apart(setup, wiring.port(one), wiring.port(other), how == APART),
    )
    return after_act(request, row)


@require_POST
@viewer
def edit_whole(request: ActorRequest, board: str, key: str) -> HttpResponse:
    """All pairs at once."""
    row = overview.find_board(board)
    if key not in WHOLES:
        raise refusals.NotFound("There is no such isolation.", code="unknown-isolation")
    change_setup(request, row, WHOLES[key])
    return after_act(request, row)


@require_http_methods(["GET", "POST"])
@viewer
def edit_mirror(request: ActorRequest, board: str) -> HttpResponse:
    """Where copies go, and of what."""
    row = overview.find_board(board)
    columns, setup = grid.columns(running.wiring(row), shown.som_names(row)), drafts.begun(row)
    if request.method == "GET":
        return dialog(request, "switch/_mirror.html", row, form=MirrorForm(columns=columns, setup=setup))
    said = MirrorForm(request.POST, columns=columns, setup=setup)
    valid(said)
    change_setup(request, row, said.apply)
    return after_act(request, row)
