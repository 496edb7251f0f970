"""Revisions: the tables that people confirmed, and how one of them comes back."""

from django.db.models import QuerySet

from hardware.switch_errors import VlanTableInvalid
from operations import refusals
from operations.roles import Actor
from slots.models import Board
from switch.models import VlanRevision
from switch.services import drafts, running
from switch.services.drafts import Draft


def of(board: Board) -> QuerySet[VlanRevision]:
    """A board's revisions, the newest first."""
    return VlanRevision.objects.filter(board=board)


def find(board: Board, number: int) -> VlanRevision:
    """The revision of that number. Raises `NotFound`."""
    revision = of(board).filter(number=number).first()
    if revision is None:
        raise refusals.NotFound(f"There is no revision {number} of this switch.", code="unknown-revision")
    return revision


def restore(revision: VlanRevision, actor: Actor) -> Draft:
    """Make a revision the draft: it is previewed, committed and confirmed like any other change.

    Raises `NotPermitted`, `Conflict` if the board is wired otherwise by now.
    """
    try:
        setup = revision.setup(running.wiring(revision.board))
    except VlanTableInvalid as error:
        raise refusals.Conflict(f"Revision {revision.number} does not fit this board any more: {error}") from error
    return drafts.save_setup(revision.board, setup, actor)


def created_vids(board: Board) -> list[int]:
    """Every VID that a revision ever had, in the order in which they came."""
    documents = of(board).order_by("number").values_list("document", flat=True)
    return list(dict.fromkeys(row["vid"] for document in documents for row in document["vlans"]))
