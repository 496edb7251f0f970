"""Which boards and slots there are, for the apps below that keep rights and reservations."""

from django.db.models import Prefetch

from accounts import places
from accounts.places import Place
from slots.models import Board, Slot


def boards(slug: str = "") -> list[places.Board]:
    """Every present board with its slots, or the one of that name. Two queries, whatever their number."""
    slots = Prefetch("slots", Slot.objects.select_related("som").order_by("number"))
    rows = Board.objects.filter(present=True).prefetch_related(slots)
    rows = rows.filter(slug=slug) if slug else rows
    return [
        places.Board(row.slug, row.name, tuple(place_of(slot, row.slug) for slot in row.slots.all())) for row in rows
    ]


def place_of(slot: Slot, board: str) -> Place:
    """A slot as a place."""
    return Place(slot.resource(board), _name(slot), reservable=not slot.is_controller)


def _name(slot: Slot) -> str:
    if slot.is_controller:
        return "controller"
    som = getattr(slot, "som", None)
    return "empty" if som is None else som.name or f"slot {slot.number}"
