"""The JL6108's front ports: their links, what sets them, and the words that show them (jl6108.md 7)."""

from collections.abc import Callable

from hardware.simulator.clock import Scheduler, Timer
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import (
    ANAR,
    BMCR,
    BMSR,
    FRONTS,
    GBCR,
    IFM_CONTROL,
    IFM_MON,
    MAC_INT,
    MAC_STRIDE,
    MII_MON,
    PHY_BASE,
    PHY_STRIDE,
    PHYSR,
)

PORTS = range(1, FRONTS + 1)
#: Speed codes of the status words (7.1).
_SPEED_CODE = {10: 0, 100: 1, 1000: 2}
_POWER_DOWN, _ISOLATE, _NEGOTIATE, _RESTART = 1 << 11, 1 << 10, 1 << 12, 1 << 9
_SET_LINK, _LINK_UP = 1, 2


class FrontPorts:
    """Ports 1 to 8 as on the front. `link_changed(port, mbps)` tells of each link that comes or goes (0)."""

    #: From power-up of a PHY, or a new negotiation, to its link [inferred: IEEE 802.3 clause 40 takes 2 to 4 s].
    NEGOTIATION_SECONDS = 2.5

    def __init__(
        self,
        memory: SwitchMemory,
        scheduler: Scheduler,
        assumptions: Assumptions,
        link_changed: Callable[[int, int], None],
    ) -> None:
        self._memory = memory
        self._scheduler = scheduler
        self._assumptions = assumptions
        self._link_changed = link_changed
        self._partners: dict[int, int] = {}
        self._links = dict.fromkeys(PORTS, 0)
        self._negotiations: dict[int, Timer] = {}
        self._can_link = True
        memory.on_write["LINK"] = self._written

    def reset(self) -> None:
        """Take every link down until `start`."""
        self._can_link = False
        for timer in self._negotiations.values():
            timer.cancel()
        self._negotiations = {}
        self.update()

    def start(self) -> None:
        """Let links come."""
        self._can_link = True
        self.update()

    def set_partner(self, port: int, mbps: int) -> None:
        """Say what is at the other end of port 1 to 8: nothing (0) or a device that links at `mbps`."""
        self._partners[port] = mbps
        self.update()

    def links(self) -> dict[int, int]:
        """Return Mb/s of each port's link, 0 for none."""
        return dict(self._links)

    def core(self, port: int) -> int:
        """Return the core port of a front port, or of the chip's processor (9)."""
        if self._assumptions["port-numbers"] == "reversed" and port in PORTS:
            return 10 - port
        return port + 1

    def port(self, core: int) -> int:
        """Return the front port, or 9, of a core port."""
        if self._assumptions["port-numbers"] == "reversed" and core - 1 in PORTS:
            return 10 - core
        return core - 1

    def carries(self, core: int) -> bool:
        """Return True if frames pass a core port: the chip's processor always, a front port by its link."""
        if core - 2 not in range(FRONTS):
            return core == FRONTS + 2
        is_isolated = self._memory.word(BMCR + PHY_STRIDE * (core - 2)) & _ISOLATE
        return self._links[self.port(core)] > 0 and not is_isolated

    def update(self) -> None:
        """Work out the links and show them."""
        for port in PORTS:
            index = self.core(port) - 2
            mbps = self._speed(port, index)
            self._show(index, mbps)
            if mbps != self._links[port]:
                self._links[port] = mbps
                cause = 1 << 3 if mbps else 1 << 2
                self._memory.put(MAC_INT + MAC_STRIDE * index, self._memory.word(MAC_INT + MAC_STRIDE * index) | cause)
                self._link_changed(port, mbps)

    def _speed(self, port: int, index: int) -> int:
        bmcr, forced = self._memory.word(BMCR + PHY_STRIDE * index), self._memory.word(IFM_CONTROL + MAC_STRIDE * index)
        mbps = self._partners.get(port, 0)
        is_down = not self._can_link or port in self._negotiations or bmcr & _POWER_DOWN
        if is_down or (forced & _SET_LINK and not forced & _LINK_UP):
            return 0
        if not bmcr & _NEGOTIATE:
            wanted = 1000 if bmcr >> 6 & 1 else 100 if bmcr >> 13 & 1 else 10
            return wanted if wanted <= mbps else 0
        return max((speed for speed in self._offered(index) if speed <= mbps), default=0)

    def _offered(self, index: int) -> set[int]:
        """Return the speeds that a port offers (7.3); its partner can do all up to its best, in either duplex."""
        anar, gbcr = self._memory.word(ANAR + PHY_STRIDE * index), self._memory.word(GBCR + PHY_STRIDE * index)
        offered = {10: anar >> 5 & 3, 100: anar >> 7 & 3, 1000: gbcr >> 8 & 3}
        return {speed for speed, bits in offered.items() if bits}

    def _show(self, index: int, mbps: int) -> None:
        """Put a link into its status words. Links are full duplex."""
        code, is_up = _SPEED_CODE.get(mbps, 0), mbps > 0
        self._memory.put(MII_MON + MAC_STRIDE * index, 1 << 28 | code << 24 | 0b11 if is_up else 0)
        # Both pause directions, speed, duplex, link, tx and rx enabled.
        self._memory.put(IFM_MON + MAC_STRIDE * index, 0b1_1110_0011 | code << 2 if is_up else 0)
        self._memory.put(PHYSR + PHY_STRIDE * index, code << 4 | 0b1100 if is_up else 0)
        self._memory.put(BMSR + PHY_STRIDE * index, 0x7949 | (0b10_0100 if is_up else 0))

    def _written(self, address: int, before: int, after: int) -> None:
        """Follow a write to BMCR or IFM_CONTROL."""
        if address < PHY_BASE:
            if not (address - IFM_CONTROL) % MAC_STRIDE:
                self.update()
            return
        port = self.port((address - PHY_BASE) // PHY_STRIDE + 2)
        if after & _RESTART and self._assumptions["restart-bit"] == "clears":
            self._memory.put(address, after & ~_RESTART)
        starts = before & _POWER_DOWN and not after & _POWER_DOWN
        if after & _RESTART or starts or (before ^ after) & (_NEGOTIATE | 1 << 6 | 1 << 13):
            if port in self._negotiations:
                self._negotiations[port].cancel()
            self._negotiations[port] = self._scheduler.call_later(
                self.NEGOTIATION_SECONDS, lambda: self._negotiated(port)
            )
        self.update()

    def _negotiated(self, port: int) -> None:
        del self._negotiations[port]
        self.update()
