"""A board as services receive it: its parts, opened when they are first needed."""

import threading
from collections.abc import Callable
from pathlib import Path

from hardware import endpoints
from hardware.boardspec import SWITCH_RESET_LINE, BoardSpec
from hardware.buslock import BusLock
from hardware.contracts import Expander, ForeignChange, SwitchChip
from hardware.errors import DeviceNotFound
from hardware.holds import Hold


class Board:
    """The parts of one board. Making it opens nothing; may be shared by threads."""

    switch_reset_line = SWITCH_RESET_LINE

    def __init__(
        self,
        spec: BoardSpec,
        data: Path,
        on_foreign: Callable[[ForeignChange], None] = lambda change: None,
    ) -> None:
        self.spec = spec
        self._data = data
        self._on_foreign = on_foreign
        self._guard = threading.Lock()
        self._expander: Expander | None = None
        self._switch: SwitchChip | None = None

    @property
    def expander(self) -> Expander:
        """Raises BusUnavailable or DeviceNotFound while it cannot be opened."""
        with self._guard:
            if self._expander is None:
                self._expander = self.new_expander()
            return self._expander

    @property
    def switch(self) -> SwitchChip:
        """Raises DeviceNotFound if the board file has no switch, BusUnavailable while its bus cannot be opened."""
        wiring = self.spec.switch
        if wiring is None:
            raise DeviceNotFound(f"A [switch] section in the board file of {self.spec.slug}")
        with self._guard:
            if self._switch is None:
                self._switch = endpoints.open_switch(self._data, wiring.bus, wiring.address, wiring.mode)
            return self._switch

    @property
    def lock(self) -> BusLock:
        """The lock of the expander's bus."""
        return endpoints.bus_lock(self._data, self.spec.bus)

    def line(self, slot: int) -> int:
        """The expander's line that resets a slot, 1 to 7. Raises KeyError for any other number."""
        return self.spec.slots[slot].line

    def new_expander(self) -> Expander:
        """One more way to the same expander, for whoever wants to close it. Raises BusUnavailable, DeviceNotFound."""
        return endpoints.open_expander(self._data, self.spec.slug, self.spec.bus, self.spec.expander, self._on_foreign)

    def close(self) -> None:
        """Closes what was opened; the next use opens it again."""
        with self._guard:
            for part in (self._expander, self._switch):
                if part is not None:
                    part.close()
            self._expander = self._switch = None


def held_expander(data: Path) -> Callable[[Hold], Expander]:
    """For `HoldStore.release_left_over`: opens the expander that a hold names, without its board file."""

    def open_it(hold: Hold) -> Expander:
        return endpoints.open_expander(data, hold.board, hold.bus, hold.expander)

    return open_it
