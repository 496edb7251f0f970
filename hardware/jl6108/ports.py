"""Front ports of the JL6108: link, switching on and off, speed and duplex, flow control. Sections 7.1 to 7.6."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from hardware.contracts import Link
from hardware.jl6108 import registers
from hardware.jl6108.access import Access
from hardware.jl6108.layout import Register
from hardware.jl6108.numbering import core_port, mac_index
from hardware.jl6108.registers import ANAR, BMCR, GBCR, IFM_CONTROL, LINK_CONTROL, LINK_STATUS, MAC_STATUS, PORTS

#: Bits of the BMCR that the PHY clears by itself, and that a read-back therefore does not show.
RESTART_BIT = 1 << BMCR.fields["restart"][0]
#: How long a MAC is told that its link is down before it is told of another (section 7.5).
LINK_DROP_SECONDS = 0.0001


class Ability(StrEnum):
    """What a port may offer in auto-negotiation; both duplexes of 1000 Mb/s go together (section 7.3)."""

    HALF_10 = "half_10"
    FULL_10 = "full_10"
    HALF_100 = "half_100"
    FULL_100 = "full_100"
    FULL_1000 = "full_1000"
    PAUSE = "pause"
    ASYMMETRIC_PAUSE = "asymmetric_pause"


@dataclass(frozen=True)
class Pause:
    """Pause frames forced by us: whether those received are obeyed, and whether we send any."""

    receive: bool
    send: bool


@dataclass(frozen=True)
class PortStatus:
    """A port as its PHY and its MAC see it just now. `forced`: the MAC's link was set by software."""

    link: Link
    mac_link: Link
    pause: Pause
    forced: bool


@dataclass(frozen=True)
class PortSettings:
    """How a port is set. `mbps` and `full_duplex` are those forced, meaningless while it negotiates.

    `pause` is None while flow control follows the negotiation.
    """

    enabled: bool
    negotiates: bool
    offers: frozenset[Ability]
    mbps: int
    full_duplex: bool
    pause: Pause | None


class PortControl(Access):
    """Ports are numbered as on the front, 1 to 8. Everything blocks for milliseconds and raises BusError, ChipRefused;
    ValueError for a port that is not there; what verifies raises RegistersDiffer.
    """

    def read_links(self) -> tuple[Link, ...]:
        """The links of ports 1 to 8, as their PHYs see them: 80 transfers."""
        return tuple(self._read_link(port) for port in range(1, PORTS + 1))

    def read_port_status(self, port: int) -> PortStatus:
        """What `read_links` says of one port, and what its MAC makes of it."""
        link = _link(self._get(LINK_STATUS, mac_index(port)))
        mac = self._get(MAC_STATUS, mac_index(port))
        control = self._get(IFM_CONTROL, mac_index(port))
        speed = MAC_STATUS.get(mac, "speed")
        return PortStatus(
            link=link,
            mac_link=Link(
                up=bool(MAC_STATUS.get(mac, "link")),
                mbps=registers.SPEEDS_MBPS[speed] if speed < len(registers.SPEEDS_MBPS) else 0,
                full_duplex=bool(MAC_STATUS.get(mac, "full_duplex")),
            ),
            pause=Pause(bool(MAC_STATUS.get(mac, "rx_pause")), bool(MAC_STATUS.get(mac, "tx_pause"))),
            forced=bool(IFM_CONTROL.get(control, "force_link")),
        )

    def read_port_settings(self, port: int) -> PortSettings:
        """How a port is set: 44 transfers."""
        index = mac_index(port)
        bmcr, anar, gbcr = self._get(BMCR, index), self._get(ANAR, index), self._get(GBCR, index)
        control = self._get(LINK_CONTROL, index)
        offers = {ability for ability in Ability if ability in ANAR.fields and ANAR.get(anar, ability)}
        if GBCR.get(gbcr, "full_1000"):
            offers.add(Ability.FULL_1000)
        is_forced = LINK_CONTROL.get(control, "force_rx_pause") or LINK_CONTROL.get(control, "force_tx_pause")
        pause = Pause(bool(LINK_CONTROL.get(control, "rx_pause")), bool(LINK_CONTROL.get(control, "tx_pause")))
        return PortSettings(
            enabled=not BMCR.get(bmcr, "power_down"),
            negotiates=bool(BMCR.get(bmcr, "autonegotiation")),
            offers=frozenset(offers),
            mbps=1000 if BMCR.get(bmcr, "speed_high") else 100 if BMCR.get(bmcr, "speed_low") else 10,
            full_duplex=bool(BMCR.get(bmcr, "full_duplex")),
            pause=pause if is_forced else None,
        )

    def set_port_enabled(self, port: int, enabled: bool, *, verify: bool = True) -> None:
        """Powers the port's PHY up or down; a port that is down has no link and passes nothing (section 7.2)."""
        self._modify_port(BMCR, port, verify, power_down=int(not enabled))

    def negotiate(self, port: int, offers: Collection[Ability], *, verify: bool = True) -> None:
        """Lets the port agree with its partner on the best of `offers`, flow control included (section 7.3).

        The link drops for seconds.
        """
        wanted = {ability: int(ability in offers) for ability in Ability}
        gigabit = wanted.pop(Ability.FULL_1000)
        with self._hands_off(1 << core_port(port), then=False):
            self._modify_port(LINK_CONTROL, port, verify, force_rx_pause=0, force_tx_pause=0)
            self._modify_port(ANAR, port, verify, **{str(ability): bit for ability, bit in wanted.items()})
            self._modify_port(GBCR, port, verify, half_1000=gigabit, full_1000=gigabit)
            self._modify_port(BMCR, port, verify, autonegotiation=1, restart=1)

    def force_speed(self, port: int, mbps: int, full_duplex: bool, pause: Pause, *, verify: bool = True) -> None:
        """Sets speed (10, 100 or 1000 Mb/s), duplex and flow control without asking the partner (section 7.4).

        The firmware leaves the port's pause settings alone from then on. The link drops for seconds; a partner that
        negotiates ends up with half duplex.
        """
        _require_speed(mbps)
        speed = {"speed_high": int(mbps == 1000), "speed_low": int(mbps == 100), "full_duplex": int(full_duplex)}
        with self._hands_off(1 << core_port(port), then=True):
            self._modify_port(LINK_CONTROL, port, verify, **_pause_bits(pause, True))
            self._modify_port(BMCR, port, verify, autonegotiation=0, restart=1, **speed)

    def set_flow_control(self, port: int, pause: Pause | None, *, verify: bool = True) -> None:
        """Forces flow control, or with None lets it follow the negotiation again (section 7.6)."""
        # Given back, the value bits stay as they are (section 25 item 21).
        bits = {"force_rx_pause": 0, "force_tx_pause": 0} if pause is None else _pause_bits(pause, True)
        with self._hands_off(1 << core_port(port), then=pause is not None):
            self._modify_port(LINK_CONTROL, port, verify, **bits)

    def force_mac_link(
        self,
        port: int,
        mbps: int,
        full_duplex: bool,
        up: bool,
        pause: Pause,
        *,
        forced: bool = True,
        verify: bool = True,
    ) -> None:
        """Tells the port's MAC what link it has, whatever its PHY says, or with `forced` False ends that.

        For loops and tests: section 7.5 as item 20 of section 25 has it. The link drops in between.
        """
        _require_speed(mbps)
        on = int(forced)
        with self._hands_off(1 << core_port(port), then=forced):
            self._modify_port(IFM_CONTROL, port, verify, force_link=1, link=0)
            self._clock.wait(LINK_DROP_SECONDS)
            self._modify_port(
                IFM_CONTROL,
                port,
                verify,
                **{"force_link": on, "force_duplex": on, "force_speed": on, "link": int(up)},
                **{"full_duplex": int(full_duplex), "speed": registers.IFM_SPEEDS[mbps]},
            )
            self._modify_port(LINK_CONTROL, port, verify, **_pause_bits(pause, forced))

    def _modify_port(self, register: Register, port: int, verify: bool, **fields: int) -> None:
        _, after = self._modify(register, mac_index(port), **fields)
        if verify:
            self._verify(register, after, mac_index(port), ignoring=RESTART_BIT if register is BMCR else 0)

    def _read_link(self, port: int) -> Link:
        if port > 1:
            self._bridge.give_way()
        return _link(self._get(LINK_STATUS, mac_index(port)))


def _link(status: int) -> Link:
    return Link(
        up=registers.link_is_up(status),
        mbps=registers.link_mbps(status),
        full_duplex=registers.link_is_full_duplex(status),
    )


def _require_speed(mbps: int) -> None:
    if mbps not in registers.IFM_SPEEDS:
        raise ValueError(f"A port runs at 10, 100 or 1000 Mb/s, not {mbps}.")


def _pause_bits(pause: Pause, forced: bool) -> dict[str, int]:
    on = int(forced)
    return {
        **{"force_rx_pause": on, "rx_pause": on & pause.receive},
        **{"force_tx_pause": on, "tx_pause": on & pause.send},
    }
