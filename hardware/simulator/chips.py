"""The two chips on the board's I2C bus, as their data sheets and notes describe them from the outside."""

from collections.abc import Callable

from hardware.simulator.bus import Nack
from hardware.simulator.clock import Scheduler, Timer
from hardware.simulator.switch_memory import SwitchMemory, UndeclaredAddress

LOW, HIGH = 0, 1


class Pca9557Model:
    """NXP PCA9557, an 8-bit I/O expander; after power-up output 0x00, polarity inversion 0xF0, configuration 0xFF.

    A write is a command byte (which register) and then data, each byte of which goes to that register. A read repeats
    the register that the last command named. Source: NXP data sheet PCA9557, nanocluster.md section 3.1.
    """

    name = "expander"
    LINES = range(8)
    INPUT, OUTPUT, POLARITY, CONFIGURATION = 0x00, 0x01, 0x02, 0x03

    def __init__(self, pin_changed: Callable[[int, int], None] = lambda line, level: None) -> None:
        """Power the chip up; `pin_changed(line, level)` is called for each pin that changes from then on."""
        self._pin_changed = pin_changed
        #: Level of lines that something else holds, whatever the chip does: a short circuit, a stuck pin.
        self.held_outside: dict[int, int] = {}
        #: The next writes to the output register that are acknowledged and then lost.
        self.lose_write: Callable[[], bool] = lambda: False
        self.pins = [HIGH] * 8
        self._set_power_up_values()

    def power_up(self) -> None:
        """Put every register back to its power-up value, as a loss of power does."""
        self._set_power_up_values()
        self.settle()

    def registers(self) -> dict[int, int]:
        """Return what a read of each register would give."""
        return {register: self._value(register) for register in range(4)}

    def is_output(self, line: int) -> bool:
        """Return True if the chip drives `line`."""
        return not self._configuration >> line & 1

    def is_awake(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        """Take a command byte and data; raises Nack at a command that names no register, or beyond it."""
        if not data:
            return
        # The data sheet has no fifth register; a real chip's answer is [unknown], so the model refuses.
        if data[0] > self.CONFIGURATION:
            raise Nack(1, f"register 0x{data[0]:02x} is not declared")
        self._command = data[0]
        for value in data[1:]:
            self._store(value)
            self.settle()

    def read(self, count: int, repeated_start: bool) -> bytes:
        """Return the commanded register `count` times; a STOP before the read makes no difference."""
        return bytes([self._value(self._command)] * count)

    def settle(self) -> None:
        """Work out the pins and report those that changed."""
        for line in self.LINES:
            level = self._level(line)
            if level != self.pins[line]:
                self.pins[line] = level
                self._pin_changed(line, level)

    def _set_power_up_values(self) -> None:
        self._output, self._polarity, self._configuration = 0x00, 0xF0, 0xFF
        # Which register a read without command gives after power-up: the input port [inferred].
        self._command = self.INPUT

    def _store(self, value: int) -> None:
        if self._command == self.OUTPUT and not self.lose_write():
            self._output = value
        elif self._command == self.POLARITY:
            self._polarity = value
        elif self._command == self.CONFIGURATION:
            self._configuration = value
        # A write to the input port is acknowledged and has no effect.

    def _value(self, register: int) -> int:
        if register == self.INPUT:
            levels = sum(level << line for line, level in enumerate(self.pins))
            return levels ^ self._polarity
        return (self._output, self._polarity, self._configuration)[register - self.OUTPUT]

    def _level(self, line: int) -> int:
        """Return a pin's level. IO0 is open drain: driven high it only lets go, and the pull-up makes the level."""
        if line in self.held_outside:
            return self.held_outside[line]
        if self.is_output(line):
            return self._output >> line & 1
        # Every line is pulled up on the board, so that an expander fresh from power-up resets nothing [inferred].
        return HIGH


class Jl6108Model:
    """JL6108 switch on I2C: 16-bit registers that carry 32-bit words to and from its memory (jl6108.md section 3).

    A write frame is register (high byte first) and value; a read is a frame with the register only, a STOP, and a
    frame that reads two bytes. Value bytes come high first in MSB mode, low first in LSB mode.
    """

    name = "switch"
    #: The firmware answers with its identity this long after reset, links come this long after [both inferred;
    #: jl6108.md 1.1 says only that identity is valid after boot, nanocluster.md 3.2 that links drop for seconds].
    FIRMWARE_SECONDS = 1.5
    LINK_SECONDS = 3.0
    CMD, INFOR, ADDR_L, ADDR_H, WD_L, RD_H, WD_H, RD_L = 0x780, 0x781, 0x782, 0x783, 0x784, 0x787, 0x78D, 0x78E
    _LONGEST_BURST = 16

    def __init__(self, scheduler: Scheduler, link_changed: Callable[[int, int], None] = lambda _, __: None) -> None:
        """Start with the firmware running; `link_changed(port, mbps)` tells of links (0 = down) of ports 1 to 8."""
        self._scheduler = scheduler
        self._link_changed = link_changed
        self._partners: dict[int, int] = {}
        self._links: dict[int, int] = {}
        self._in_reset = False
        self._timers: list[Timer] = []
        self._can_link = True
        self.memory = SwitchMemory()
        self.low_byte_first = False
        #: How often CMD reads busy after each start of an access.
        self.busy_polls = 0
        self._pushed: list[int] = []
        self._fetched: list[int] = []
        self._clear_bridge()

    def set_reset_line(self, level: int) -> None:
        """Hold the chip in reset while the line is low, restart it when the line rises."""
        self._in_reset = level == LOW
        for timer in self._timers:
            timer.cancel()
        self.memory.reset()
        self._clear_bridge()
        self._can_link = False
        self._update_links()
        if not self._in_reset:
            self._timers = [
                self._scheduler.call_later(self.FIRMWARE_SECONDS, self.memory.start_firmware),
                self._scheduler.call_later(self.LINK_SECONDS, self._allow_links),
            ]

    def set_partner(self, port: int, mbps: int) -> None:
        """Say what is at the other end of port 1 to 8: nothing (0) or a device that links at `mbps`."""
        self._partners[port] = mbps
        self._update_links()

    def links(self) -> dict[int, int]:
        """Return Mb/s of each port's link, 0 for none."""
        return {port: self._links.get(port, 0) for port in range(1, 9)}

    def is_awake(self) -> bool:
        return not self._in_reset

    def write(self, data: bytes) -> None:
        """Take the frame that names a register, or that and its value; raises Nack."""
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
        if repeated_start:
            raise Nack(0, "a read after a repeated start is not documented (jl6108.md 3.2)")
        if count != 2:
            raise Nack(0, "a read frame has two bytes")
        return self._value().to_bytes(2, "little" if self.low_byte_first else "big")

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
        information = self._words[self.INFOR]
        count = (information >> 1 & 0xF) + 1
        address = (self._words[self.ADDR_H] & 0xFF) << 16 | self._words[self.ADDR_L]
        self._polls_left = self.busy_polls
        if not information & 1:
            self._fetched = self.memory.read(address, count)
            return
        if len(self._pushed) != count:
            raise UndeclaredAddress(f"{count} words were announced, {len(self._pushed)} came")
        self.memory.write(address, self._pushed)
        self._pushed = []

    def _value(self) -> int:
        if self._register == self.CMD:
            self._polls_left -= 1
            return int(self._polls_left >= 0)
        if self._register == self.RD_L:
            if not self._fetched:
                raise Nack(0, "no word was fetched that could be read")
            self._word_read = self._fetched.pop(0)
            return self._word_read & 0xFFFF
        if self._register == self.RD_H:
            return self._word_read >> 16
        return self._words[self._register]

    def _clear_bridge(self) -> None:
        self._register = self.CMD
        self._words = {self.INFOR: 0, self.ADDR_L: 0, self.ADDR_H: 0, self.WD_L: 0, self.WD_H: 0}
        self._pushed, self._fetched = [], []
        self._word_read = 0
        self._polls_left = 0

    def _allow_links(self) -> None:
        self._can_link = True
        self._update_links()

    def _update_links(self) -> None:
        for port in range(1, 9):
            mbps = self._partners.get(port, 0) if self._can_link else 0
            self.memory.set_link(port, mbps)
            if mbps != self._links.get(port, 0):
                self._links[port] = mbps
                self._link_changed(port, mbps)
