"""The supply's budget of a board, from what is believed of its slots."""

from collections.abc import Collection, Iterable

from hardware.budget import Budget, Member, power_budget
from hardware.som import PowerState
from operations import refusals
from operations.models import Claim
from slots.models import Board, Slot


def board_budget(
    board: Board, slots: Iterable[Slot], starting: Iterable[Slot] = (), claimed: Collection[str] = ()
) -> Budget:
    """Peak figures of all that is not Off, plus the board's own draw. A contradicted Off counts as On, and so does a
    slot among the resources `claimed`, since what is queued there may be a start."""
    supply = board.supply_figures()
    chosen = {slot.pk for slot in starting}

    def state(slot: Slot) -> PowerState:
        unsure = slot.contradiction or slot.resource(board.slug) in claimed
        return PowerState.UNKNOWN if unsure else PowerState(slot.power_state)

    members = [
        Member(
            slot=slot.number,
            name=slot.som.som_type.name,
            peak_watts=slot.som.som_type.peak_watts,
            full_watts=slot.som.som_type.full_watts,
            state=state(slot),
            starting=slot.pk in chosen,
        )
        for slot in slots
        if hasattr(slot, "som")
    ]
    return power_budget(supply.peak_watts, members, continuous_watts=supply.continuous_watts)


def refuse_if_over(board: Board, starting: list[Slot]) -> None:
    """Raise `OverBudget` with the sum when the supply cannot carry `starting` beside what is not Off."""
    slots = list(board.slots.select_related("som__som_type"))
    claimed = set(Claim.objects.filter(operation__board=board.slug).values_list("resource", flat=True))
    budget = board_budget(board, slots, starting, claimed)
    if budget.refusal:
        raise refusals.OverBudget(budget.refusal, counted_watts=budget.counted_watts, supply_watts=budget.supply_watts)
