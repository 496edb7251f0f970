"""The draft: the setup that people are making. Nothing of it reaches the switch before a commit."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hardware.switch_errors import VlanTableInvalid
from hardware.switch_setup import SwitchSetup
from hardware.vlan import VlanTable
from operations import audit, refusals, roles
from operations.roles import Actor
from slots.models import Board
from slots.services import power
from switch import wording
from switch.documents import Document, from_document, to_document
from switch.editing import together
from switch.models import SwitchDraft
from switch.services import running


@dataclass(frozen=True)
class Draft:
    """A board's draft as it is now. `version` grows with each save, and is never used twice."""

    setup: SwitchSetup
    version: int
    changed_by: str
    changed_at: datetime

    @property
    def table(self) -> VlanTable:
        """Its VLANs alone."""
        return self.setup.table


def get(board: Board) -> Draft | None:
    """The draft, None if there is none. Raises VlanTableInvalid if the board is wired otherwise by now."""
    row = SwitchDraft.objects.filter(board=board).first()
    if row is None or row.document is None:
        return None
    return Draft(from_document(row.document, running.wiring(board)), row.version, row.changed_by, row.changed_at)


def begun(board: Board) -> SwitchSetup:
    """What people go on from: the draft, else what runs, else what was confirmed last, else all slots together."""
    draft, wiring = get(board), running.wiring(board)
    if draft is not None:
        return draft.setup
    now = running.of(board)
    held = now.setup or (now.confirmed.setup(wiring) if now.confirmed else SwitchSetup(together(wiring)))
    return replace(held, table=now.table) if now.table else held


def version(board: Board) -> int:
    """The version of the draft, counted on when it is discarded; 0 before the first."""
    row = SwitchDraft.objects.filter(board=board).first()
    return row.version if row else 0


def save(board: Board, table: VlanTable, actor: Actor, version: int | None = None) -> Draft:
    """Keep other VLANs in the draft, and what else people would go on from. Raises as `save_setup` does."""
    roles.require(actor, "switch.edit", running.resource(board))
    return save_setup(board, replace(begun(board), table=table), actor, version)


def save_setup(board: Board, setup: SwitchSetup, actor: Actor, version: int | None = None) -> Draft:
    """Keep `setup` as the draft. `version` is the one that was changed; None: whoever is last wins.

    Raises `NotPermitted`, `Outdated` if somebody else has saved since.
    """
    roles.require(actor, "switch.edit", running.resource(board))
    _write(board, to_document(setup, running.wiring(board)), actor, version)
    saved = get(board)
    assert saved is not None
    return saved


def discard(board: Board, actor: Actor) -> None:
    """Throw the draft away. Raises `NotPermitted`."""
    roles.require(actor, "switch.edit", running.resource(board))
    _write(board, None, actor, None)


def save_document(board: Board, document: object, actor: Actor, version: int | None = None) -> Draft:
    """The same with a document from outside. Raises `BadRequest` with one sentence, too."""
    roles.require(actor, "switch.edit", running.resource(board))
    try:
        setup = from_document(document, running.wiring(board))
    except VlanTableInvalid as error:
        words = wording.in_slots(str(error), running.wiring(board))
        raise refusals.BadRequest(words, code=error.code) from error
    return save_setup(board, setup, actor, version)


def _write(board: Board, document: Document | None, actor: Actor, version: int | None) -> None:
    now = timezone.now()
    with transaction.atomic():
        power.one_at_a_time(board)
        row, _ = SwitchDraft.objects.get_or_create(board=board, defaults={"changed_by": actor.name, "changed_at": now})
        if version is not None and row.version != version:
            raise refusals.Outdated(
                f"{row.changed_by} changed the draft after you read it ({row.changed_at:%H:%M:%S} UTC); read it again.",
                version=row.version,
            )
        SwitchDraft.objects.filter(pk=row.pk).update(
            document=document, version=F("version") + 1, changed_by=actor.name, changed_at=now
        )
        running.hint(board)
        if document is None or row.document is None:  # each touch of a cell would be too many
            action = "switch.draft-discard" if document is None else "switch.draft"
            audit.record(action, actor=actor, target=running.resource(board), outcome="done")
