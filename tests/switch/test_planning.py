"""Plans: where they end, what a frame can do on the way, what is unsafe, and what people are told."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.vlans import CLOSED, OPEN, VlanEntry
from hardware.switch_errors import VlanTableRefused
from hardware.switch_setup import SwitchSetup
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Recipe, Vlan, VlanTable
from operations.refusals import UnsafePlan
from switch.documents import USUAL
from switch.planning import Plan, plan, raise_if_unsafe
from switch.steps import WriteEntries, WritePort, named, steps
from tests.switch.tables import (
    CLOSED_CHIP,
    CONTROLLER,
    RESET,
    UPLINK,
    T,
    U,
    Ways,
    chip_of,
    flat,
    pairs,
    same,
    setup_pairs,
    states,
    tables,
    ways,
)

QUICK = settings(max_examples=40, derandomize=True, deadline=None)
#: What opens a way needs isolation and VLANs to change together, which few pairs do.
MORE = settings(QUICK, max_examples=100)
LONG = settings(max_examples=2000, deadline=None)
BOTH = pytest.mark.parametrize("recipe", Recipe)

HOME = VlanTable((Vlan(1, "management", {CONTROLLER: U, UPLINK: U}), Vlan(10, "red", {4: U, 5: U})), 1)
TRUNK = VlanTable(
    (
        Vlan(1, "management", {CONTROLLER: U, UPLINK: T}),
        Vlan(10, "red", {1: U, 2: U, 3: U, UPLINK: T}),
        Vlan(20, "blue", {4: U, 5: U, 6: U, UPLINK: T}),
    ),
    1,
)


def planned(before: SwitchSetup | VlanTable, after: SwitchSetup | VlanTable, recipe: Recipe = Recipe.BASELINE) -> Plan:
    return plan(chip_of(before, recipe), after, USUAL, recipe=recipe)


def codes(made: Plan) -> set[str]:
    return {one.code for one in made.unsafe}


def opened(state: Ways, allowed: Iterable[Ways]) -> list[object]:
    """The ways of a state that none of the others has: frame in here, out there, with these tags."""
    return [
        (way, port, frame)
        for way, left in state.items()
        for port, frame in left.items()
        if not any(one[way].get(port) == frame for one in allowed)
    ]


# Where a plan ends, and what is open on the way


def check_every_state(before: ChipVlans, after: ChipVlans) -> None:
    made = steps(before, after)
    start, end = ways(before), ways(after)
    last = before
    for state in states(before, made):
        assert opened(ways(state), (start, end)) == []
        last = state
    assert same(last, after)


@BOTH
@MORE
@given(data=st.data())
def test_no_state_of_an_apply_opens_a_way_that_neither_setup_allows(recipe: Recipe, data: st.DataObject) -> None:
    before, after = data.draw(setup_pairs(recipe))
    check_every_state(chip_of(before, recipe), chip_of(after, recipe))


@pytest.mark.soak
@BOTH
@LONG
@given(data=st.data())
def test_no_state_of_many_applies_opens_a_way(recipe: Recipe, data: st.DataObject) -> None:
    before, after = data.draw(setup_pairs(recipe))
    check_every_state(chip_of(before, recipe), chip_of(after, recipe))


@QUICK
@given(pair=setup_pairs(), data=st.data())
def test_an_apply_that_breaks_off_anywhere_finds_its_way_back_and_on(
    pair: tuple[SwitchSetup, SwitchSetup], data: st.DataObject
) -> None:
    before, after = map(chip_of, pair)
    broken = data.draw(st.sampled_from(list(states(before, steps(before, after)))))
    for goal in (before, after):
        allowed = (ways(broken), ways(goal), ways(before), ways(after))
        last = broken
        for state in states(broken, steps(broken, goal)):
            assert opened(ways(state), allowed) == []
            last = state
        assert same(last, goal)


@QUICK
@given(pair=pairs())
def test_a_plan_between_recipes_opens_nothing_either(pair: tuple[VlanTable, VlanTable]) -> None:
    check_every_state(chip_of(pair[0], Recipe.BASELINE), plan(chip_of(pair[0]), pair[1], USUAL).wanted)


@QUICK
@given(pair=setup_pairs())
def test_a_plan_that_keeps_management_never_cuts_it(pair: tuple[SwitchSetup, SwitchSetup]) -> None:
    before, after = pair
    made = planned(before, after)
    if codes(made) - {"empty-vlan"}:
        return
    running, vid = chip_of(before), before.table.management_vid
    kept = management_ways(running, vid)
    for state in states(running, made.steps):
        assert kept <= management_ways(state, vid)
    for port in (UPLINK, CONTROLLER):
        assert before.ports[port].enabled <= after.ports[port].enabled


def management_ways(chip: ChipVlans, vid: int) -> set[object]:
    """How uplink, controller and the switch's own pages reach one another in a VLAN."""
    ports = (UPLINK, CONTROLLER, CPU_PORT)
    return {
        (port, frame, other, as_what)
        for (port, frame), left in ways(chip).items()
        if port in ports and frame in ((), (vid,))
        for other, as_what in left.items()
        if other in ports
    }


def test_adding_first_would_have_opened_a_way() -> None:
    """The same steps the other way round: what the properties above would find."""
    moved = VlanTable((HOME.vlans[0], Vlan(10, "red", {5: U, 6: U}), Vlan(20, "", {4: U, 3: U})), 1)
    before, after = chip_of(HOME), chip_of(moved)
    start, end = ways(before), ways(after)
    found = [opened(ways(state), (start, end)) for state in states(before, tuple(reversed(steps(before, after))))]
    assert any(found)


def test_a_chip_fresh_from_reset_is_closed_before_anything_else_and_vid_0_last() -> None:
    made = plan(RESET, HOME, USUAL)
    canary, first, *ports, last = made.steps
    assert isinstance(canary, WriteEntries)
    assert isinstance(first, WriteEntries)
    assert not first.opens
    assert set(canary.entries) | set(first.entries) == set(range(4096))
    assert {entry["members"] for entry in first.entries.values()} == {0}
    assert [step.port for step in ports if isinstance(step, WritePort)] == [*FRONT_PORTS, CPU_PORT]
    assert isinstance(last, WriteEntries)
    assert set(last.entries) == {1, 10}
    assert made.words[0].startswith("What the switch holds now was not written by this portal")


def test_what_is_not_to_change_is_not_written() -> None:
    assert planned(TRUNK, TRUNK).is_empty
    renamed = VlanTable((Vlan(1, "home", dict(TRUNK.vlans[0].members)), *TRUNK.vlans[1:]), 1)
    made = planned(TRUNK, renamed)
    assert made.is_empty
    made = planned(HOME, VlanTable((HOME.vlans[0], Vlan(10, "red", {4: U})), 1))
    first, second = made.steps
    assert isinstance(first, WriteEntries)
    assert isinstance(second, WritePort)
    assert second.port == 5


def test_a_stable_port_keeps_its_vlan_while_another_one_joins() -> None:
    made = planned(HOME, VlanTable((HOME.vlans[0], Vlan(10, "red", {3: U, 4: U, 5: U})), 1))
    writes = [step for step in made.steps if isinstance(step, WriteEntries)]
    assert [step.opens for step in writes] == [True]
    assert made.isolated == ()


def test_entries_that_nobody_spoke_of_are_not_read_but_the_one_that_tells_of_a_reset() -> None:
    assert named(chip_of(HOME), chip_of(TRUNK)) == (1, 10, 20, 4095)


# What is unsafe


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (VlanTable((Vlan(1, "", {CONTROLLER: U, 3: U}), HOME.vlans[1]), 1), {"uplink-cut", "uplink-changes"}),
        (VlanTable((Vlan(1, "", {UPLINK: U, 3: U}), HOME.vlans[1]), 1), {"controller-cut", "controller-changes"}),
        (VlanTable((Vlan(1, "", {CONTROLLER: U, UPLINK: T}), HOME.vlans[1]), 1), {"uplink-changes"}),
        (VlanTable((*HOME.vlans, Vlan(30)), 1), {"empty-vlan"}),
        (VlanTable((*HOME.vlans, Vlan(30, "", {3: U})), 1), set()),
        (VlanTable(HOME.vlans, 10), {"uplink-cut", "controller-cut", "pages-change"}),
    ],
)
def test_what_cuts_somebody_off_is_unsafe(after: VlanTable, expected: set[str]) -> None:
    made = planned(HOME, after)
    assert expected <= codes(made)
    if not expected:
        assert made.unsafe == ()
        return raise_if_unsafe(made)
    with pytest.raises(UnsafePlan) as refused:
        raise_if_unsafe(made)
    assert {reason["code"] for reason in refused.value.detail["reasons"]} == codes(made)
    raise_if_unsafe(made, codes(made))


def test_each_reason_has_to_be_named() -> None:
    made = planned(HOME, VlanTable((Vlan(1, "", {CONTROLLER: U, 3: U}), Vlan(10, "")), 1))
    with pytest.raises(UnsafePlan, match="VLAN 10 has no port at all"):
        raise_if_unsafe(made, codes(made) - {"empty-vlan"})


def test_management_without_any_port_is_never_done() -> None:
    made = planned(HOME, VlanTable((Vlan(1, ""), HOME.vlans[1]), 1))
    with pytest.raises(UnsafePlan, match="nobody could reach the switch any more"):
        raise_if_unsafe(made, codes(made))


def test_a_slot_may_be_cut_off_while_its_own_settings_are_written_and_the_preview_says_which() -> None:
    made = planned(HOME, VlanTable((HOME.vlans[0], Vlan(10, "red", {4: U}), Vlan(20, "", {5: U})), 1))
    assert made.unsafe == ()
    assert made.isolated == (5,)


def test_what_the_chip_cannot_do_is_refused_with_the_reason() -> None:
    rules = {3: PortRule(10, Accepts.ALL)}
    with pytest.raises(VlanTableRefused):
        planned(HOME, VlanTable((HOME.vlans[0], Vlan(10, "red", {3: U})), 1, rules))


# Words, and that what was shown is what is done


def test_a_plan_is_told_by_slots() -> None:
    after = VlanTable((Vlan(1, "home", {CONTROLLER: U, UPLINK: U}), Vlan(20, "blue", {4: U}), Vlan(30, "", {3: T})), 1)
    assert plan(chip_of(HOME), after, USUAL, names={1: "management", 10: "red"}).words == (
        "VLAN 20 (blue) is new",
        "VLAN 30 is new",
        "VLAN 10 (red) is removed",
        "VLAN 1 is called home instead of management",
        "slot 3: PVID 10 -> none, in no VLAN, takes in tagged frames only",
        "slot 4: PVID 10 -> 20, untagged in 20",
        "slot 5: tagged in 30",
    )


@QUICK
@given(pair=setup_pairs())
def test_a_fingerprint_stands_for_what_runs_what_is_wanted_and_the_scan(
    pair: tuple[SwitchSetup, SwitchSetup],
) -> None:
    before, after = pair
    made = planned(before, after)
    assert planned(before, after).fingerprint == made.fingerprint
    running = chip_of(before)
    assert plan(running, after, USUAL, scan=1).fingerprint != made.fingerprint
    for disturbed in (
        replace(running, entries={**running.entries, 99: VlanEntry.of({1, 2}, 99)}),
        replace(running, isolation={**running.isolation, 9: frozenset({3})}),
        replace(running, output_mirrors={**running.output_mirrors, 9: OutputMirror(1 | 5 << 1)}),
        replace(
            running, links={**running.links, 4: replace(running.links[4], unattended=not running.links[4].unattended)}
        ),
    ):
        assert plan(disturbed, after, USUAL).fingerprint != made.fingerprint
    if before != after:
        assert planned(before, before).fingerprint != made.fingerprint


@QUICK
@given(table=tables())
def test_whatever_else_the_chip_held_is_gone_after_a_plan(table: VlanTable) -> None:
    foreign = replace(CLOSED_CHIP, entries={**CLOSED_CHIP.entries, 99: OPEN, 0: OPEN})
    made = plan(foreign, table, USUAL)
    last = list(states(foreign, made.steps))[-1]
    assert last.entry(99) == last.entry(0) == CLOSED
    assert same(last, made.wanted)


def test_a_flat_table_is_what_people_begin_with() -> None:
    made = plan(CLOSED_CHIP, flat(), USUAL)
    assert same(list(states(CLOSED_CHIP, made.steps))[-1], made.wanted)
