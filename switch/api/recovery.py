"""After a reset of the switch chip, over REST: does what was confirmed last come back by itself, and asking for it."""

from datetime import datetime
from typing import Any

from ninja import Field, Router, Schema, Status

from operations.api import KEY, Strict
from operations.http import ActorRequest
from slots.models import Board
from slots.services import power
from switch.api.vlans import ERRORS, ChangeOut, acting, change_json, find_board
from switch.services import changes, recovering

router = Router()


class RecoveryIn(Strict):
    restores_by_itself: bool


class RecoveryOut(Schema):
    restores_by_itself: bool = Field(description="After a reset of the chip or a loss of power; else somebody asks.")
    revision: int | None = Field(description="What comes back: the last one that was confirmed.")
    is_due: bool = Field(description="The chip was reset since that was confirmed, and does not hold it any more.")
    reset_at: datetime | None = Field(description="When that was noticed.")


class RestoreIn(Strict):
    reason: str = Field("", max_length=300)


def recovery_json(row: Board) -> dict[str, Any]:
    now = recovering.of(row)
    return {
        "restores_by_itself": now.by_itself,
        "revision": now.revision.number if now.revision else None,
        "is_due": now.is_due,
        "reset_at": now.reset_at,
    }


@router.get("/boards/{board}/switch/recovery", response={200: RecoveryOut, **ERRORS})
def get_recovery(request: ActorRequest, board: str) -> dict[str, Any]:
    """What happens to the switch after a reset, and whether there was one."""
    return recovery_json(find_board(request, board))


@router.put("/boards/{board}/switch/recovery", response={200: RecoveryOut, **ERRORS})
def put_recovery(request: ActorRequest, board: str, body: RecoveryIn) -> dict[str, Any]:
    """Say whether what was confirmed last comes back by itself; administrators only."""
    row, actor = acting(request, board, "switch.restores-by-itself")
    recovering.let_restore(row, actor, body.restores_by_itself)
    return recovery_json(row)


@router.post("/boards/{board}/switch/restore", response={202: ChangeOut, **ERRORS})
def restore_last(
    request: ActorRequest,
    board: str,
    body: RestoreIn,
    idempotency_key: str = KEY,
) -> Any:
    """Put what was confirmed last on the switch again. Waits for no confirmation: somebody has given it."""
    row, actor = acting(request, board, changes.RESTORE_KIND)
    change = recovering.request_restore(row, actor, reason=power.clean_reason(body.reason), key=idempotency_key)
    return Status(202, change_json(change))
