"""How a front port of the JL6108 is set, as one value that is read, written and compared as a whole. Section 7.

What the firmware follows up by itself is left out: the pause bits of what a port offers, and forced values that nobody
forces.
"""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

from hardware.jl6108.access import Access
from hardware.jl6108.layout import Register
from hardware.jl6108.numbering import core_port, mac_index
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.registers import ANAR, BMCR, GBCR, HANDS_OFF, LINK_CONTROL, PORTS
from hardware.switch_errors import RegisterDifference, RegistersDiffer

SPEEDS = frozenset(Ability) - {Ability.PAUSE, Ability.ASYMMETRIC_PAUSE}
_REGISTERS = (LINK_CONTROL, ANAR, GBCR, BMCR)  # in the order in which they are written (section 7.3)


@dataclass(frozen=True)
class LinkSettings:
    """How a port makes its link. `forced`: Mb/s and full duplex that were set without asking; None: it negotiates.

    `offers` are the speeds of a negotiation. `pause` None: flow control follows the negotiation. `unattended`: the
    firmware leaves the port's link alone, as it has to where pause frames are forced.
    """

    enabled: bool
    forced: tuple[int, bool] | None
    offers: frozenset[Ability]
    pause: Pause | None
    unattended: bool

    def drops_link_of(self, before: "LinkSettings") -> bool:
        """Whether a link is lost for seconds or for good when this takes the place of `before`."""
        if not before.enabled:
            return False
        return not self.enabled or (self.forced, self.offers) != (before.forced, before.offers)


class LinkControl(Access):
    """Ports are 1 to 8. Raises BusError, ChipRefused; ValueError for a port that is not there."""

    def read_link_settings(self) -> dict[int, LinkSettings]:
        """The settings of all front ports: 362 transfers."""
        mailbox = self._get(HANDS_OFF)
        found = {}
        for port in range(1, PORTS + 1):
            if port > 1:
                self._bridge.give_way()
            found[port] = _settings(self._words(port), bool(mailbox >> core_port(port) & 1))
        return found

    def read_switched_off(self, ports: Collection[int]) -> frozenset[int]:
        """Those of these ports that somebody switched off, and whose link therefore says nothing: 10 transfers each."""
        return frozenset(port for port in ports if BMCR.get(self._get(BMCR, mac_index(port)), "power_down"))

    def write_link_settings(
        self, port: int, wanted: LinkSettings, running: LinkSettings | None = None, *, verify: bool = True
    ) -> None:
        """Writes what `wanted` has otherwise than `running`, or all of it; the link drops for seconds unless only flow
        control differs. At most 114 transfers, and 54 to verify. What verifies raises RegistersDiffer.
        """
        changed = [one for one in _REGISTERS if running is None or _meaning(running)[one] != _meaning(wanted)[one]]
        restarts = running is None or (running.forced, running.offers) != (wanted.forced, wanted.offers)
        if restarts and BMCR not in changed:
            changed.append(BMCR)  # a new offer is heard in a new negotiation
        is_more = running is None or replace(running, enabled=wanted.enabled) != wanted
        with self._hands_off(1 << core_port(port), then=wanted.unattended) if is_more else nullcontext():
            for register in changed:
                self._write(register, port, wanted, restarts=restarts)
        if verify and (found := self.differing_link_settings({port: wanted})):
            raise RegistersDiffer(found)

    def differing_link_settings(self, wanted: Mapping[int, LinkSettings]) -> tuple[RegisterDifference, ...]:
        """Every register of these ports that does not hold what it is to: 44 transfers a port, and 10."""
        mailbox = self._get(HANDS_OFF)
        found: list[RegisterDifference] = []
        meant = mailbox
        for port, settings in wanted.items():
            bit = 1 << core_port(port)
            meant = meant | bit if settings.unattended else meant & ~bit
            for register, value in self._words(port).items():
                should = register.put(value, **_meaning(settings)[register])
                index = mac_index(port)
                found += [
                    RegisterDifference(register.named(index), register.at(index) + 4 * number, to, is_)
                    for number, (to, is_) in enumerate(
                        zip(register.to_words(should), register.to_words(value), strict=True)
                    )
                    if to != is_
                ]
        if meant != mailbox:
            found.append(RegisterDifference(HANDS_OFF.name, HANDS_OFF.at(), meant, mailbox))
        return tuple(found)

    def _words(self, port: int) -> dict[Register, int]:
        return {register: self._get(register, mac_index(port)) for register in _REGISTERS}

    def _write(self, register: Register, port: int, wanted: LinkSettings, *, restarts: bool) -> None:
        restart = {"restart": 1} if restarts and register is BMCR else {}
        self._modify(register, mac_index(port), **_meaning(wanted)[register], **_beside(wanted, register), **restart)


def _settings(words: Mapping[Register, int], unattended: bool) -> LinkSettings:
    bmcr, anar, gbcr, control = (words[register] for register in (BMCR, ANAR, GBCR, LINK_CONTROL))
    offers = {one for one in SPEEDS if one in ANAR.fields and ANAR.get(anar, one)}
    if GBCR.get(gbcr, "full_1000"):
        offers.add(Ability.FULL_1000)
    forced = None
    if not BMCR.get(bmcr, "autonegotiation"):
        mbps = 1000 if BMCR.get(bmcr, "speed_high") else 100 if BMCR.get(bmcr, "speed_low") else 10
        forced = (mbps, bool(BMCR.get(bmcr, "full_duplex")))
    pause = None
    if LINK_CONTROL.get(control, "force_rx_pause") or LINK_CONTROL.get(control, "force_tx_pause"):
        pause = Pause(bool(LINK_CONTROL.get(control, "rx_pause")), bool(LINK_CONTROL.get(control, "tx_pause")))
    return LinkSettings(not BMCR.get(bmcr, "power_down"), forced, frozenset(offers), pause, unattended)


def _meaning(settings: LinkSettings) -> dict[Register, dict[str, int]]:
    """The fields that say it, and that hold once they are written."""
    offers = {str(one): int(one in settings.offers) for one in SPEEDS}
    gigabit = offers.pop(str(Ability.FULL_1000))
    pause = {"force_rx_pause": 0, "force_tx_pause": 0}
    if settings.pause is not None:
        pause = {"force_rx_pause": 1, "rx_pause": int(settings.pause.receive)}
        pause |= {"force_tx_pause": 1, "tx_pause": int(settings.pause.send)}
    bmcr = {"power_down": int(not settings.enabled), "autonegotiation": int(settings.forced is None)}
    if settings.forced is not None:
        bmcr |= _speed(*settings.forced)
    return {LINK_CONTROL: pause, ANAR: offers, GBCR: {"full_1000": gigabit}, BMCR: bmcr}


def _beside(settings: LinkSettings, register: Register) -> dict[str, int]:
    """Fields that are written along and mean nothing of their own: both duplexes of 1000 Mb/s go together (section
    7.3), and a port that negotiates has the speed bits of a reset (reset image: 0x1140).
    """
    if register is GBCR:
        return {"half_1000": int(Ability.FULL_1000 in settings.offers)}
    return _speed(1000, True) if register is BMCR and settings.forced is None else {}


def _speed(mbps: int, full_duplex: bool) -> dict[str, int]:
    return {"speed_high": int(mbps == 1000), "speed_low": int(mbps == 100), "full_duplex": int(full_duplex)}
