"""Which boards and slots there are to give rights on, for the app below that keeps rights."""

from accounts import places
from slots.models import Board, Slot


def boards() -> list[places.Board]:
    """Every present board with its slots. Three queries, whatever their number."""
    rows = Board.objects.filter(present=True).prefetch_related("slots__som")
    return [places.Board(row.slug, row.name, tuple(map(_place, row.slots.all()))) for row in rows]


def _place(slot: Slot) -> places.Slot:
    som = getattr(slot, "som", None)
    name = "controller" if slot.is_controller else "empty" if som is None else som.name
    return places.Slot(slot.number, name)
