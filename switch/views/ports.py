"""Ports by slot: link, what goes through now and did in the last hour, how they are set. Drawn from rows."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from hardware.jl6108.counters import Traffic
from hardware.switch_setup import PortSetup
from operations import refusals
from operations.http import ActorRequest
from slots.models import Board
from slots.services import overview
from slots.views import panel_of
from switch import editing, wording
from switch.documents import Wiring
from switch.forms import PortForm, valid
from switch.services import drafts, rates, running
from switch.services.rates import PortNow
from switch.traffic import MINUTES, Minute, line, minutes, speed
from switch.views import grid, shown
from switch.views.looking import viewer
from switch.views.pending import Pending, pending
from switch.views.vlans import change_setup, dialog

#: Where the chip's own web pages are unless somebody changed it (community reports; no data sheet says so).
USUAL_ADDRESS = "10.10.11.10"
WIDTH, HEIGHT = 120, 24  # of a sparkline, in its own units


@dataclass(frozen=True)
class Spark:
    """The last hour of a port as two lines on one scale, and the same in words."""

    incoming: tuple[str, ...]
    outgoing: tuple[str, ...]
    peak: str
    words: str
    dropped: int
    errors: int


@dataclass(frozen=True)
class PortRow:
    """A line of the table."""

    column: grid.Column
    now: PortNow
    spark: Spark
    setup: PortSetup | None  # None: there is no draft, and what the switch holds is no setup of ours
    was: PortSetup | None  # what it is on the switch, where the draft differs

    @property
    def setup_words(self) -> str:
        if self.setup is None:
            return "not known"
        return "as usual" if self.setup == PortSetup() else wording.link(self.setup)

    @property
    def rate_in(self) -> str:
        return _rate(self.now, self.now.flow.bytes_in) if self.now.flow else "–"

    @property
    def rate_out(self) -> str:
        return _rate(self.now, self.now.flow.bytes_out) if self.now.flow else "–"

    @property
    def dropped(self) -> int:
        return dropped(self.now.counters)

    @property
    def errors(self) -> int:
        return errors(self.now.counters)


def _rate(now: PortNow, count: int) -> str:
    return speed(8 * count / now.seconds)


def spark(hour: tuple[Minute | None, ...]) -> Spark:
    """How an hour of a port is drawn and said."""
    read = [minute for minute in hour if minute]
    most_in = max((minute.bits_in for minute in read), default=0.0)
    most_out = max((minute.bits_out for minute in read), default=0.0)
    most = max(most_in, most_out)
    unread = len(hour) - len(read)
    gaps = f"; {unread} of {MINUTES} minutes were not read" if unread else ""
    words = f"Last hour: at most {speed(most_in)} came in and {speed(most_out)} went out in a minute's mean{gaps}."
    return Spark(
        incoming=line([minute.bits_in if minute else None for minute in hour], most, WIDTH, HEIGHT),
        outgoing=line([minute.bits_out if minute else None for minute in hour], most, WIDTH, HEIGHT),
        peak=speed(most),
        words=words if read else "Nothing was read in the last hour.",
        dropped=sum(minute.dropped for minute in read),
        errors=sum(minute.errors for minute in read),
    )


def page_context(request: ActorRequest, draft: Pending) -> dict[str, Any]:
    return {
        "every": rates.EVERY_SECONDS,
        "host": request.get_host().partition(":")[0],
        "usual_address": USUAL_ADDRESS,
        "management_vid": draft.now.table.management_vid if draft.now.table else None,
    }


@require_GET
@viewer
def ports_page(request: ActorRequest, board: str) -> HttpResponse:
    return render_ports(request, overview.find_board(board))


def render_ports(request: ActorRequest, board: Board) -> HttpResponse:
    """The tab Ports, or what of it changes with each reading."""
    read, hour, wiring = rates.now(board), rates.last_hour(board), running.wiring(board)
    read_at, now = read or (None, ())
    draft = pending(request, board, wiring)
    rows = []
    for one in grid.columns(wiring, shown.som_names(board)) if read else ():
        held = draft.held.ports[one.port] if draft.held else None
        setup = draft.setup.ports[one.port] if draft.context["draft"] or held else None
        was = held if held != setup else None
        rows.append(PortRow(one, now[one.port - 1], spark(minutes(hour, one.port)), setup, was))
    context = draft.context | page_context(request, draft) | {"read_at": read_at, "rows": rows}
    return render(request, "switch/_ports.html" if panel_of(request) else "switch/ports.html", context)


@require_http_methods(["GET", "POST"])
@viewer
def change_port(request: ActorRequest, board: str, place: str) -> HttpResponse:
    """How a port makes its link, in the draft."""
    row = overview.find_board(board)
    wiring = running.wiring(row)
    column = find_column(row, wiring, place)
    if request.method == "GET":
        form = PortForm(initial=PortForm.initial_of(drafts.begun(row).ports[column.port]))
        is_vital = column.port in (wiring.uplink, wiring.controller)
        return dialog(request, "switch/_port.html", row, form=form, column=column, is_vital=is_vital)
    said = PortForm(request.POST)
    valid(said)
    change_setup(request, row, lambda setup, _: editing.set_port(setup, column.port, said.port()))
    return render_ports(request, row) if panel_of(request) else redirect("switch:ports", board=row.slug)


def find_column(board: Board, wiring: Wiring, place: str) -> grid.Column:
    """The slot or the uplink of that name. Raises `NotFound`."""
    for column in grid.columns(wiring, shown.som_names(board)):
        if column.place == place:
            return column
    raise refusals.NotFound("This board has no such slot.", code="unknown-slot")


def dropped(counters: Traffic) -> int:
    return counters.tx_dropped + counters.rx_dropped


def errors(counters: Traffic) -> int:
    return counters.tx_errors + counters.rx_crc_errors + counters.rx_fragments
