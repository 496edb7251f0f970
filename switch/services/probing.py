"""Looking for the switch chip on a bus that nobody has named yet. Reads only."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from hardware import endpoints
from hardware.errors import HardwareError


@dataclass(frozen=True)
class Sight:
    """What was found on one bus, in words; `is_it`: the chip that we know, up and answering."""

    is_it: bool
    words: str


def buses() -> list[str]:
    """The I2C buses of this machine."""
    found = Path("/dev").glob("i2c-*")
    return [str(path) for path in sorted(found, key=lambda path: (len(path.name), path.name))]


def parse_address(text: str) -> int:
    """A 7-bit address. Raises ValueError with one sentence."""
    try:
        address = int(text, 0)
    except ValueError:
        raise ValueError(f"An address is a number like 0x5C, not {text!r}.") from None
    if not 0x08 <= address <= 0x77:
        raise ValueError(f"A 7-bit address is 0x08 to 0x77, not 0x{address:02X}.")
    return address


def probe(bus: str, address: int) -> Sight:
    """Ask who is at that address of a bus: first a read of two bytes, which disturbs nobody, then its identity.

    Asking for the identity writes to the bridge's own registers, as every reading does. Blocks for milliseconds.
    """
    try:
        chip = endpoints.open_switch(Path(settings.DATA_DIR), bus, address, "auto")
    except HardwareError as error:
        return Sight(False, str(error))
    try:
        if not chip.is_present():
            return Sight(False, f"nothing answers at 0x{address:02X}")
        return Sight(True, f"{chip.identify()} at 0x{address:02X}")
    except HardwareError as error:
        return Sight(False, str(error))
    finally:
        chip.close()
