"""The grid and what edits the draft: a touch of a cell, a VLAN, what ports take in, a pattern, a file."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from hardware.switch_errors import VlanTableInvalid
from hardware.switch_setup import SwitchSetup
from hardware.vlan import VlanTable
from operations import refusals, roles
from operations.http import ActorRequest, begin_act
from slots.models import Board
from slots.services import overview
from slots.views import panel_of
from switch import editing, wording
from switch.documents import Wiring
from switch.forms import ImportForm, IntakeForm, NewVlanForm, VlanForm, valid
from switch.services import changes, drafts, files, running, scanning
from switch.views import grid, shown
from switch.views.looking import viewer

Edit = Callable[[VlanTable, Wiring], VlanTable]
SetupEdit = Callable[[SwitchSetup, Wiring], SwitchSetup]


@require_GET
@viewer
def vlans_page(request: ActorRequest, board: str) -> HttpResponse:
    return render_vlans(request, overview.find_board(board))


def render_vlans(request: ActorRequest, board: Board) -> HttpResponse:
    """The tab VLANs, or what of it changes."""
    template = "switch/_vlans.html" if panel_of(request) else "switch/vlans.html"
    return render(request, template, shown.vlans_context(request, board))


def after_act(request: ActorRequest, board: Board) -> HttpResponse:
    """Show the page as it is now: in place for htmx, by redirect otherwise."""
    if panel_of(request):
        return render_vlans(request, board)
    return HttpResponseRedirect(reverse("switch:vlans", args=[board.slug]))


def resource(board: Board) -> str:
    return f"{board.slug}/switch"


def change_setup(request: ActorRequest, board: Board, edit: SetupEdit) -> None:
    """Keep what `edit` makes of the setup that is being edited as the draft."""
    actor = begin_act(request, "switch.edit", resource(board))
    roles.require(actor, "switch.edit", resource(board))
    now = running.of(board)
    if why_not := shown.why_not_edit(now, changes.open_change(board)):
        raise refusals.Conflict(why_not, code="not-editable")
    wiring, version = running.wiring(board), drafts.version(board)
    try:
        setup = edit(drafts.begun(board), wiring)
    except VlanTableInvalid as error:
        raise refusals.BadRequest(wording.in_slots(str(error), wiring), code=error.code) from error
    drafts.save_setup(board, setup, actor, version)


def change_draft(request: ActorRequest, board: Board, edit: Edit) -> HttpResponse:
    """The same with its VLANs, shown as they are then."""
    change_setup(request, board, lambda setup, wiring: replace(setup, table=edit(setup.table, wiring)))
    return after_act(request, board)


@require_POST
@viewer
def edit_cell(request: ActorRequest, board: str) -> HttpResponse:
    """One touch of the grid: `cell` is "VID:PLACE:MARK", for instance "10:3:U" or "10:uplink:-"."""
    vid, _, rest = request.POST.get("cell", "").partition(":")
    place, _, mark = rest.partition(":")
    if not (vid.isascii() and vid.isdigit() and len(vid) < 5) or mark not in grid.SENT:
        raise refusals.BadRequest('A cell is a VID, a slot and "U", "T" or "-".', code="no-such-cell")
    how = grid.SENT[mark]
    return change_draft(
        request,
        overview.find_board(board),
        lambda table, wiring: editing.join(table, int(vid), wiring.port(place), how),
    )


def dialog(request: ActorRequest, template: str, board: Board, **more: Any) -> HttpResponse:
    """A dialog that asks for something; only for whoever may edit."""
    roles.require(request.actor, "switch.edit", resource(board))
    return render(request, template, {"board": board, **more})


@require_http_methods(["GET", "POST"])
@viewer
def add_vlan(request: ActorRequest, board: str) -> HttpResponse:
    row = overview.find_board(board)
    if request.method == "GET":
        free = editing.free_vid(drafts.begun(row).table)
        return dialog(request, "switch/_add.html", row, form=NewVlanForm(initial={"vid": free}))
    said = valid(NewVlanForm(request.POST))
    return change_draft(request, row, lambda table, _: editing.add(table, said["vid"], said["name"]))


@require_http_methods(["GET", "POST"])
@viewer
def change_vlan(request: ActorRequest, board: str, vid: int) -> HttpResponse:
    """A VLAN's name, whether the switch's own pages are in it, or its end."""
    row = overview.find_board(board)
    if request.method == "GET":
        table = drafts.begun(row).table
        vlan = next((one for one in table.vlans if one.vid == vid), None)
        if vlan is None:
            raise refusals.NotFound("There is no such VLAN in the draft.", code="unknown-vlan")
        form = VlanForm(initial={"name": vlan.name})
        return dialog(
            request, "switch/_vlan.html", row, vlan=vlan, form=form, is_management=vid == table.management_vid
        )
    if "remove" in request.POST:
        return change_draft(request, row, lambda table, _: editing.remove(table, vid))
    said = valid(VlanForm(request.POST))

    def changed(table: VlanTable, _: Wiring) -> VlanTable:
        named = editing.rename(table, vid, said["name"])
        return editing.manage(named, vid) if said["manages"] else named

    return change_draft(request, row, changed)


@require_http_methods(["GET", "POST"])
@viewer
def change_intake(request: ActorRequest, board: str) -> HttpResponse:
    """PVID and accepted frames of each port."""
    row = overview.find_board(board)
    wiring = running.wiring(row)
    columns = grid.columns(wiring, shown.som_names(row))
    if request.method == "GET":
        form = IntakeForm(columns=columns, table=drafts.begun(row).table)
        return dialog(request, "switch/_intake.html", row, form=form)
    said = IntakeForm(request.POST, columns=columns, table=drafts.begun(row).table)
    valid(said)
    return change_draft(request, row, lambda table, _: said.apply(table))


@require_http_methods(["GET", "POST"])
@viewer
def use_pattern(request: ActorRequest, board: str, key: str) -> HttpResponse:
    """A table to begin with instead of the draft: asked for, then kept as the draft."""
    row = overview.find_board(board)
    if key not in editing.PATTERNS:
        raise refusals.NotFound("There is no such template.", code="unknown-pattern")
    pattern = editing.PATTERNS[key]
    if request.method == "GET":
        return dialog(request, "switch/_pattern.html", row, key=key, pattern=pattern, draft=drafts.get(row))
    change_setup(request, row, pattern.make)
    return after_act(request, row)


@require_http_methods(["GET", "POST"])
@viewer
def import_file(request: ActorRequest, board: str) -> HttpResponse:
    """A YAML file as the draft."""
    row = overview.find_board(board)
    if request.method == "GET":
        return dialog(request, "switch/_import.html", row, form=ImportForm())
    actor = begin_act(request, "switch.edit", resource(row))
    roles.require(actor, "switch.edit", resource(row))
    if why_not := shown.why_not_edit(running.of(row), changes.open_change(row)):
        raise refusals.Conflict(why_not, code="not-editable")
    files.import_yaml(row, valid(ImportForm(request.POST, request.FILES))["text"], actor)
    return after_act(request, row)


@require_GET
@viewer
def export_file(request: ActorRequest, board: str) -> HttpResponse:
    row = overview.find_board(board)
    headers = {"Content-Disposition": f'attachment; filename="{row.slug}-vlans.yaml"'}
    return HttpResponse(files.export_yaml(row), content_type="application/yaml; charset=utf-8", headers=headers)


@require_POST
@viewer
def discard(request: ActorRequest, board: str) -> HttpResponse:
    row = overview.find_board(board)
    drafts.discard(row, begin_act(request, "switch.edit", resource(row)))
    return after_act(request, row)


@require_POST
@viewer
def scan(request: ActorRequest, board: str) -> HttpResponse:
    """Read all entries of the chip, as an operation of its own."""
    row = overview.find_board(board)
    scanning.request_scan(row, begin_act(request, "switch.scan", resource(row)), request.POST.get("key", ""))
    return after_act(request, row)
