"""A chip that is nothing but memory behind the register bridge, as the vendor's driver had it on its mocked bus."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hardware.errors import BusError

VECTORS = Path(__file__).parent / "vectors"

CMD, INFOR, ADDR_L, ADDR_H, WD_L, RD_H, WD_H, RD_L = 0x780, 0x781, 0x782, 0x783, 0x784, 0x787, 0x78D, 0x78E


@cache
def _image() -> Mapping[int, int]:
    parts: list[dict[str, Any]] = json.loads((VECTORS / "reset_image.json").read_text())
    return {
        int(part["addr"], 16) + part["stride"] * entry + 4 * number: int(word, 16)
        for part in parts
        for entry in range(part["count"])
        for number, word in enumerate(part["words"])
    }


def reset_image() -> dict[int, int]:
    """Every word that is not zero before a vector begins, by address."""
    return dict(_image())


class MemoryBus:
    """An `I2cBus` with the bridge of section 3.1 on it and words that keep what is written to them.

    Attributes:
        wire: every transfer, written down as the vectors do.
        written: the addresses of all words written, in order.
        busy_polls: how often CMD reads busy after each start.
    """

    def __init__(self, words: dict[int, int] | None = None, *, byte_order: str = "big", busy_polls: int = 0) -> None:
        self.words = reset_image() if words is None else words
        self.wire: list[str] = []
        self.written: list[int] = []
        self.busy_polls = busy_polls
        self._order: Any = byte_order
        self._register = 0
        self._values = dict.fromkeys((INFOR, ADDR_L, ADDR_H, WD_L), 0)
        self._pushed: list[int] = []
        self._fetched: list[int] = []
        self._word = 0
        self._busy = 0
        #: Called before each transfer with its number, counted from 1; may raise, or write as somebody else.
        self.before_transfer: Callable[[int], None] = lambda number: None
        #: Called with address and word before a word is stored; returns what is stored, None for nothing.
        self.stores: Callable[[int, int], int | None] = lambda address, word: word

    @property
    def transfers(self) -> int:
        return len(self.wire)

    def write(self, address: int, data: bytes) -> None:
        assert address == 0x5C
        self.before_transfer(self.transfers + 1)
        self.wire.append(f"S b8 {data.hex(' ')} P")
        self._register = int.from_bytes(data[:2], "big")
        if len(data) == 4:
            self._store(int.from_bytes(data[2:], self._order))

    def read(self, address: int, count: int) -> bytes:
        assert (address, count) == (0x5C, 2)
        self.before_transfer(self.transfers + 1)
        data = self._value().to_bytes(2, self._order)
        self.wire.append(f"S b9 <{data[0]:02x}A <{data[1]:02x}N P")
        return data

    def read_byte(self, address: int, register: int) -> int:
        raise AssertionError("the bridge has no byte registers")

    def write_byte(self, address: int, register: int, value: int) -> None:
        raise AssertionError("the bridge has no byte registers")

    def close(self) -> None:
        pass

    def _store(self, value: int) -> None:
        if self._register == WD_H:
            self._pushed.append(value << 16 | self._values[WD_L])
        elif self._register != CMD:
            self._values[self._register] = value
        elif value & 1:
            self._start()

    def _start(self) -> None:
        self._busy = self.busy_polls
        count = (self._values[INFOR] >> 1 & 0xF) + 1
        first = self._values[ADDR_H] << 16 | self._values[ADDR_L]
        addresses = range(first, first + 4 * count, 4)
        if not self._values[INFOR] & 1:
            self._fetched = [self.words.get(address, 0) for address in addresses]
            return
        for address, word in zip(addresses, self._taken(count), strict=True):
            stored = self.stores(address, word)
            if stored is not None:
                self.words[address] = stored
            self.written.append(address)

    def _taken(self, count: int) -> list[int]:
        """The words that a write of so many takes; others than were pushed are not acknowledged, and dropped."""
        pushed, self._pushed = self._pushed, []
        if len(pushed) != count:
            raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)
        return pushed

    def _value(self) -> int:
        if self._register == CMD:
            self._busy -= 1
            return int(self._busy >= 0)
        if self._register == RD_L:
            self._word = self._fetched.pop(0)
            return self._word & 0xFFFF
        assert self._register == RD_H
        return self._word >> 16


class ShiftingBus(MemoryBus):
    """A chip that keeps the words of a broken-off write and writes them in place of the next ones."""

    def _taken(self, count: int) -> list[int]:
        taken, self._pushed = self._pushed[:count], self._pushed[count:]
        return taken
