"""What goes on at the switch over REST: links, counters, rates, and which address was seen where."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ninja import Field, Router, Schema

from operations.http import ActorRequest
from switch.api.vlans import ERRORS, find_board
from switch.documents import Place
from switch.services import addresses, ports, rates, running
from switch.traffic import minutes

router = Router()


class RateOut(Schema):
    bits_in: float = Field(description="Bits per second that came in from the port, the mean of `seconds`.")
    bits_out: float
    dropped: int = Field(description="Frames lost in these seconds for want of room.")
    errors: int = Field(description="Frames that were no good.")
    seconds: float


class PortOut(Schema):
    port: Place
    link: bool
    mbps: int
    full_duplex: bool
    counters: dict[str, int]
    rate: RateOut | None = Field(description="As the worker read last; null while it knows of none.")


class PortList(Schema):
    ports: list[PortOut]
    rates_read_at: datetime | None


class MinuteOut(Schema):
    bits_in: float
    bits_out: float
    dropped: int
    errors: int


class TrafficOut(Schema):
    port: Place
    minutes: list[MinuteOut | None] = Field(description="The last 60, the oldest first; null where nothing was read.")


class TrafficList(Schema):
    ports: list[TrafficOut]


class AddressOut(Schema):
    mac: str
    vid: int | None
    ports: list[Place] = Field(description='Also "switch", its own.')
    fixed: bool
    held: bool = Field(description="The switch has it now; false: it forgot it in the last day.")
    seen: bool = Field(description="The chip's own bit: a frame came from it since its ageing went round last.")
    seen_after: datetime | None = Field(description="A frame came from it after this, and not after `seen_at`.")
    seen_at: datetime | None
    first_found_at: datetime
    moved_at: datetime | None = Field(description="When it was found behind another port than before.")


class AddressList(Schema):
    addresses: list[AddressOut]
    ageing_seconds: float | None = Field(description="Of silence, after which the switch forgets an address.")


@router.get("/boards/{board}/switch/ports", response={200: PortList, **ERRORS})
def list_ports(request: ActorRequest, board: str) -> dict[str, Any]:
    """Links and counters as the chip has them now, and the rates that the worker read last."""
    row = find_board(request, board)
    found, last = ports.read(row), rates.now(row)
    return {
        "rates_read_at": last[0] if last else None,
        "ports": [
            {
                "port": one.place,
                "link": one.link.up,
                "mbps": one.link.mbps if one.link.up else 0,
                "full_duplex": one.link.up and one.link.full_duplex,
                "counters": asdict(one.counters),
                "rate": rate_json(last[1][one.port - 1]) if last else None,
            }
            for one in found
        ],
    }


def rate_json(port: rates.PortNow) -> dict[str, Any] | None:
    if port.flow is None:
        return None
    return {
        "bits_in": 8 * port.flow.bytes_in / port.seconds,
        "bits_out": 8 * port.flow.bytes_out / port.seconds,
        "dropped": port.flow.dropped,
        "errors": port.flow.errors,
        "seconds": port.seconds,
    }


@router.get("/boards/{board}/switch/traffic", response={200: TrafficList, **ERRORS})
def list_traffic(request: ActorRequest, board: str) -> dict[str, Any]:
    """What went through each port in the last hour, minute by minute."""
    row = find_board(request, board)
    wiring, hour = running.wiring(row), rates.last_hour(row)
    return {
        "ports": [
            {"port": wiring.place(port), "minutes": [one and asdict(one) for one in minutes(hour, port)]}
            for port in wiring.in_order()
        ]
    }


@router.get("/boards/{board}/switch/fdb", response={200: AddressList, **ERRORS})
def list_addresses(request: ActorRequest, board: str) -> dict[str, Any]:
    """The addresses that the switch has learned, or had, and where. Takes 2 s and more."""
    found = addresses.seek(find_board(request, board))
    return {
        "ageing_seconds": found.ageing_seconds,
        "addresses": [
            {
                **{name: getattr(one, name) for name in ("mac", "vid", "fixed", "held", "seen_after", "seen_at")},
                "ports": list(one.places),
                "seen": one.hit,
                "first_found_at": one.first_found_at,
                "moved_at": one.moved_at,
            }
            for one in found.views
        ],
    }
