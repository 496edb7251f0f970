"""The JL6108 switch: its bridge on the I2C bus, and how its parts come up after a reset."""

from collections.abc import Callable, Mapping

from hardware.simulator.bus import Nack
from hardware.simulator.clock import Scheduler, Timer
from hardware.simulator.faults import Faults
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_counters import Mib
from hardware.simulator.switch_fdb import AddressTable
from hardware.simulator.switch_firmware import Firmware
from hardware.simulator.switch_frames import Forwarder
from hardware.simulator.switch_memory import SwitchMemory, UndeclaredAddress
from hardware.simulator.switch_ports import FrontPorts

LOW, HIGH = 0, 1


class Jl6108Model:
    """JL6108 switch on I2C: 16-bit registers that carry 32-bit words to and from its memory (jl6108.md section 3).

    A write frame is register (high byte first) and value; a read is a frame with the register only, a STOP, and a
    frame that reads two bytes. Value bytes come high first in MSB mode, low first in LSB mode.
    """

    name = "switch"
    #: Links come this long after reset [inferred: nanocluster.md 3.2 says only that links drop for seconds].
    LINK_SECONDS = 3.0
    CMD, INFOR, ADDR_L, ADDR_H, WD_L, RD_H, WD_H, RD_L = 0x780, 0x781, 0x782, 0x783, 0x784, 0x787, 0x78D, 0x78E
    _LONGEST_BURST = 16

    def __init__(
        self,
        scheduler: Scheduler,
        link_changed: Callable[[int, int], None] = lambda _, __: None,
        *,
        assumptions: Mapping[str, str] | None = None,
        faults: Faults | None = None,
        trespassed: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        """Start with the firmware running.

        `link_changed(port, mbps)` tells of links (0 = down) of ports 1 to 8, `trespassed(address, bits)` of writes that
        change reserved bits. Raises AssumptionError for an assumption that does not exist.
        """
        self._scheduler = scheduler
        self._link_changed = link_changed
        self._faults = faults or Faults()
        self.assumptions = Assumptions(assumptions)
        self.memory = SwitchMemory(self.assumptions)
        self.memory.on_trespass = trespassed
        self.addresses = AddressTable(self.memory, scheduler.now)
        self.ports = FrontPorts(self.memory, scheduler, self.assumptions, self._follow_link)
        self.forwarder = Forwarder(self.memory, self.addresses, self.assumptions, self.ports.carries)
        self._firmware = Firmware(self.memory, self.addresses, scheduler, self.assumptions, self.restart)
        Mib(self.memory, self.assumptions)
        self._in_reset = False
        self._link_timer: Timer | None = None
        self.low_byte_first = False
        #: How often CMD reads busy after each start of an access.
        self.busy_polls = 0
        self._pushed: list[int] = []
        self._fetched: list[int] = []
        self._word_read = 0
        self._clear_bridge()

    def set_reset_line(self, level: int) -> None:
        """Hold the chip in reset while the line is low, restart it when the line rises."""
        self._in_reset = level == LOW
        if self._link_timer is not None:
            self._link_timer.cancel()
        self.memory.reset()
        self.addresses.reset()
        self._clear_bridge()
        self._firmware.reset()
        self.ports.reset()
        if not self._in_reset:
            self._firmware.start()
            self._link_timer = self._scheduler.call_later(self.LINK_SECONDS, self.ports.start)

    def restart(self) -> None:
        """Reset the chip from within, as its watchdog does."""
        if not self._in_reset:
            self.set_reset_line(HIGH)

    def set_partner(self, port: int, mbps: int) -> None:
        """Say what is at the other end of port 1 to 8: nothing (0) or a device that links at `mbps`."""
        self.ports.set_partner(port, mbps)

    def links(self) -> dict[int, int]:
        """Return Mb/s of each port's link, 0 for none."""
        return self.ports.links()

    def is_awake(self) -> bool:
        return not self._in_reset

    def write(self, data: bytes) -> None:
        """Take the frame that names a register, or that and its value; raises Nack."""
        self._refuse_by_fault()
        if len(data) < 2:
            return
        register = data[0] << 8 | data[1]
        if register not in (self.CMD, self.INFOR, self.ADDR_L, self.ADDR_H, self.WD_L, self.RD_H, self.WD_H, self.RD_L):
            raise Nack(2, f"register 0x{register:04x} is not declared")
        self._register = register
        if len(data) == 2:
            return
        if len(data) != 4:
            raise Nack(min(len(data), 5), "a write frame carries a register and one 16-bit value")
        try:
            self._store(int.from_bytes(data[2:], "little" if self.low_byte_first else "big"))
        except UndeclaredAddress as undeclared:
            self.memory.latch_bridge_error()
            self._clear_bridge()
            raise Nack(4, str(undeclared)) from undeclared

    def read(self, count: int, repeated_start: bool) -> bytes:
        """Return the named register's two bytes; raises Nack for what nobody has documented as possible."""
        self._refuse_by_fault()
        if repeated_start and self.assumptions["repeated-start"] == "refused":
            raise Nack(0, "a read after a repeated start is not documented (jl6108.md 3.2)")
        if count != 2:
            raise Nack(0, "a read frame has two bytes")
        return self._value().to_bytes(2, "little" if self.low_byte_first else "big")

    def _refuse_by_fault(self) -> None:
        if self._faults.comes_due("switch-nack"):
            raise Nack(0, "fault switch-nack")

    def _store(self, value: int) -> None:
        if self._register == self.CMD:
            if value & 1:
                self._start()
        elif self._register == self.WD_H:
            self._pushed.append(value << 16 | self._words[self.WD_L])
            del self._pushed[: -self._LONGEST_BURST]
        else:
            self._words[self._register] = value

    def _start(self) -> None:
        """Do the access that the bridge's registers describe; raises UndeclaredAddress."""
        if self._faults.comes_due("switch-resets"):
            self.restart()
            return
        information = self._words[self.INFOR]
        count = (information >> 1 & 0xF) + 1
        address = (self._words[self.ADDR_H] & 0xFF) << 16 | self._words[self.ADDR_L]
        self._polls_left = self.busy_polls
        self._is_fresh = False
        self._is_stuck = self._faults.comes_due("switch-stuck-busy")
        if self._faults.is_active("switch-pressure"):
            self._firmware.work()
        if self.assumptions["bridge-registers"] == "cleared":
            self._words.update({self.INFOR: 0, self.ADDR_L: 0, self.ADDR_H: 0})
        if information & 1:
            self._write(address, self._take_pushed(count))
        else:
            self._fetched = [self._damaged(word, "switch-corrupts-reads") for word in self._read(address, count)]

    def _read(self, address: int, count: int) -> list[int]:
        if self.assumptions["burst-address"] == "stays":
            return self.memory.read(address, 1) * count
        return self.memory.read(address, count)

    def _write(self, address: int, words: list[int]) -> None:
        if self.assumptions["burst-address"] == "stays":
            words = words[-1:]
        self.memory.write(address, words)

    def _take_pushed(self, count: int) -> list[int]:
        """Return the words to write; raises UndeclaredAddress when there are too few, or by assumption too many."""
        pushed, self._pushed = self._pushed, []
        way = self.assumptions["left-over-words"]
        if len(pushed) < count or (len(pushed) > count and way == "refused"):
            raise UndeclaredAddress(f"{count} words were announced, {len(pushed)} came")
        words = pushed[:count] if way == "first-count" else pushed[-count:]
        return [self._damaged(word, "switch-corrupts-writes") for word in words]

    def _damaged(self, word: int, fault: str) -> int:
        return word ^ 0x4 if self._faults.comes_due(fault) else word

    def _value(self) -> int:
        if self._register == self.CMD:
            self._polls_left -= 1
            return int(self._polls_left >= 0 or self._is_stuck)
        if self._register == self.RD_L:
            return self._fetch() & 0xFFFF
        if self._register == self.RD_H:
            self._is_fresh = False
            return self._word_read >> 16
        return self._words[self._register]

    def _fetch(self) -> int:
        """Return the next word, or the same again while only its low half was read, if that is assumed."""
        if self.assumptions["read-advance"] == "pair" and self._is_fresh:
            return self._word_read
        if not self._fetched:
            raise Nack(0, "no word was fetched that could be read")
        self._word_read, self._is_fresh = self._fetched.pop(0), True
        return self._word_read

    def _clear_bridge(self) -> None:
        self._register = self.CMD
        self._words = {self.INFOR: 0, self.ADDR_L: 0, self.ADDR_H: 0, self.WD_L: 0, self.WD_H: 0}
        self._pushed, self._fetched = [], []
        self._word_read = 0
        self._is_fresh = False
        self._polls_left = 0
        self._is_stuck = False

    def _follow_link(self, port: int, mbps: int) -> None:
        self._firmware.link_changed(self.ports.core(port), mbps)
        self._link_changed(port, mbps)
