"""The JL6108's firmware as seen from outside: whether it runs, and how it is made to start anew. Sections 4.4, 4.5."""

from hardware.jl6108.access import Access
from hardware.jl6108.registers import HANDS_OFF, HEARTBEAT, WATCHDOG


class Restart(Access):
    """Raises BusError, ChipRefused."""

    def read_heartbeat(self) -> int:
        """A counter that goes on while the firmware runs; two equal readings a second apart mean that it hangs."""
        return self._get(HEARTBEAT)

    def read_hands_off(self) -> int:
        """The firmware jobs that somebody asked to wait, a bit for each (section 4.4); 0x0FFE0000 after boot."""
        return self._get(HANDS_OFF)

    def starve_watchdog(self) -> None:
        """Resets the whole chip: the firmware is told to stop feeding its watchdog (section 4.5).

        Every link drops for seconds, every setting is lost, and how long it takes until the watchdog bites is not
        known. The chip does not answer meanwhile and has to say again who it is. The board's own reset line, the
        expander's line 0, does the same at once.
        """
        self._modify(WATCHDOG, feed=0, starve=1)
        self._name = None
