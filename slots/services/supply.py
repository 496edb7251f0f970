"""The supply's bar as it is drawn: who counts with how many watts, from left to right (pure)."""

from dataclasses import dataclass

from hardware.budget import BOARD_WATTS, Budget

BEYOND = 65 / 60  # the bar goes on a little behind the limit, so that the limit is a mark and not the edge
STYLES = {"up": "seg-wait", "unknown": "seg-maybe"}
TICK_WATTS = 10


@dataclass(frozen=True)
class Segment:
    """One part of the bar, in watts from its left end."""

    label: str
    style: str
    start_watts: float
    watts: float

    @property
    def middle_watts(self) -> float:
        return self.start_watts + self.watts / 2


@dataclass(frozen=True)
class Scale:
    """The bar's length and its marks, in watts."""

    whole_watts: float
    ticks: list[int]
    advice_watts: float | None  # what the supply gives for good, where that is less than its peak


def segments(slots: list[tuple[int, str, float]]) -> list[Segment]:
    """The board itself, then each slot (number, look, watts) that counts."""
    found = [Segment("board", "seg-w", 0, BOARD_WATTS)]
    for number, look, watts in slots:
        if watts:
            start = found[-1].start_watts + found[-1].watts
            found.append(Segment(str(number), STYLES.get(look, "seg-sure"), start, watts))
    return found


def scale_of(counted: Budget) -> Scale:
    """How long the bar is: up to a little beyond the limit, or what is counted if that is more."""
    whole = max(counted.supply_watts * BEYOND, counted.counted_watts * 1.02)
    good = counted.continuous_limit_watts
    advice = good if good is not None and good < counted.supply_watts else None
    marks = {advice, counted.supply_watts}
    return Scale(whole, [tick for tick in range(0, int(counted.supply_watts), TICK_WATTS) if tick not in marks], advice)
