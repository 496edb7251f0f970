"""The worker's periodic look at every board: links, expander, probes, left-over holds."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from hardware.board import Board as HardwareBoard
from hardware.errors import HardwareError
from operations import worker
from slots.models import Board, Slot
from slots.services import inventory, parts

log = logging.getLogger("nanoportal.watch")


def each_board(work: Callable[[Board, HardwareBoard], object]) -> None:
    """Do `work` for every board of this machine; one board's trouble does not stop the others."""
    boards = parts.local()
    for board in Board.objects.filter(present=True, slug__in=boards):
        try:
            work(board, boards[board.slug])
        except HardwareError as error:
            if str(error) != board.problem:
                log.warning("%s: %s", board.slug, error)
                Board.objects.filter(pk=board.pk).update(problem=str(error))


def read_links() -> None:
    each_board(inventory.read_links)


def observe() -> None:
    each_board(lambda board, _: inventory.observe(board))


def check_boards() -> None:
    """Read every expander. What ran on a board that lost power is stopped in this process as well."""
    each_board(_check)


def _check(board: Board, hardware: HardwareBoard) -> None:
    if inventory.check_expander(board, hardware):
        worker.current().pass_on_cancels()


def probe() -> None:
    """Probe all slots that have an address, side by side, so that silent ones cost one second in all."""
    slots = list(Slot.objects.exclude(probe="").filter(board__slug__in=parts.local()).select_related("board"))
    if not slots:
        return
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(_probe, slots))


def _probe(slot: Slot) -> None:
    try:
        inventory.probe(slot)
    finally:
        connection.close()  # the pool's thread ends with this probe
