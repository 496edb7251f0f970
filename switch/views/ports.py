"""Ports by slot: link, what goes through now and did in the last hour, what was lost. Drawn from rows."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from hardware.jl6108.counters import Traffic
from operations.http import ActorRequest
from slots.models import Board
from slots.services import overview
from slots.views import panel_of, viewer
from switch.services import rates, running
from switch.services.rates import PortNow
from switch.traffic import MINUTES, Minute, line, minutes, speed
from switch.views import grid, shown

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
    """The tab Ports, or what of it changes with each reading."""
    row = overview.find_board(board)
    read, hour, wiring = rates.now(row), rates.last_hour(row), running.wiring(row)
    columns = grid.columns(wiring, shown.som_names(row))
    context = page_context(request, row) | {
        "read_at": read[0] if read else None,
        "every": rates.EVERY_SECONDS,
        "rows": [PortRow(one, read[1][one.port - 1], spark(minutes(hour, one.port))) for one in columns]
        if read
        else [],
    }
    return render(request, "switch/_ports.html" if panel_of(request) else "switch/ports.html", context)


def dropped(counters: Traffic) -> int:
    return counters.tx_dropped + counters.rx_dropped


def errors(counters: Traffic) -> int:
    return counters.tx_errors + counters.rx_crc_errors + counters.rx_fragments
