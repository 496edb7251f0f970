"""Traffic through the ports: the worker reads counters every ten seconds and keeps one hour of what went through.

A reading takes 640 transfers, 0.07 s of a bus at 400 kHz and 0.3 s at 100 kHz, and gives way after each burst.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardware.contracts import Link
from hardware.errors import HardwareError
from hardware.jl6108.counters import Traffic
from operations import events
from slots.models import Board
from slots.services import parts
from switch.models import PortReading, TrafficSample
from switch.services import running
from switch.traffic import Flow, Sample, flows

log = logging.getLogger("nanoportal.switch")
EVERY_SECONDS = 10
KEPT = timedelta(hours=1)
HEARD = ("heard_after", "heard_at")
PLACES = int(KEPT.total_seconds()) // EVERY_SECONDS


@dataclass(frozen=True)
class PortNow:
    """A port at the last reading. `flow` is what went through in the `seconds` before it, None if that is not known.

    `heard_at` is when its counter of what comes in was last found higher than before, `heard_after` when that was.
    """

    link: Link
    counters: Traffic
    flow: Flow | None
    seconds: float
    heard_after: datetime | None
    heard_at: datetime | None


class Watch:
    """The worker's eye on the counters. What it read last is its own: rates go by a clock that nobody sets."""

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic or running.CLOCK.monotonic
        self._last: dict[int, tuple[float, tuple[Traffic, ...]]] = {}

    def look(self) -> None:
        """Read every switch of this machine that answers. One switch's trouble does not stop the others."""
        for board in Board.objects.filter(present=True, switch_problem="", slug__in=parts.local()):
            if parts.spec(board.slug).switch is None:
                continue
            try:
                self._read(board)
            except HardwareError as error:
                self._last.pop(board.pk, None)
                log.info("%s: the switch's counters could not be read: %s", board.slug, error)

    def _read(self, board: Board) -> None:
        chip = running.chip_of(board)
        links, counters, now = chip.read_links(), chip.read_all_traffic(), self._monotonic()
        then, before = self._last.get(board.pk, (now, counters))
        self._last[board.pk] = (now, counters)
        keep(board, links, counters, flows(before, counters, now - then), now - then)


def keep(
    board: Board,
    links: tuple[Link, ...],
    counters: tuple[Traffic, ...],
    found: tuple[Flow, ...] | None,
    seconds: float,
) -> None:
    """Write a reading down, and tell the pages that show it. `found` None: nothing is known of the time before it."""
    now = timezone.now()
    with transaction.atomic():
        row, _ = PortReading.objects.get_or_create(board=board, defaults={"read_at": now, "ports": []})
        heard = [(port["heard_after"], port["heard_at"]) for port in row.ports] or [(None, None)] * len(links)
        fresh = ((now - timedelta(seconds=seconds)).isoformat(), now.isoformat())
        row.ports = [
            {
                "link": asdict(link),
                "counters": asdict(one),
                "flow": asdict(flow) if flow else None,
                "seconds": seconds,
                **dict(zip(HEARD, fresh if flow and flow.bytes_in else before, strict=True)),
            }
            for link, one, flow, before in zip(links, counters, found or [None] * len(links), heard, strict=True)
        ]
        row.read_at = now
        row.samples += 1
        row.save(update_fields=["read_at", "ports", "samples"])
        if found:
            values = {"at": now, "seconds": seconds, "ports": [list(asdict(flow).values()) for flow in found]}
            TrafficSample.objects.update_or_create(board=board, place=row.samples % PLACES, defaults=values)
        events.hint("traffic", board.slug)


def now(board: Board) -> tuple[datetime, tuple[PortNow, ...]] | None:
    """When the ports were read last, and what was found; None if they never were. Reads rows only."""
    row = PortReading.objects.filter(board=board).first()
    if row is None or not row.ports:
        return None
    return row.read_at, tuple(_port(one) for one in row.ports)


def _port(one: dict[str, Any]) -> PortNow:
    return PortNow(
        link=Link(**one["link"]),
        counters=Traffic(**one["counters"]),
        flow=Flow(**one["flow"]) if one["flow"] else None,
        seconds=one["seconds"],
        **{name: datetime.fromisoformat(one[name]) if one[name] else None for name in HEARD},
    )


def last_hour(board: Board) -> tuple[Sample, ...]:
    """What went through the ports in the last hour, in no certain order. Reads rows only."""
    now = timezone.now()
    rows = TrafficSample.objects.filter(board=board, at__gt=now - KEPT, at__lte=now)
    return tuple(
        Sample((now - at).total_seconds(), seconds, tuple(Flow(*flow) for flow in ports))
        for at, seconds, ports in rows.values_list("at", "seconds", "ports")
    )
