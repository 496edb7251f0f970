"""How long the JL6108 remembers an address that sends nothing, and forgetting all of them at once. Section 10."""

from hardware.jl6108 import tables
from hardware.jl6108.access import Access

#: The vendor's driver writes ageing time as two thirds of it, in ticks of 1 ms (section 10).
AGEING_TICK = 3
TICK_SECONDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # TIME_TO_AGE.tick, section 10
#: How long addresses that age with every microsecond are given to disappear ("a few ms", section 10).
HURRY_SECONDS = 0.01
HURRY = {"count": 1, "tick": 0}
#: 300 s, as after a reset (the vectors' reset image, in parts an assumption: section 24).
USUAL = {"count": 200_000, "tick": AGEING_TICK}


class Ageing(Access):
    """Raises BusError, ChipRefused; RegistersDiffer if the chip does not hold what it was given."""

    def read_ageing_seconds(self) -> float:
        """After how many seconds without a frame a learned address is forgotten, if the ticks are as after a reset."""
        entry = self._get(tables.TIME_TO_AGE)
        tick = TICK_SECONDS[min(tables.TIME_TO_AGE.get(entry, "tick"), len(TICK_SECONDS) - 1)]
        return tables.TIME_TO_AGE.get(entry, "count") * 1.5 * tick

    def set_ageing_seconds(self, seconds: float) -> None:
        """Sets after how many seconds without a frame a learned address is forgotten; leaves ageing switched on.

        Raises ValueError for less than 2 ms, which the chip's ticks do not give, and more than 6,442,450 s.
        """
        count = round(seconds * 1000) * 2 // 3
        if count < 1:
            raise ValueError(f"Addresses are remembered for 0.002 s at least, not {seconds:g} s.")
        self._age_by(tables.TIME_TO_AGE.put(self._get(tables.TIME_TO_AGE), count=count, tick=AGEING_TICK))

    def flush_learned(self) -> None:
        """Lets all learned addresses age at once: 130 transfers and 10 ms. That this works is inferred (section 10).

        The ageing time is put back on every exit and read back.
        """
        before = self._get(tables.TIME_TO_AGE)
        if _is_hurried(before):
            # Somebody died in the middle of this very thing.
            before = tables.TIME_TO_AGE.put(before, **USUAL)
        try:
            self._set(tables.TIME_TO_AGE.put(before, **HURRY))
            self._clock.wait(HURRY_SECONDS)
        finally:
            self._age_by(before)

    def end_flush(self) -> None:
        """Puts right what a writer left that died while it flushed: 24 transfers if there is nothing to do."""
        entry, enable = self._get(tables.TIME_TO_AGE), self._get(tables.LEARNING)
        if _is_hurried(entry):
            self._age_by(tables.TIME_TO_AGE.put(entry, **USUAL))
        elif not tables.LEARNING.get(enable, "ageing"):
            self._age_by(entry)

    def _age_by(self, entry: int) -> None:
        """Sets the time and reads it back."""
        enabled = self._set(entry)
        self._verify(tables.TIME_TO_AGE, entry)
        self._verify(tables.LEARNING, enabled)

    def _set(self, entry: int) -> int:
        """The time is only written while nothing ages; returns what LEARNING holds then."""
        self._modify(tables.LEARNING, ageing=0)
        self._put(tables.TIME_TO_AGE, 0, entry)
        return self._modify(tables.LEARNING, ageing=1)[1]


def _is_hurried(entry: int) -> bool:
    return all(tables.TIME_TO_AGE.get(entry, name) == value for name, value in HURRY.items())
