"""Whether the supply can carry what is on, or about to be. Pure.

The board measures nothing, so this counts peak figures: what the SOMs might draw, not what they do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hardware.som import PowerState

BOARD_WATTS = 3.6  # the board's own draw (vendor)


@dataclass(frozen=True)
class Supply:
    """A way to feed the board: what it gives for moments, and for good. Source: the vendor's interface table."""

    words: str
    peak_watts: float
    continuous_watts: float


#: By the name that a board file uses. The vendor's advice is less than 50 W for good, whatever the supply.
SUPPLIES: dict[str, Supply] = {
    "usb-c-60": Supply("USB-C PD 20 V, 60 W", 60.0, 50.0),
    "usb-c-65": Supply("USB-C PD 20 V with e-Marker cable, 65 W", 65.0, 50.0),
    "poe": Supply("PoE module, 60 W peak, 50 W sustained", 60.0, 50.0),
}


@dataclass(frozen=True)
class Member:
    """A slot with a SOM in it. `starting` says that it is about to be started."""

    slot: int
    name: str
    peak_watts: float
    full_watts: float
    state: PowerState
    starting: bool = False

    @property
    def counts(self) -> bool:
        """Whatever is not known to be off may be drawing power."""
        return self.starting or self.state is not PowerState.OFF


@dataclass(frozen=True)
class Budget:
    """The sum of what counts beside what the supply gives, in watts.

    `continuous_watts` is the sum at full load, `continuous_limit_watts` what the supply gives for good (None if that is
    not known); going over it is a warning, since not all SOMs are at full load at once. `refusal` is a sentence if
    something that is starting would exceed the peak, else None.
    """

    supply_watts: float
    counted_watts: float
    continuous_watts: float
    continuous_limit_watts: float | None
    refusal: str | None

    @property
    def headroom_watts(self) -> float:
        """Negative when what is on already exceeds the supply."""
        return self.supply_watts - self.counted_watts

    @property
    def is_over_continuous(self) -> bool:
        return self.continuous_limit_watts is not None and self.continuous_watts > self.continuous_limit_watts


def power_budget(supply_watts: float, members: Iterable[Member], *, continuous_watts: float | None = None) -> Budget:
    """Adds up peak figures of all members that are not Off, plus the board's own draw.

    `supply_watts` is the supply's peak, `continuous_watts` what it gives for good.
    """
    counted = [member for member in members if member.counts]
    # Rounded to milliwatts: a sum of decimal figures must not exceed its own total by a binary hair.
    peak = round(BOARD_WATTS + sum(member.peak_watts for member in counted), 3)
    full = round(BOARD_WATTS + sum(member.full_watts for member in counted), 3)
    starting = [member for member in counted if member.starting]
    refusal = _refusal(supply_watts, counted, starting, peak) if starting and peak > supply_watts else None
    return Budget(supply_watts, peak, full, continuous_watts, refusal)


def _refusal(supply_watts: float, counted: list[Member], starting: list[Member], peak: float) -> str:
    slots = ", ".join(str(member.slot) for member in starting)
    terms = [f"{BOARD_WATTS:g} W for the board"]
    terms += [f"{member.peak_watts:g} W for slot {member.slot} ({member.name})" for member in counted]
    return (
        f"Starting slot {slots} could draw {peak:g} W at its peak, and the supply gives {supply_watts:g} W: "
        f"{' + '.join(terms)} = {peak:g} W."
    )
