"""What the tabs beside VLANs show of the draft: the setup that is being edited, and what of it is not on the switch."""

from dataclasses import dataclass
from typing import Any

from hardware.switch_setup import SwitchSetup
from operations.http import ActorRequest
from operations.roles import may
from slots.models import Board
from switch import wording
from switch.documents import Wiring
from switch.models import VlanChange
from switch.services import changes, drafts, running
from switch.services.running import Running
from switch.views import shown


@dataclass(frozen=True)
class Pending:
    """`setup` is the draft, or what runs where there is none or a change is under way. `held` is what runs, None if
    that is no setup of ours."""

    setup: SwitchSetup
    held: SwitchSetup | None
    now: Running
    change: VlanChange | None
    context: dict[str, Any]


def pending(request: ActorRequest, board: Board, wiring: Wiring) -> Pending:
    """Read from rows."""
    now, draft, change = running.of(board), drafts.get(board), changes.open_change(board)
    may_edit, why_not = may(request.actor, "switch.edit", running.resource(board)), shown.why_not_edit(now, change)
    is_draft = draft is not None and change is None
    setup = draft.setup if draft and is_draft else now.setup or drafts.begun(board)
    words = wording.differences(now.setup, setup, wiring, table=now.table) if is_draft else ()
    context = {
        "board": board,
        "why_no_access": now.why_no_access,
        "may_edit": may_edit,
        "why_not_edit": why_not,
        "is_editable": bool(may_edit) and not why_not,
        "draft": draft if is_draft else None,
        "mode": "draft" if is_draft else "running" if now.setup else "to begin with",
        "draft_lines": shown.lines(words),
        "change": shown.change_view(request, change) if change else None,
    }
    return Pending(setup, now.setup, now, change, context)
