"""The 32-bit words behind the JL6108's bridge: those that jl6108.md describes, and an error for any other.

Only what differs from reset takes room. What a word does beyond keeping its value is told by `on_read`, `on_write`.
"""

from collections.abc import Callable

from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_registers import (
    FIRMWARE_WORDS,
    IDA_ERROR,
    INT_STATUS,
    VLAN_TABLE,
    Place,
    find,
    reset_word,
)

_VLAN_TABLE_END = VLAN_TABLE + 8 * 4096


class UndeclaredAddress(Exception):
    """An access to a word that this model does not know, or that the bridge cannot do."""


class SwitchMemory:
    """The chip's address space. Reads and writes are whole bursts of consecutive words."""

    def __init__(self, assumptions: Assumptions | None = None) -> None:
        self._assumptions = assumptions or Assumptions()
        self._changed: dict[int, int] = {}
        self._is_open = self._assumptions["table-reset"] == "open"
        #: What the firmware's words read instead, for faults.
        self.firmware_words: dict[int, int] = dict(FIRMWARE_WORDS)
        self.is_firmware_running = True
        #: Whether a range table (5.6) was ever written to: frames need not look for them else.
        self.has_ranges = False
        #: By a block's name: what a read of one of its words gives, from (address, word kept).
        self.on_read: dict[str, Callable[[int, int], int]] = {}
        #: By a block's name: what follows a write, (address, word before, word after).
        self.on_write: dict[str, Callable[[int, int, int], None]] = {}
        #: Called when a write changes reserved bits: (address, those bits).
        self.on_trespass: Callable[[int, int], None] = lambda address, bits: None

    def reset(self) -> None:
        """Put every word back to its reset value; the firmware's words are empty until it starts."""
        self._changed = {}
        self._is_open = self._assumptions["table-reset"] == "open"
        self.is_firmware_running = False
        self.has_ranges = False

    def read(self, address: int, count: int) -> list[int]:
        """Return `count` words from `address` on, as a read over the bus does; raises UndeclaredAddress."""
        places = [self._place(address + 4 * i) for i in range(count)]
        words = []
        for i, place in enumerate(places):
            word = self.word(address + 4 * i)
            on_read = self.on_read.get(place.block.name)
            words.append(word if on_read is None else on_read(address + 4 * i, word))
        return words

    def write(self, address: int, words: list[int]) -> None:
        """Write words from `address` on, all or none; a read-only word keeps its value. Raises UndeclaredAddress."""
        places = [self._place(address + 4 * i) for i in range(len(words))]
        needs_all = self._assumptions["entry-writes"] == "whole"
        for i, (place, word) in enumerate(zip(places, words, strict=True)):
            if place.block.is_writable and not (needs_all and _is_part(place, i, len(words))):
                self._write(address + 4 * i, place, word)

    def word(self, address: int) -> int:
        """Return the word that is kept at a declared address, without what a read would cause."""
        word = self._changed.get(address)
        if word is not None:
            return word
        if address in FIRMWARE_WORDS:
            return self.firmware_words[address] if self.is_firmware_running else 0
        return self._reset_word(address)

    def entry(self, address: int, count: int) -> int:
        """Return `count` words from `address` on as one number, the first word lowest."""
        number = 0
        for i in range(count):
            number |= self.word(address + 4 * i) << 32 * i
        return number

    def put(self, address: int, word: int) -> None:
        """Keep a word at a declared address, without what a write would cause."""
        if word == self._reset_word(address):
            self._changed.pop(address, None)
        else:
            self._changed[address] = word

    def add(self, address: int, count: int, bits: int = 64) -> None:
        """Add to a counter of 24, 32 or 64 bits, which starts again from 0 after its end."""
        total = self._changed.get(address, 0) + count
        self._changed[address] = total & ((1 << bits) - 1 if bits < 32 else 0xFFFFFFFF)
        if bits == 64 and total >> 32:
            self._changed[address + 4] = self._changed.get(address + 4, 0) + 1 & 0xFFFFFFFF

    def latch_bridge_error(self) -> None:
        """Remember that the bridge could not do an access."""
        self.put(INT_STATUS, self.word(INT_STATUS) | IDA_ERROR)

    def differences(self) -> dict[int, list[int]]:
        """Return by address, in order, the words that differ from reset; neighbours stand together."""
        runs: dict[int, list[int]] = {}
        start = end = -1
        for address in sorted({*self._changed, *FIRMWARE_WORDS}):
            word = self.word(address)
            if word == self._reset_word(address):
                continue
            if address != end:
                start, runs[address] = address, []
            runs[start].append(word)
            end = address + 4
        return runs

    def _write(self, address: int, place: Place, word: int) -> None:
        before = self.word(address)
        if place.block.name == "SCRATCH" and self._assumptions["scratch"] == "ignores":
            return
        if place.block.name == "CLEARED_BY_ONES":
            word = before & ~word
        reserved = (before ^ word) & ~place.defined
        if reserved:
            self.on_trespass(address, reserved)
            if self._assumptions["reserved-bits"] == "zero":
                word &= place.defined
        if word != before:
            self.put(address, word)
        if place.block.name == "RANGES":
            self.has_ranges = True
        on_write = self.on_write.get(place.block.name)
        if on_write is not None:
            on_write(address, before, word)

    def _place(self, address: int) -> Place:
        place = find(address)
        if place is None:
            raise UndeclaredAddress(f"register 0x{address:06X} is not declared")
        return place

    def _reset_word(self, address: int) -> int:
        if not self._is_open and VLAN_TABLE <= address < _VLAN_TABLE_END:
            return 0
        return reset_word(address)


def _is_part(place: Place, position: int, count: int) -> bool:
    """Return True if a burst of `count` words, with this place at `position`, leaves some of its entry out."""
    first = position - place.word
    return first < 0 or first + len(place.block.words) > count
