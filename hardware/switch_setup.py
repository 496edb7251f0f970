"""All that can be wanted of a switch: its VLANs, how ports make their links, who is kept apart, what is mirrored.

Plain values, checked when they are made. Ports are the front ones, 1 to 8; the switch's own is never kept apart from
anybody nor mirrored, so that its web pages stay where the VLANs put them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from hardware.switch_errors import SetupInvalid
from hardware.vlan import FRONT_PORTS, VlanTable

#: What a copper port of the JL6108 can do (section 7.3 of our register reference), in Mb/s.
SPEEDS_MBPS = (10, 100, 1000)


class FlowControl(StrEnum):
    """Whether a port asks its partner to pause, and pauses when asked. AUTO: as the two of them negotiate."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True)
class PortSetup:
    """How a front port makes its link. Raises SetupInvalid with one sentence.

    `mbps` None is the best that both sides can. A fixed speed is offered to the partner as the only one; with
    `negotiates` False it is set without asking, for a partner that does not negotiate either. `full_duplex` is about
    fixed speeds only.
    """

    enabled: bool = True
    mbps: int | None = None
    full_duplex: bool = True
    negotiates: bool = True
    flow_control: FlowControl = FlowControl.AUTO

    def __post_init__(self) -> None:
        if self.mbps is None:
            if not self.negotiates:
                raise SetupInvalid("A port that does not negotiate needs a speed.")
            if not self.full_duplex:
                raise SetupInvalid("Half duplex needs a fixed speed.")
            return
        if self.mbps not in SPEEDS_MBPS:
            raise SetupInvalid(f"A port runs at 10, 100 or 1000 Mb/s, not {self.mbps}.")
        if self.mbps == 1000 and not self.full_duplex:
            raise SetupInvalid("1000 Mb/s is always full duplex.")
        if self.mbps == 1000 and not self.negotiates:
            # IEEE 802.3, 40.5.1: which side gives the clock is negotiated.
            raise SetupInvalid("1000 Mb/s over copper has to be negotiated.")
        if not self.negotiates and self.flow_control is FlowControl.AUTO:
            raise SetupInvalid("Without negotiation, flow control is on or off: nobody agrees on it.")


@dataclass(frozen=True)
class Mirror:
    """Copies of what enters the switch at some ports, and of what leaves it at some, go to one port.

    Raises SetupInvalid with one sentence.
    """

    to: int
    entering: frozenset[int] = frozenset()
    leaving: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name in ("entering", "leaving"):
            object.__setattr__(self, name, frozenset(getattr(self, name)))
        for port in (self.to, *sorted(self.sources)):
            _require_front(port)
        if not self.sources:
            raise SetupInvalid(f"Port {self.to} is to get copies, but of no port.")
        if self.to in self.sources:
            raise SetupInvalid(f"Port {self.to} cannot get copies of its own frames.")

    @property
    def sources(self) -> frozenset[int]:
        return self.entering | self.leaving


@dataclass(frozen=True)
class SwitchSetup:
    """Everything that is wanted of a switch. A port that `ports` does not name is on and negotiates everything.

    `apart` are pairs of ports that hear nothing of each other, whatever the VLAN; the lower number comes first. Raises
    SetupInvalid with one sentence.
    """

    table: VlanTable
    ports: Mapping[int, PortSetup] = field(default_factory=dict, hash=False)
    apart: frozenset[tuple[int, int]] = frozenset()
    mirror: Mirror | None = None

    def __post_init__(self) -> None:
        for port in self.ports:
            _require_front(port)
        object.__setattr__(self, "ports", {port: self.ports.get(port, PortSetup()) for port in FRONT_PORTS})
        for pair in self.apart:
            for port in pair:
                _require_front(port)
            if len(set(pair)) != 2:
                raise SetupInvalid(f"Port {pair[0]} cannot be kept apart from itself.")
        object.__setattr__(self, "apart", frozenset((min(pair), max(pair)) for pair in self.apart))

    def are_apart(self, one: int, other: int) -> bool:
        return (min(one, other), max(one, other)) in self.apart


def every_pair(ports: Collection[int]) -> frozenset[tuple[int, int]]:
    """The pairs that keep each of these ports apart from every other of them."""
    return frozenset(combinations(sorted(ports), 2))


def _require_front(port: int) -> None:
    if port not in FRONT_PORTS:
        raise SetupInvalid(f"The switch has ports {FRONT_PORTS[0]} to {FRONT_PORTS[-1]}, not {port}.")
