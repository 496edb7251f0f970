"""The names of all registers that we know, for messages."""

from hardware.jl6108 import registers, tables
from hardware.jl6108.layout import Register

KNOWN = tuple(
    register
    for module in (registers, tables)
    for value in vars(module).values()
    for register in (value if isinstance(value, tuple) else (value,))
    if isinstance(register, Register)
)


def name_at(address: int) -> str:
    """What a person finds in the reference: "0x11F3D0 (SWCORE_SOURCE_PORT_TABLE[2])"; the address alone if unknown."""
    for register in KNOWN:
        index, offset = divmod(address - register.address, register.stride or 4 * register.words)
        if 0 <= index < register.count and offset < 4 * register.words:
            return f"0x{address:06X} ({register.named(index)})"
    return f"0x{address:06X}"
