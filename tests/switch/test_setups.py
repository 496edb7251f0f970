"""Plans of what is beside the VLANs, links, isolation and mirror: what is unsafe, the order, and the words."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from hardware.jl6108.recipes import ChipVlans
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup, every_pair
from hardware.vlan import Vlan, VlanTable
from switch.documents import USUAL
from switch.planning import Plan, plan
from switch.steps import WriteEntries, WriteIsolation, WriteLink, WriteMirror, WritePort, steps
from tests.switch.tables import CONTROLLER, UPLINK, U, chip_of, setups

QUICK = settings(max_examples=40, derandomize=True, deadline=None)
HOME = VlanTable((Vlan(1, "management", {CONTROLLER: U, UPLINK: U}), Vlan(10, "red", {4: U, 5: U})), 1)


def planned(before: SwitchSetup, after: SwitchSetup) -> Plan:
    return plan(chip_of(before), after, USUAL)


def codes(made: Plan) -> set[str]:
    return {one.code for one in made.unsafe}


AT_HOME = SwitchSetup(HOME)
OFF = PortSetup(enabled=False)
#: A setup, what is unsafe about it coming from AT_HOME, and what of that passes.
UNSAFE = {
    "links": (AT_HOME, {3: PortSetup(mbps=100), 4: OFF}, set(), set()),
    "uplink off": (AT_HOME, {UPLINK: OFF}, {"uplink-off"}, set()),
    "controller off": (AT_HOME, {CONTROLLER: OFF}, {"controller-off"}, set()),
    "uplink slower": (AT_HOME, {UPLINK: PortSetup(mbps=100)}, {"uplink-link-drops"}, {"uplink-link-drops"}),
    "controller slower": (
        AT_HOME,
        {CONTROLLER: PortSetup(mbps=10, full_duplex=False)},
        {"controller-link-drops"},
        {"controller-link-drops"},
    ),
    "flow control": (AT_HOME, {UPLINK: PortSetup(flow_control=FlowControl.ON)}, set(), set()),
    "slots apart": (replace(AT_HOME, apart=every_pair(range(1, 8))), {}, set(), set()),
    "management apart": (replace(AT_HOME, apart=frozenset({(CONTROLLER, UPLINK)})), {}, {"management-apart"}, set()),
    "mirror": (replace(AT_HOME, mirror=Mirror(3, frozenset({UPLINK}))), {}, set(), set()),
    "to uplink": (replace(AT_HOME, mirror=Mirror(UPLINK, frozenset({3}))), {}, {"mirror-to-uplink"}, set()),
    "to controller": (
        replace(AT_HOME, mirror=Mirror(CONTROLLER, frozenset(), frozenset({3}))),
        {},
        {"mirror-to-controller"},
        set(),
    ),
}


@pytest.mark.parametrize("what", UNSAFE)
def test_what_takes_management_away_beside_the_vlans_is_unsafe(what: str) -> None:
    after, links, expected, passing = UNSAFE[what]
    made = planned(AT_HOME, replace(after, ports=links))
    assert codes(made) == expected
    assert {one.code for one in made.unsafe if not one.lasts} == passing
    assert all(one.can_be_overridden for one in made.unsafe)
    assert made.steps


def test_a_link_that_management_lost_before_is_not_lost_again() -> None:
    off = replace(AT_HOME, ports={UPLINK: OFF})
    assert codes(planned(off, AT_HOME)) == set()
    assert codes(planned(off, off)) == {"uplink-off"}, "it is so afterwards as well"


def test_a_port_that_makes_its_link_anew_is_cut_off_meanwhile_and_one_that_goes_off_or_on_is_not() -> None:
    links = {3: PortSetup(mbps=100), 4: OFF, 5: PortSetup(flow_control=FlowControl.OFF)}
    assert planned(AT_HOME, replace(AT_HOME, ports=links)).isolated == (3,)
    assert planned(replace(AT_HOME, ports={4: OFF}), AT_HOME).isolated == ()


def test_what_closes_comes_first_and_what_opens_comes_last() -> None:
    before = replace(AT_HOME, apart=frozenset({(1, 2)}), ports={1: OFF}, mirror=Mirror(3, frozenset({4})))
    moved = VlanTable((HOME.vlans[0], Vlan(10, "red", {4: U}), Vlan(20, "", {5: U})), 1)
    after = SwitchSetup(moved, {2: OFF}, frozenset({(4, 5)}), Mirror(6, frozenset(), frozenset({4})))
    kinds = [(type(step), getattr(step, "opens", None)) for step in planned(before, after).steps]
    assert kinds == [
        (WriteLink, None),
        (WriteMirror, False),
        (WriteIsolation, False),
        (WriteEntries, False),
        (WritePort, None),
        (WriteEntries, True),
        (WriteIsolation, True),
        (WriteMirror, True),
        (WriteLink, None),
    ]


def test_copies_stop_while_anything_is_written_that_frames_meet_and_go_on_after_it() -> None:
    copied = replace(AT_HOME, mirror=Mirror(3, frozenset({4}), frozenset({4})))
    first, *_, last = planned(copied, replace(copied, apart=frozenset({(1, 2)}))).steps
    assert isinstance(first, WriteMirror)
    assert isinstance(last, WriteMirror)
    assert (first.opens, last.opens) == (False, True)
    made = planned(copied, replace(copied, ports={1: OFF}))
    assert [type(step) for step in made.steps] == [WriteLink]


def test_what_is_not_spoken_of_is_neither_written_nor_planned() -> None:
    running = ChipVlans(chip_of(HOME).entries, chip_of(HOME).ports)
    wanted = replace(AT_HOME, ports={3: OFF}, apart=frozenset({(1, 2)}), mirror=Mirror(3, frozenset({4})))
    assert plan(running, wanted, USUAL).is_empty
    assert steps(chip_of(wanted), running) == ()


@QUICK
@given(setup=setups())
def test_a_setup_that_runs_needs_no_write(setup: SwitchSetup) -> None:
    names = {vlan.vid: vlan.name for vlan in setup.table.vlans}
    made = plan(chip_of(setup), setup, USUAL, names=names)
    assert made.is_empty
    assert made.words == ()


def test_a_plan_is_told_by_slots_beside_the_vlans_too() -> None:
    links = {5: PortSetup(mbps=100, full_duplex=False), 4: OFF, 3: PortSetup(flow_control=FlowControl.ON)}
    after = SwitchSetup(HOME, links, frozenset({(5, 4), (8, 2)}), Mirror(1, frozenset({5, 8}), frozenset({5})))
    names = {1: "management", 10: "red"}
    told = plan(chip_of(HOME), after, USUAL, names=names).words
    assert told == (
        "slot 3: 100 Mb/s, half duplex, flow control as negotiated",
        "slot 4: off",
        "slot 5: the best speed that both sides can, with flow control",
        "slot 3 and slot 4 are kept apart",
        "slot 6 and the uplink are kept apart",
        "slot 7 gets copies of what enters at slot 3 and the uplink, and of what leaves at slot 3",
    )
    assert plan(chip_of(after), AT_HOME, USUAL, names=names).words == (
        "slot 3: the best speed that both sides can, flow control as negotiated",
        "slot 4: on, the best speed that both sides can, flow control as negotiated",
        "slot 5: the best speed that both sides can, flow control as negotiated",
        "nobody is kept apart any more",
        "nothing is mirrored any more",
    )


def test_links_that_somebody_else_set_are_said_to_be_written_anew_and_the_vlans_are_still_ours() -> None:
    chip = chip_of(HOME)
    foreign = replace(chip, isolation={**chip.isolation, 2: frozenset({3})})
    made = plan(foreign, AT_HOME, USUAL, names={1: "management", 10: "red"})
    assert made.words == ("Links, isolation or mirror were not set by this portal; they are written anew.",)
    assert [type(step) for step in made.steps] == [WriteIsolation]
