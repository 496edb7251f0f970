"""How a register of the JL6108 is laid out: words at an address, and named fields within them.

An entry of several words is one integer here, its lowest word lowest, so that a field may run on into the next word as
the chip's do (section 0 of our register reference).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

WORD_BITS = 32
WORD_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Register:
    """`words` 32-bit words at a byte address; `count` of them, `stride` bytes apart. Fields are (low bit, high bit)."""

    name: str
    address: int
    source: str
    words: int = 1
    stride: int = 0
    count: int = 1
    fields: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False, compare=False)

    def at(self, index: int = 0) -> int:
        """The address of one of them. Raises ValueError if there is none of that number."""
        if not 0 <= index < self.count:
            raise ValueError(f"{self.name} has entries 0 to {self.count - 1}, not {index}.")
        return self.address + self.stride * index

    def named(self, index: int = 0) -> str:
        return f"{self.name}[{index}]" if self.count > 1 else self.name

    def get(self, value: int, name: str) -> int:
        low, high = self.fields[name]
        return value >> low & ((1 << (high - low + 1)) - 1)

    def put(self, value: int, **fields: int) -> int:
        """`value` with other fields. Every other bit stays. Raises ValueError for what a field cannot hold."""
        for name, wanted in fields.items():
            low, high = self.fields[name]
            mask = (1 << (high - low + 1)) - 1
            if not 0 <= wanted <= mask:
                raise ValueError(f"{self.name}.{name} holds 0 to {mask}, not {wanted}.")
            value = value & ~(mask << low) | wanted << low
        return value

    def to_words(self, value: int) -> tuple[int, ...]:
        return tuple(value >> WORD_BITS * number & WORD_MASK for number in range(self.words))


def to_value(words: tuple[int, ...]) -> int:
    """The words of an entry as one integer."""
    return sum(word << WORD_BITS * number for number, word in enumerate(words))


@dataclass(frozen=True)
class Entry:
    """What one entry of a table holds, every bit of it: those that we have no name for, too."""

    register: ClassVar[Register]
    value: int = 0

    def __getitem__(self, name: str) -> int:
        return self.register.get(self.value, name)

    def replace(self, **fields: int) -> Self:
        """The same entry with other fields and every other bit as it was. Raises ValueError."""
        return type(self)(self.register.put(self.value, **fields))

    @property
    def words(self) -> tuple[int, ...]:
        return self.register.to_words(self.value)
