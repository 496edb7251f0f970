"""The register bridge ("IDA") of the JL6108 over I2C: 16-bit registers that carry 32-bit words at 24-bit addresses.

Source: our register reference, section 3.1 (the bridge), 3.2 (I2C framing), and of section 25 the items 1 to 3.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from hardware.buslock import BusLock
from hardware.contracts import I2cBus
from hardware.errors import BusError
from hardware.i2c import retried
from hardware.jl6108 import catalogue
from hardware.jl6108.layout import Register
from hardware.jl6108.registers import CORE_SCRATCH, SCRATCH

# The bridge's registers, section 3.1.
CMD = 0x0780  # write 1: start; read: bit 0 = busy
INFOR = 0x0781  # bit 0: 1 = write; bits 4:1: words - 1
ADDR_L = 0x0782
ADDR_H = 0x0783
WD_L = 0x0784
RD_H = 0x0787
WD_H = 0x078D  # pushes the word
RD_L = 0x078E  # fetches the next word: read exactly once per word, before RD_H

LONGEST_BURST_WORDS = 16
LAST_ADDRESS = 0xFFFFFC  # 24 bits of a byte address (section 3.1)
LARGEST_WORD = 0xFFFFFFFF
#: The vendor's driver gives up after 4; one is normally enough, and each takes at least 0.1 ms on a real bus.
BUSY_POLLS = 16
#: What is written to the scratch register to see whether the bridge still pairs words and targets. All different.
MARKERS = (0x5A1CE001, 0x5A1CE002, 0x5A1CE003)

Words = tuple[int, ...]


class WireMode(StrEnum):
    """The order of a value's bytes on the wire; the register number always goes high byte first (section 3.2).

    The chip's third mode ("LITE") cannot be read by an ordinary I2C controller.
    """

    MSB = "msb"
    LSB = "lsb"

    def to_wire(self, value: int) -> bytes:
        return value.to_bytes(2, "big" if self is WireMode.MSB else "little")

    def from_wire(self, data: bytes) -> int:
        return int.from_bytes(data, "big" if self is WireMode.MSB else "little")


class I2cBridge:
    """Words of the chip over I2C. Each call is one bridge sequence under the bus's lock, and blocks for it.

    A word takes about 1 ms at 400 kHz, 4 ms at 100 kHz. `mode` may be changed between calls, by whoever finds it out.
    """

    def __init__(
        self, bus: I2cBus, address: int, lock: BusLock, mode: WireMode | None, *, busy_polls: int = BUSY_POLLS
    ) -> None:
        self.address = address
        self.mode = mode
        self._bus = bus
        self._lock = lock
        self._busy_polls = busy_polls
        #: Whether no write of ours broke off since the last one that went through.
        self._is_in_step = True

    def answers(self) -> bool:
        """Whether anything acknowledges the address. One read of two bytes: nothing is written, not even to a register.

        Raises BusError for any other fault than a NACK.
        """
        with self._lock.held():
            try:
                self._bus.read(self.address, 2)
            except BusError as error:
                if error.nack:
                    return False
                raise
            return True

    def read_words(self, address: int, count: int = 1, *, mode: WireMode | None = None) -> Words:
        """Reads 1 to 16 words in one burst. After a NACK the whole sequence is begun anew, up to three times.

        Raises BusError, also if the bridge stays busy.
        """
        _require_burst(address, count)
        order = self._order(mode)
        with self._lock.held(), _naming(f"while reading {catalogue.name_at(address)}"):
            return retried(lambda: self._read(address, count, order))

    def write_words(self, address: int, words: Words) -> None:
        """Writes 1 to 16 words in one burst.

        After a NACK the bridge is brought back into step, the target is read, and the whole is repeated if it does not
        hold the words, up to three tries. Raises BusError; the words may have been written even so: read them back.
        """
        _require_burst(address, len(words))
        if any(not 0 <= word <= LARGEST_WORD for word in words):
            raise ValueError(f"A word of the switch is 0 to 0x{LARGEST_WORD:08X}.")
        order = self._order(None)
        with self._lock.held(), _naming(f"while writing {catalogue.name_at(address)}"):
            self._write_once(address, words, order)

    def modify_words(self, address: int, count: int, edit: Callable[[Words], Words]) -> tuple[Words, Words]:
        """Reads, edits and writes 1 to 16 words, all under the lock; returns what was there and what is now.

        No other program of ours can write in between; the chip's own firmware can. `edit` must not block. Raises
        BusError as the other two do.
        """
        _require_burst(address, count)
        order = self._order(None)
        with self._lock.held(), _naming(f"while changing {catalogue.name_at(address)}"):
            before = retried(lambda: self._read(address, count, order))
            after = edit(before)
            self._write_once(address, after, order)
        return before, after

    def bring_into_step(self) -> None:
        """To be called before the first write after a writer died: what it had begun may still be in the bridge.

        Takes 36 transfers and leaves the chip as it was. Raises BusError if the bridge writes other words than it is
        sent; only a reset of the chip helps then. A broken-off write of this object's own needs no call.
        """
        order = self._order(None)
        with self._lock.held():
            retried(lambda: self._bring_into_step(order))

    def give_way(self) -> None:
        """Lets others have the bus between two reads of a series."""
        self._lock.give_way()

    def close(self) -> None:
        self._bus.close()

    def _order(self, mode: WireMode | None) -> WireMode:
        order = mode or self.mode
        if order is None:
            raise ValueError("The byte order of the bridge has not been found out yet.")
        return order

    def _write_once(self, address: int, words: Words, order: WireMode) -> None:
        """One write that a NACK does not end at once, and that is not repeated blindly (section 25 item 2)."""
        has_failed = False

        def attempt() -> None:
            nonlocal has_failed
            if not self._is_in_step:
                self._bring_into_step(order)
            if has_failed and self._read(address, len(words), order) == words:
                return
            has_failed = True
            self._write(address, words, order)

        retried(attempt)

    def _bring_into_step(self, order: WireMode) -> None:
        """Makes sure that the next word written goes where it is meant to.

        Words that a broken-off write pushed may still be in the bridge [unknown, section 25 item 2] and would then be
        written in place of the next ones. So a register that nobody uses has to give back what was written to it; that
        either of them does is inferred (section 1.1), and one is enough.
        """
        if not any(self._gives_back(register, order) for register in (SCRATCH, CORE_SCRATCH)):
            raise BusError(self.address, WD_H, "the switch's register bridge writes other words than it is sent")

    def _gives_back(self, register: Register, order: WireMode) -> bool:
        kept = self._read(register.address, register.words, order)
        for marker in MARKERS:
            sent = (marker,) * register.words
            self._write(register.address, sent, order)
            if self._read(register.address, register.words, order) == sent:
                self._write(register.address, kept, order)
                return True
            self._is_in_step = False
        return False

    def _write(self, address: int, words: Words, order: WireMode) -> None:
        self._is_in_step = False
        for word in words:
            self._put(order, WD_L, word & 0xFFFF)
            self._put(order, WD_H, word >> 16)
        self._start(order, address, (len(words) - 1) << 1 | 1)
        self._is_in_step = True

    def _read(self, address: int, count: int, order: WireMode) -> Words:
        self._start(order, address, (count - 1) << 1)
        words = []
        for _ in range(count):
            low = self._get(order, RD_L)
            words.append(self._get(order, RD_H) << 16 | low)
        return tuple(words)

    def _start(self, order: WireMode, address: int, infor: int) -> None:
        """Names the target, starts, and waits until the bridge is done."""
        self._put(order, INFOR, infor)
        self._put(order, ADDR_L, address & 0xFFFF)
        self._put(order, ADDR_H, address >> 16 & 0xFF)
        self._put(order, CMD, 1)
        for _ in range(self._busy_polls):
            if not self._get(order, CMD) & 1:
                return
        raise BusError(self.address, CMD, f"the switch's register bridge is still busy after {self._busy_polls} polls")

    def _put(self, order: WireMode, register: int, value: int) -> None:
        self._frame(register, register.to_bytes(2, "big") + order.to_wire(value))

    def _get(self, order: WireMode, register: int) -> int:
        # Two transfers with a STOP between them; whether a repeated start works is not known.
        self._frame(register, register.to_bytes(2, "big"))
        try:
            return order.from_wire(self._bus.read(self.address, 2))
        except BusError as error:
            raise BusError(self.address, register, error.reason, nack=error.nack) from error

    def _frame(self, register: int, data: bytes) -> None:
        try:
            self._bus.write(self.address, data)
        except BusError as error:
            raise BusError(self.address, register, error.reason, nack=error.nack) from error


def _require_burst(address: int, count: int) -> None:
    if not 1 <= count <= LONGEST_BURST_WORDS:
        raise ValueError(f"A burst has 1 to {LONGEST_BURST_WORDS} words, not {count}.")
    if address % 4 or not 0 <= address <= LAST_ADDRESS:
        raise ValueError(
            f"A word of the switch has an address to 0x{LAST_ADDRESS:06X} that 4 divides, not {address:#x}."
        )


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Says in a BusError which of the chip's registers was meant, beside the bridge's own."""
    try:
        yield
    except BusError as error:
        raise BusError(error.address, error.register, f"{error.reason}, {what}", nack=error.nack) from error
