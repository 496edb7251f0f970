"""Where the drawing of the board has its bays: the one that hands work on is wide, the others are narrow."""

from dataclasses import dataclass

from flashing.models import Method
from slots.models import FIRST, LAST

LEFT, BAY, WIDE, GAP = 190, 26, 150, 22  # in the drawing's units
ROOMY, NARROW = 40, 22  # from one narrow bay to the next


@dataclass(frozen=True)
class Bay:
    number: int
    x: int
    width: int

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Drawing:
    """The bays from left to right, the wide one's place, and what the cable is plugged into."""

    width: int
    bays: list[Bay]
    number: int
    x: int
    over_usb_host: bool  # the SOM's cable goes to the board's own USB-A, not to another machine

    @property
    def floor(self) -> int:
        """Width of the board that all bays stand on."""
        return self.width - 40

    @property
    def socket(self) -> int:
        """Where the cable leaves the wide bay."""
        return self.x + 138


def of_slot(number: int, method: str, pitch: int = ROOMY) -> Drawing:
    """The drawing for hands that work on slot `number`."""
    bays, x, wide_at = [], LEFT, LEFT
    width = min(BAY, pitch - 4)
    for slot in range(FIRST, LAST + 1):
        if slot == number:
            wide_at = x
            x += WIDE + GAP
        else:
            bays.append(Bay(slot, x, width))
            x += pitch
    return Drawing(x + 20, bays, number, wide_at, method == Method.RPIBOOT)
