"""Where the simulated switch sends frames, and how tagged: the recipes of jl6108.md 5.7 and 26, told in frames."""

import pytest

from hardware.simulator import net
from hardware.simulator.switch_assumptions import ASSUMPTIONS, AssumptionError
from tests.hardware.simulator.recipes import NONE, PAIR_FILTER, POP, PUSH, REMOVE_ALL, SWAP, Recipes

OTHERS = {1, 2, 3, 4, 5, 6, 7, 8, 9}
SRC, DST = 0x020000000011, 0x020000000022


@pytest.fixture
def switch() -> Recipes:
    return Recipes()


@pytest.fixture
def three(switch: Recipes) -> Recipes:
    switch.three_vlans()
    return switch


@pytest.mark.parametrize("port", range(1, 10))
@pytest.mark.parametrize("vids", [(), (0,), (1,), (4095,), (7, 8)])
def test_a_switch_fresh_from_reset_lets_everything_through_as_it_is(
    switch: Recipes, port: int, vids: tuple[int, ...]
) -> None:
    assert switch.send(port, *vids) == {other: list(vids) for other in OTHERS - {port}}


def test_frames_stay_in_their_vlan_and_are_tagged_only_on_the_trunk(three: Recipes) -> None:
    assert three.send(1) == {2: [], 8: [10]}
    assert three.send(4) == {3: [], 8: [20]}
    assert three.send(5) == {8: [30], 9: []}
    assert three.send(9) == {5: [], 8: [30]}
    assert three.send(8, 10) == {1: [], 2: []}
    assert three.send(8, 20) == {3: [], 4: []}
    assert three.send(8, 30) == {5: [], 9: []}


@pytest.mark.parametrize(
    ("port", "vids"),
    [(8, ()), (8, (0,)), (8, (40,)), (8, (1,)), (6, ()), (6, (10,)), (1, (10,)), (1, (20,)), (1, (0,)), (1, (10, 20))],
)
def test_what_belongs_to_no_vlan_goes_nowhere(three: Recipes, port: int, vids: tuple[int, ...]) -> None:
    assert three.send(port, *vids) == {}


def test_without_the_filter_an_access_port_lets_a_second_tag_in(three: Recipes) -> None:
    three.access(1, 10, filtered=False)
    assert three.send(1, 10) == {2: [10], 8: [10, 10]}


def test_an_access_port_cannot_reach_a_foreign_vlan_because_it_is_no_member(three: Recipes) -> None:
    three.access(1, 10, filtered=False)
    assert three.send(1, 20) == {}
    assert three.chip.forwarder.last_drops == [(None, "port is not in VLAN 20")]


def test_a_native_vlan_leaves_the_trunk_untagged(switch: Recipes) -> None:
    switch.close_all()
    switch.access(1, 10)
    switch.source(2, 5)  # access ports of a native VLAN carry nothing inside (25.14)
    switch.native(8, 5)
    switch.vlan(10, 1, 8)
    switch.vlan(5, 2, 8, op=POP)
    assert switch.send(2) == {8: []}
    assert switch.send(8) == {2: []}
    assert switch.send(8, 5) == {2: []}
    assert switch.send(8, 10) == {1: []}
    assert switch.send(1) == {8: [10]}
    assert switch.send(8, 5, 77) == {2: [77]}


def test_the_recorded_native_vlan_pops_twice(switch: Recipes) -> None:
    """What jl6108.md 25.14 says of the vector native_vlan_pop."""
    switch.close_all()
    switch.access(1, 5)
    switch.native(8, 5)
    switch.vlan(5, 1, 8, op=POP)
    assert switch.send(8, 5, 77) == {1: []}


def test_the_canonical_recipe_is_what_802_1q_says(switch: Recipes) -> None:
    switch.canonical({10: {1: POP, 2: NONE}, 20: {3: POP}})
    switch.vlan(20, 3, 2, op=PUSH, own=True)
    assert switch.send(1) == {2: [10]}
    assert switch.send(1, 10) == {2: [10]}
    assert switch.send(2, 10) == {1: []}
    assert switch.send(2) == {1: []}, "untagged into the VLAN of port 2"
    assert switch.send(2, 20) == {3: []}
    assert switch.send(3) == {2: [20]}
    assert switch.send(1, 20) == {}


def test_the_canonical_recipe_keeps_a_priority(switch: Recipes) -> None:
    switch.canonical({10: {1: POP, 2: NONE}})
    switch.vlan(10, 2, 3, op=PUSH, own=True)
    switch.source(3, 10)
    switch.egress(3)
    [(port, frame)] = switch.pass_through(3, net.Frame(tags=(net.Tag(10, pcp=5),)))
    assert (port, frame.tags[0]) == (2, net.Tag(10, pcp=5))


@pytest.mark.parametrize(
    ("op", "vids", "left"),
    [
        (NONE, (7,), [7]),
        (SWAP, (7,), [10]),
        (SWAP, (7, 8), [10, 8]),
        (SWAP, (), []),
        (PUSH, (7,), [10, 7]),
        (PUSH, (), [10]),
        (POP, (7, 8), [8]),
        (POP, (), []),
        (REMOVE_ALL, (7, 8), []),
    ],
)
def test_each_operation_does_to_tags_what_its_name_says(
    switch: Recipes, op: int, vids: tuple[int, ...], left: list[int]
) -> None:
    switch.source(1, 10, op)
    assert switch.send(1, *vids)[2] == left


@pytest.mark.parametrize(("selector", "vid"), [(0, 7), (1, 10), (2, 8), (3, 10)])
def test_a_pushed_vid_comes_from_where_its_selector_says(switch: Recipes, selector: int, vid: int) -> None:
    switch.source(1, 10, 0, bits=PUSH << 16 | selector << 19)
    assert switch.send(1, 7, 8)[2] == [vid, 7, 8]


def test_a_tag_of_a_type_the_switch_does_not_know_is_none(switch: Recipes) -> None:
    odd = net.Frame(tags=(net.Tag(20, tpid=0x9100), net.Tag(30)))
    switch.access(1, 10, filtered=True)
    switch.vlan(20)
    assert switch.pass_through(1, odd)[0][1].tags == (net.Tag(10), *odd.tags)
    switch.memory.write(0x11F38C, [0x9100 | 1 << 17])
    assert switch.pass_through(1, odd) == [], "now it is a C-tag, which the filter refuses"


@pytest.mark.parametrize(
    ("bit", "refused", "let_in"),
    [
        (0, net.tagged(10), net.Frame(tags=(net.Tag(10, tpid=net.S_TAG),))),
        (1, net.Frame(tags=(net.Tag(10, tpid=net.S_TAG),)), net.tagged(10)),
        (2, net.tagged(10, 20), net.tagged(10)),
        (3, net.tagged(), net.tagged(0)),
        (4, net.tagged(0), net.tagged()),
        (5, net.Frame(dst=SRC, src=SRC), net.tagged()),
        (8, net.tagged(), net.Frame(ethertype=0x86DD)),
        (9, net.Frame(ethertype=0x86DD), net.tagged()),
        (11, net.Frame(dst=0x01005E000001), net.tagged()),
        (13, net.tagged(), net.Frame(dst=DST)),
        (14, net.Frame(dst=0x01005E000001), net.tagged()),
        (15, net.tagged(1, 2), net.tagged(1)),
        (18, net.tagged(1, 2), net.tagged()),
    ],
)
def test_each_bit_of_the_frame_type_filter_refuses_its_kind(
    switch: Recipes, bit: int, refused: net.Frame, let_in: net.Frame
) -> None:
    switch.refuse(1, bit)
    assert switch.pass_through(1, refused) == []
    assert len(switch.pass_through(1, let_in)) == 8
    assert switch.memory.word(0x1044A4) == 1


@pytest.mark.parametrize(
    ("bit", "refused", "let_out"),
    [
        (28, net.tagged(), None),
        (29, net.tagged(5), net.tagged()),
        (31, net.tagged(5, 6), net.tagged(5)),
        (32, net.tagged(), net.tagged(5)),
        (33, net.tagged(5), net.tagged(5, 6)),
        (34, net.tagged(5, 6), net.tagged(5)),
        (37, net.tagged(5, 6), net.tagged(5)),
    ],
)
def test_each_bit_of_the_egress_filter_keeps_its_kind_in(
    switch: Recipes, bit: int, refused: net.Frame, let_out: net.Frame | None
) -> None:
    switch.egress(2, bits=1 << bit)
    assert {port for port, _ in switch.pass_through(1, refused)} == OTHERS - {1, 2}
    assert let_out is None or 2 in {port for port, _ in switch.pass_through(1, let_out)}
    assert switch.memory.word((0x1226BC if bit == 28 else 0x1226E8) + 4 * 3) == 1


def test_isolation_works_in_the_direction_that_was_set(switch: Recipes) -> None:
    switch.memory.write(PAIR_FILTER + 4 * 6, [1 << 18 + 5])  # core 5 (port 4) to core 6 (port 5)
    assert 5 not in switch.send(4)
    assert 4 in switch.send(5)
    assert switch.memory.word(0x1217BC + 4 * 6) == 1


def test_isolation_works_for_tagged_frames_and_between_no_others(switch: Recipes) -> None:
    switch.memory.write(PAIR_FILTER + 4 * 6, [1 << 18 + 5])
    assert 5 not in switch.send(4, 99)
    assert set(switch.send(3)) == OTHERS - {3}


@pytest.mark.parametrize(
    ("bit", "frame"),
    [(10, net.tagged()), (11, net.Frame(dst=DST)), (12, net.Frame(dst=0x01005E000001)), (0, net.tagged(5))],
)
def test_the_pair_filter_refuses_kinds_of_frames_on_the_way_out(switch: Recipes, bit: int, frame: net.Frame) -> None:
    switch.memory.write(PAIR_FILTER + 4 * 3, [1 << bit])
    assert {port for port, _ in switch.pass_through(1, frame)} == OTHERS - {1, 2}


def test_a_mirror_sees_what_comes_in_and_what_leaves_and_stops(switch: Recipes) -> None:
    switch.three_vlans()
    switch.source(1, 10, PUSH, bits=1 << 52 | 8 << 53)  # core 8: port 7, in no VLAN
    switch.memory.write(0x122870 + 4 * 2, [1 | 8 << 1])
    assert switch.send(1) == {2: [], 8: [10], 7: []}
    assert switch.send(8, 10) == {1: [], 2: [], 7: []}
    switch.source(1, 10, PUSH)
    switch.memory.write(0x122870 + 4 * 2, [0])
    assert switch.send(1) == {2: [], 8: [10]}


@pytest.mark.parametrize(("state", "passes"), [(0, True), (1, False), (2, False), (3, False), (4, True)])
def test_spanning_tree_states_let_frames_through_or_not(switch: Recipes, state: int, passes: bool) -> None:
    switch.source(1, 0, bits=state << 57)
    assert bool(switch.send(1)) is passes
    switch.source(1, 0)
    switch.memory.write(0x11F7F0, [state << 3 * 3, 0])
    assert (2 in switch.send(1)) is passes


def test_addresses_that_bridges_keep_are_not_passed_on_unless_told(switch: Recipes) -> None:
    lldp = 0x0180C200000E
    assert switch.send(1, dst=lldp) == {}
    switch.memory.write(0x142050, [1 << 14, 0])
    assert set(switch.send(1, dst=lldp)) == OTHERS - {1}


def test_a_port_takes_as_many_tags_as_it_is_told(switch: Recipes) -> None:
    assert switch.send(1, 1, 2, 3) == {}
    assert switch.memory.word(0x1044B8) == 1
    switch.source(1, 0, bits=3 << 49)
    assert switch.send(1, 1, 2, 3) != {}
    switch.source(1, 0, bits=1 << 47)
    assert switch.send(1) == {}
    assert switch.memory.word(0x1044B4) == 1


def test_a_port_can_classify_everything_by_itself(switch: Recipes) -> None:
    switch.vlan(10, 1, 2)
    switch.source(1, 10, bits=1 << 27)
    assert switch.send(1, 77) == {2: [77]}


def test_four_ranges_close_the_gaps_between_vlans(switch: Recipes) -> None:
    """The cheap closing of jl6108.md 25.18."""
    switch.vlan(4095)
    for slot, (first, last) in enumerate(((1, 9), (11, 19), (21, 29), (31, 4095))):
        entry = 0x7FF | first << 12 | last << 24
        switch.memory.write(0x1202B8 + 8 * slot, [entry & 0xFFFFFFFF, entry >> 32])
        switch.memory.write(0x1064DC + 4 * slot, [4095 | 3 << 12])
    assert [vid for vid in (1, 9, 10, 11, 19, 20, 29, 30, 31, 4094) if switch.send(1, vid)] == [10, 20, 30]
    assert Recipes({"range-tables": "ignored"}).send(1, 9) != {}


def test_a_port_without_link_neither_takes_nor_gives(switch: Recipes) -> None:
    switch.chip.set_partner(2, 0)
    assert set(switch.send(1)) == OTHERS - {1, 2}
    assert switch.send(2) == {}


def test_an_assumption_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AssumptionError, match="no assumption 'luck'"):
        Recipes({"luck": "good"})
    with pytest.raises(AssumptionError, match="member-check is checked or absent, not 'maybe'"):
        Recipes({"member-check": "maybe"})


def test_every_assumption_names_its_section_and_has_a_choice() -> None:
    for assumption in ASSUMPTIONS.values():
        assert assumption.mark in ("inferred", "unknown")
        assert len(set(assumption.values)) == len(assumption.values) >= 2
        assert assumption.section[0].isdigit()
