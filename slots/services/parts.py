"""The boards' hardware as this process holds it: one `hardware.board.Board` per board file, opened lazily.

The files are read once: wiring does not change under a running portal.
"""

import threading
from pathlib import Path

from django.conf import settings

from hardware.board import Board as HardwareBoard
from hardware.boardspec import BoardSpec
from slots.services import catalogue

_boards: dict[str, HardwareBoard] = {}
_guard = threading.Lock()


def local() -> dict[str, HardwareBoard]:
    """Every board with a board file on this machine, by slug. Raises BoardFileError when one is broken."""
    with _guard:
        if not _boards:
            data = Path(settings.DATA_DIR)
            _boards.update((slug, HardwareBoard(spec, data)) for slug, spec in catalogue.board_specs().items())
        return dict(_boards)


def hardware(slug: str) -> HardwareBoard:
    """The hardware of board `slug`. Raises KeyError when it has no board file, BoardFileError when one is broken."""
    return local()[slug]


def spec(slug: str) -> BoardSpec:
    """What the board file of `slug` says. Raises as `hardware` does."""
    return hardware(slug).spec


def forget() -> None:
    """Close everything; the next use reads the files and opens the parts anew."""
    with _guard:
        for board in _boards.values():
            board.close()
        _boards.clear()
