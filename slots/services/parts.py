"""The boards' hardware as this process holds it: one `hardware.board.Board` per board file, opened lazily."""

import threading
from pathlib import Path

from django.conf import settings

from hardware.board import Board as HardwareBoard
from hardware.boardspec import BoardSpec
from slots.services import catalogue

_boards: dict[str, HardwareBoard] = {}
_guard = threading.Lock()


def hardware(slug: str) -> HardwareBoard:
    """The hardware of board `slug`. Raises KeyError when it has no board file, BoardFileError when that is broken."""
    with _guard:
        if slug not in _boards:
            _boards[slug] = HardwareBoard(catalogue.board_specs()[slug], Path(settings.DATA_DIR))
        return _boards[slug]


def spec(slug: str) -> BoardSpec:
    return hardware(slug).spec


def forget() -> None:
    """Close everything; the next use opens and reads anew."""
    with _guard:
        for board in _boards.values():
            board.close()
        _boards.clear()
