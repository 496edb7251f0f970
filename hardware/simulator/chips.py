"""The expander on the board's I2C bus, as its data sheet describes it from the outside."""

from collections.abc import Callable

from hardware.simulator.bus import Nack

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
