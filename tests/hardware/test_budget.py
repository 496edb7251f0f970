"""The power budget: whatever is not known to be off counts, at its peak."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.budget import BOARD_WATTS, SUPPLIES, Member, power_budget
from hardware.som import CM5, LM3H, TRAITS, PowerState, SomTraits


def member(slot: int, traits: SomTraits, state: PowerState, starting: bool = False) -> Member:
    return Member(slot, traits.name, traits.peak_watts, traits.full_watts, state, starting)


def cm5s(count: int, state: PowerState = PowerState.ON) -> list[Member]:
    return [member(slot, CM5, state) for slot in range(2, 2 + count)]


def test_an_empty_board_draws_its_own_3_6_watts() -> None:
    budget = power_budget(60.0, [])
    assert (budget.counted_watts, budget.headroom_watts, budget.refusal) == (3.6, 56.4, None)


@pytest.mark.parametrize("state", [state for state in PowerState if state is not PowerState.OFF])
def test_whatever_is_not_off_counts_at_its_peak(state: PowerState) -> None:
    assert power_budget(60.0, cm5s(1, state)).counted_watts == 11.6


def test_what_is_off_counts_nothing_until_it_is_started() -> None:
    assert power_budget(60.0, cm5s(6, PowerState.OFF)).counted_watts == 3.6
    assert power_budget(60.0, [member(2, CM5, PowerState.OFF, starting=True)]).counted_watts == 11.6


def test_a_start_that_would_exceed_the_supply_is_refused_with_the_sum() -> None:
    members = [member(1, LM3H, PowerState.ON), *cm5s(5), member(7, CM5, PowerState.OFF, starting=True)]
    assert power_budget(55.0, members).refusal == (
        "Starting slot 7 could draw 55.3 W at its peak, and the supply gives 55 W: 3.6 W for the board + "
        "3.7 W for slot 1 (LM3H) + 8 W for slot 2 (CM5) + 8 W for slot 3 (CM5) + 8 W for slot 4 (CM5) + "
        "8 W for slot 5 (CM5) + 8 W for slot 6 (CM5) + 8 W for slot 7 (CM5) = 55.3 W."
    )
    assert power_budget(60.0, members).refusal is None


def test_several_starts_are_summed_together() -> None:
    members = [member(slot, CM5, PowerState.OFF, starting=True) for slot in range(1, 8)]
    assert power_budget(60.0, members).refusal is None
    refusal = power_budget(59.0, members).refusal
    assert refusal is not None
    assert refusal.startswith("Starting slot 1, 2, 3, 4, 5, 6, 7 could draw 59.6 W")


def test_what_fits_exactly_is_not_refused() -> None:
    assert power_budget(11.6, [member(2, CM5, PowerState.OFF, starting=True)]).refusal is None


def test_nothing_is_refused_when_nothing_starts() -> None:
    budget = power_budget(10.0, cm5s(4))
    assert budget.refusal is None
    assert budget.headroom_watts < 0


def test_going_over_what_the_supply_gives_for_good_is_seen_at_full_load() -> None:
    assert not power_budget(60.0, cm5s(6), continuous_watts=50.0).is_over_continuous
    assert power_budget(60.0, cm5s(7), continuous_watts=50.0).is_over_continuous
    assert not power_budget(60.0, cm5s(7)).is_over_continuous


def test_the_supplies_are_the_vendors() -> None:
    figures = {name: (supply.peak_watts, supply.continuous_watts) for name, supply in SUPPLIES.items()}
    assert figures == {"usb-c-60": (60.0, 50.0), "usb-c-65": (65.0, 50.0), "poe": (60.0, 50.0)}


@given(
    members=st.lists(
        st.builds(
            lambda traits, state, starting: member(2, traits, state, starting),
            st.sampled_from(list(TRAITS.values())),
            st.sampled_from(PowerState),
            st.booleans(),
        ),
        max_size=7,
    ),
    supply_watts=st.floats(min_value=1.0, max_value=100.0),
)
def test_a_refusal_is_a_start_that_exceeds_and_nothing_else(members: list[Member], supply_watts: float) -> None:
    budget = power_budget(supply_watts, members)
    starts = any(one.starting for one in members)
    assert (budget.refusal is not None) == (starts and budget.counted_watts > supply_watts)
    assert budget.counted_watts >= BOARD_WATTS
