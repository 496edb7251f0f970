"""The supply's budget of a board, from what is believed of its slots."""

from collections.abc import Iterable

from hardware.budget import Budget, Member, power_budget
from hardware.som import PowerState
from operations import refusals
from slots.models import Board, Slot


def board_budget(board: Board, slots: Iterable[Slot], starting: Iterable[Slot] = ()) -> Budget:
    """Peak figures of all that is not Off, plus the board's own draw. A contradicted Off counts as On."""
    supply = board.supply_figures()
    chosen = {slot.pk for slot in starting}
    members = [
        Member(
            slot=slot.number,
            name=slot.som.som_type.name,
            peak_watts=slot.som.som_type.peak_watts,
            full_watts=slot.som.som_type.full_watts,
            state=PowerState.UNKNOWN if slot.contradiction else PowerState(slot.power_state),
            starting=slot.pk in chosen,
        )
        for slot in slots
        if hasattr(slot, "som")
    ]
    return power_budget(supply.peak_watts, members, continuous_watts=supply.continuous_watts)


def refuse_if_over(board: Board, starting: list[Slot]) -> None:
    """Raise `OverBudget` with the sum when the supply cannot carry `starting` beside what is not Off."""
    slots = list(board.slots.select_related("som__som_type"))
    budget = board_budget(board, slots, starting)
    if budget.refusal:
        raise refusals.OverBudget(budget.refusal, counted_watts=budget.counted_watts, supply_watts=budget.supply_watts)
