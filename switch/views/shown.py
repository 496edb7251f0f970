"""What the pages of the switch show, gathered from the services. Nothing here reads the chip."""

from dataclasses import dataclass
from typing import Any

from hardware.switch_setup import SwitchSetup
from hardware.vlan import refusals
from operations.http import ActorRequest
from operations.progress import progress_of
from operations.roles import may
from slots.models import Board
from slots.services import overview
from switch import editing, wording
from switch.documents import Wiring
from switch.models import VlanChange, VlanRevision
from switch.services import changes, drafts, recovering, revisions, running
from switch.services.running import Running
from switch.views import drawing, grid

LATEST = 4  # revisions beside the grid
State = VlanChange.State
#: data-state of a badge and its word
STATES = {
    State.QUEUED: ("run", "Queued"),
    State.APPLYING: ("run", "Applying"),
    State.AWAITING: ("warn", "Not confirmed yet"),
    State.CONFIRMED: ("on", "Confirmed"),
    State.ROLLING_BACK: ("run", "Rolling back"),
    State.ROLLED_BACK: ("off", "Rolled back"),
    State.ROLLBACK_FAILED: ("fail", "Roll back failed"),
    State.NOT_APPLIED: ("off", "Not applied"),
    State.RESTORED: ("on", "Restored"),
}
SIGNS = {"+": "+", "-": "\N{MINUS SIGN}", "~": "~"}


@dataclass(frozen=True)
class Line:
    """A line of what changes: `sign` is "+", "-" or "~"."""

    sign: str
    words: str

    @property
    def shown(self) -> str:
        return SIGNS[self.sign]


def lines(words: tuple[str, ...] | list[str]) -> list[Line]:
    """Words of a change with a sign each, the first letter large."""
    return [Line(_sign(line), line[:1].upper() + line[1:].replace("->", "→")) for line in words]


def _sign(line: str) -> str:
    return "+" if line.endswith("is new") else "-" if line.endswith(("is removed", "in no VLAN")) else "~"


def som_names(board: Board) -> dict[int, str]:
    """The names of the SOMs by slot; a slot without one is not in it."""
    return {
        number: name or "SOM"
        for number, name in board.slots.filter(som__isnull=False).values_list("number", "som__name")
    }


def why_not_edit(now: Running, change: VlanChange | None) -> str:
    """Why nobody can edit now, one sentence; "" if whoever may can."""
    if now.why_no_access:
        return now.why_no_access
    return f"Change {change.number} is not over; editing waits for its end." if change else ""


def vlans_context(request: ActorRequest, board: Board) -> dict[str, Any]:
    """All that the tab VLANs shows."""
    now, draft, change = running.of(board), drafts.get(board), changes.open_change(board)
    wiring = running.wiring(board)
    may_edit, why_not = may(request.actor, "switch.edit", board.slug), why_not_edit(now, change)
    drafting = draft is not None and change is None
    busy = overview.open_operation(running.resource(board))
    table = draft.table if draft and drafting else now.table or drafts.begun(board).table
    columns = grid.columns(wiring, som_names(board))
    colours = grid.colours(revisions.created_vids(board), table)
    shown = grid.grid(columns, table, now.table if drafting else None, colours)
    setup = draft.setup if draft and drafting else now.setup
    return {
        "board": board,
        "grid": shown,
        "drawing": drawing.draw(shown),
        "beside": beside(setup, wiring),
        "mode": mode(now, drafting=drafting, applied=change is not None),
        "is_editable": bool(may_edit) and not why_not,
        "may_edit": may_edit,
        "why_not_edit": why_not,
        "needs_scan": now.needs_scan and not now.why_no_access,
        "may_scan": may(request.actor, "switch.scan", board.slug),
        "running_words": running_words(now, change),
        "read_at": now.read_at,
        "drift": " ".join(sentence(line) for line in now.drift) if not change else "",
        "patterns": [{"key": key, "title": one.title, "words": one.words} for key, one in editing.PATTERNS.items()],
        "latest": [revision_line(one, now) for one in revisions.of(board)[:LATEST]],
        "change": change_view(request, change) if change else None,
        "undone": undone(board) if change is None else None,
        "recovery": recovering.of(board),
        "may_restore": may(request.actor, "switch.commit", running.resource(board)),
        "draft": draft,
        "busy": busy,
        "progress": progress_of(busy) if busy else None,
        "may_power": may(request.actor, "switch.commit", board.slug),  # who may cancel it
        **(plan_context(now, draft.setup, wiring) if draft and drafting else {}),
    }


def beside(setup: SwitchSetup | None, wiring: Wiring) -> list[str]:
    """What else a setup says than its VLANs: links that are not as usual, isolation, mirror."""
    return [sentence(line) for line in wording.differences(SwitchSetup(setup.table), setup, wiring)] if setup else []


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def mode(now: Running, *, drafting: bool, applied: bool) -> str:
    """What the grid shows: the draft, what runs, or what to begin with."""
    if drafting:
        return "draft"
    return "running" if now.table or applied else "last confirmed" if now.confirmed else "to begin with"


def running_words(now: Running, change: VlanChange | None) -> str:
    """Which table the switch has, for the head of the page, without the stop."""
    if now.chip is None:
        return "The switch was not read yet"
    if change and change.state == State.AWAITING:
        return f"Running table is change {change.number}"
    if now.table is None:
        return "What the switch holds was not set up here"
    if now.confirmed and not now.drift:
        one = now.confirmed
        return f"Running table is revision {one.number} ({one.author})"
    return "Running table differs from the last revision" if now.confirmed else "Running table, no revision yet"


def plan_context(now: Running, setup: SwitchSetup, wiring: Wiring) -> dict[str, Any]:
    """What the draft means, from what was read last: its words, and what the chip cannot do."""
    return {
        "words": lines(wording.differences(now.setup, setup, wiring, table=now.table)),
        "refused": [
            {"reason": sentence(wording.in_slots(one.reason, wiring)), "nearest": wording.in_slots(one.nearest, wiring)}
            for one in refusals(setup.table)
        ],
    }


def revision_line(one: VlanRevision, now: Running) -> dict[str, Any]:
    is_running = now.confirmed is not None and now.confirmed.pk == one.pk and now.table is not None and not now.drift
    return {
        "number": one.number,
        "author": one.author,
        "at": one.confirmed_at,
        "reason": one.reason,
        "is_running": is_running,
        "lines": lines(one.words),
    }


def undone(board: Board) -> dict[str, Any] | None:
    """The last change, if it came to nothing."""
    last = VlanChange.objects.filter(board=board).select_related("operation").first()
    if last is None or last.state not in (State.ROLLED_BACK, State.NOT_APPLIED):
        return None
    return {
        "number": last.number,
        "badge": STATES[State(last.state)],
        "because": last.rolled_back_because or last.operation.message,
        "actor": last.operation.actor,
        "at": last.operation.created_at,
        "reason": last.operation.reason,
        "operation": last.operation,
    }


def change_view(request: ActorRequest, change: VlanChange) -> dict[str, Any]:
    """An open change: how far it is, what is left to do about it, and by whom."""
    operation = change.operation
    state = State(change.state)
    is_own = request.actor.name == operation.actor
    may_commit = may(request.actor, "switch.commit", operation.resource)
    return {
        "number": change.number,
        "state": state.value,
        "badge": STATES[state],
        "restores": change.restores,
        "lines": lines(change.words),
        "checks": [line.text for line in operation.log.all()],
        "actor": operation.actor,
        "at": operation.created_at,
        "reason": operation.reason,
        "applied_at": change.applied_at,
        "deadline_at": change.deadline_at,
        "seconds": (change.deadline_at - change.applied_at).total_seconds()
        if change.deadline_at and change.applied_at
        else 0,
        "differences": change.differences,
        "because": change.rolled_back_because,
        "operation": operation,
        "may_confirm": bool(may_commit) and is_own,
        "may_roll_back": may_commit,
        "is_own": is_own,
    }
