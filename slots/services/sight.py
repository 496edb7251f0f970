"""What somebody sees of boards and slots: whatever else there is, is not there for them."""

from collections.abc import Iterable

from django.db.models import QuerySet

from operations import roles
from operations.models import Operation
from operations.roles import Actor
from slots.models import Board
from slots.services.attention import Attention


def boards(actor: Actor) -> QuerySet[Board]:
    """The present boards of which they see at least a part."""
    present, seen = Board.objects.filter(present=True), roles.seen_boards(actor)
    return present if seen is None else present.filter(slug__in=seen)


def sees(actor: Actor, resource: str) -> bool:
    """Whether they see a board, a slot or the console of it. Does not query."""
    return bool(roles.may(actor, "view", resource))


def sees_slot(actor: Actor, board: str, number: int) -> bool:
    return sees(actor, f"{board}/slot:{number}")


def seen(actor: Actor, operations: Iterable[Operation]) -> list[Operation]:
    """Those that are about what they see."""
    return [operation for operation in operations if sees(actor, operation.resource)]


def seen_attention(actor: Actor, board: str, items: Iterable[Attention]) -> list[Attention]:
    """What wants a person on the slots that they see, and on the board as a whole."""
    return [
        item
        for item in items
        if (item.slot is None or sees_slot(actor, board, item.slot))
        and (item.operation is None or sees(actor, item.operation.resource))
    ]
