"""The worker's periodic look at every switch that was ever scanned: what runs, and whether it is what was confirmed."""

import logging

from hardware.errors import HardwareError
from operations.models import Claim
from slots.services import parts
from switch.models import UNDER_WAY, SwitchState, VlanChange
from switch.services import running

log = logging.getLogger("nanoportal.switch")


def look() -> None:
    """Read them anew, but for those that an operation is at. One switch's trouble does not stop the others."""
    for state in SwitchState.objects.filter(scan__gt=0, board__slug__in=parts.local()).select_related("board"):
        board = state.board
        is_busy = Claim.objects.filter(resource=running.resource(board)).exists()
        if is_busy or VlanChange.objects.filter(board=board, state__in=UNDER_WAY).exists():
            continue
        try:
            running.look(board, state)
        except HardwareError as error:
            if str(error)[:300] != state.problem:
                log.warning("%s: %s", board.slug, error)
