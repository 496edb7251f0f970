"""Which slots a board has, for the app below that lets people reserve them."""

from operations import refusals
from reservations.places import Place
from slots.models import Board, Slot


def of_board(board: str) -> list[Place]:
    """The slots of a board, in order. Raises `NotFound` for an unknown board. One query, two if it has no slots."""
    slots = Slot.objects.filter(board__slug=board, board__present=True).select_related("som").order_by("number")
    places = [place_of(slot, board) for slot in slots]
    if not places and not Board.objects.filter(slug=board, present=True).exists():
        raise refusals.no_board(board)
    return places


def _name(slot: Slot) -> str:
    if slot.is_controller:
        return "controller"
    som = getattr(slot, "som", None)
    return "empty" if som is None else som.name or f"slot {slot.number}"


def place_of(slot: Slot, board: str) -> Place:
    """A slot as a place."""
    return Place(slot.resource(board), _name(slot), reservable=not slot.is_controller)
