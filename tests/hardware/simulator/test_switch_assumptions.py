"""What changes on the simulated switch when an assumption of jl6108.md turns out to be wrong, one by one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from hardware.simulator import net
from hardware.simulator.switch_assumptions import ASSUMPTIONS
from hardware.simulator.testing import InProcessBoard
from tests.hardware.simulator.recipes import CLOSED_VID, INGRESS_FILTER, NONE, POP, PUSH, SOURCE, SWAP, Recipes

#: Those that are about the bus, the firmware or the ports, and are tested where these are.
ELSEWHERE = {"repeated-start", "read-advance", "bridge-registers", "left-over-words", "entry-writes", "reserved-bits"}
ELSEWHERE |= {"burst-address", "scratch", "web-firmware", "port-numbers", "mib-clear", "restart-bit", "range-tables"}


class Case(NamedTuple):
    """What `seen` shows as the model assumes things, and what under the assumption's other value."""

    seen: Callable[[Recipes], Any]
    assumed: Any
    otherwise: Any


def foreign_tag_on_an_access_port(switch: Recipes) -> Any:
    switch.three_vlans()
    switch.access(1, 10, filtered=False)
    return switch.send(1, 20)


def tagged_frame_after_reset(switch: Recipes) -> Any:
    return bool(switch.send(1, 77))


def three_tags(switch: Recipes) -> Any:
    return bool(switch.send(1, 1, 2, 3))


def s_tag_on_an_access_port(switch: Recipes) -> Any:
    switch.three_vlans()
    return {
        port: [tag.vid for tag in frame.tags]
        for port, frame in switch.pass_through(1, net.Frame(tags=(net.Tag(20, tpid=net.S_TAG),)))
    }


def mixed_assignment(switch: Recipes) -> Any:
    switch.vlan(77, 1, 2)
    switch.vlan(10, 1, 3)
    switch.source(1, 10, bits=2 << 27)
    return switch.send(1, 77)


def priority_tag_as_no_vid(switch: Recipes) -> Any:
    switch.vlan(10, 1, 2)
    switch.source(1, 10, bits=1 << 60)
    return switch.send(1, 0)


def canonical_tagged_in(switch: Recipes) -> Any:
    switch.canonical({10: {1: POP, 2: NONE}, 20: {3: NONE}})
    switch.vlan(20, 3, 2, op=PUSH, own=True)
    return switch.send(2, 20)


def both_operations_push(switch: Recipes) -> Any:
    switch.vlan(10, 1, 2, op=PUSH, own=True)
    switch.source(1, 10, PUSH)
    return switch.send(1)


def swap_of_nothing(switch: Recipes) -> Any:
    switch.vlan(10, 1, 2, op=SWAP, own=True)
    switch.source(1, 10)
    return switch.send(1)


def native_untagged(switch: Recipes) -> Any:
    switch.vlan(5, 1, 8, op=POP)
    switch.native(8, 5)
    return switch.send(8)


def selector_after_a_pop(switch: Recipes) -> Any:
    switch.vlan(10, 1, 2, op=PUSH)
    switch.source(1, 10, POP)
    return switch.send(1, 10, 20)


def priority_tag_on_an_access_port(switch: Recipes) -> Any:
    switch.three_vlans()
    switch.vlan(0, 1, 2)
    return switch.send(1, 0)


def egress_filter_and_pop(switch: Recipes) -> Any:
    switch.vlan(10, 1, 2)
    switch.access(1, 10)
    switch.egress(2, POP, bits=1 << 29)
    return switch.send(1)


def address_of_a_refused_frame(switch: Recipes) -> Any:
    switch.close_all()
    switch.vlan(10, 2, 3, 4)
    switch.send(1, 10, src=0x02AA)
    return set(switch.send(2, 10, dst=0x02AA))


def untagged_at_the_chip(switch: Recipes) -> Any:
    switch.three_vlans()
    return switch.send(5)


CASES = {
    "member-check": Case(foreign_tag_on_an_access_port, {}, {3: [20], 4: [20], 8: [10, 20]}),
    "table-reset": Case(tagged_frame_after_reset, True, False),
    "tag-limits": Case(three_tags, False, True),
    "known-tpids": Case(s_tag_on_an_access_port, {}, {2: [20], 8: [10, 20]}),
    "mixed-assignment": Case(mixed_assignment, {2: [77]}, {3: [77]}),
    "specific-vid": Case(priority_tag_as_no_vid, {2: [0]}, {2: []}),
    "classified-by": Case(canonical_tagged_in, {3: [20]}, {1: []}),
    "table-op": Case(both_operations_push, {2: [10, 10]}, {2: [10]}),
    "swap-untagged": Case(swap_of_nothing, {2: []}, {2: [10]}),
    "pop-untagged": Case(native_untagged, {1: []}, {}),
    "selectors": Case(selector_after_a_pop, {2: [20, 20]}, {2: [10, 20]}),
    "priority-tag": Case(priority_tag_on_an_access_port, {}, {2: [0]}),
    "egress-filters": Case(egress_filter_and_pop, {}, {2: []}),
    "learning": Case(address_of_a_refused_frame, {3, 4}, set()),
    "cpu-port": Case(untagged_at_the_chip, {8: [30], 9: []}, {8: [30], 9: [30]}),
}


@pytest.mark.parametrize("name", CASES)
def test_an_assumption_decides_what_becomes_of_a_frame(name: str) -> None:
    case = CASES[name]
    assert case.seen(Recipes()) == case.assumed
    assert case.seen(Recipes({name: ASSUMPTIONS[name].values[1]})) == case.otherwise


def test_every_assumption_is_shown_to_matter() -> None:
    assert set(CASES) | ELSEWHERE == set(ASSUMPTIONS)


def baseline(switch: Recipes) -> bool:
    """Three VLANs by the baseline recipe, told by what leaves where."""
    switch.three_vlans()
    return (
        switch.send(1) == {2: [], 8: [10]}
        and switch.send(8, 20) == {3: [], 4: []}
        and switch.send(5) == {8: [30], 9: []}
        and not any((switch.send(1, 20), switch.send(8), switch.send(8, 0), switch.send(6)))
    )


def native(switch: Recipes) -> bool:
    """A native VLAN on a trunk by the baseline recipe."""
    switch.close_all()
    switch.access(1, 10)
    switch.source(2, 5)
    switch.refuse(2, 0, 1)
    switch.native(8, 5)
    switch.vlan(10, 1, 8)
    switch.vlan(5, 2, 8, op=POP)
    return (
        switch.send(2) == {8: []}
        and switch.send(8) == {2: []}
        and switch.send(8, 5) == {2: []}
        and switch.send(8, 10) == {1: []}
        and not switch.send(8, CLOSED_VID)
    )


def canonical(switch: Recipes) -> bool:
    """Ports that take everything, and a trunk, by the canonical recipe."""
    switch.canonical({10: {1: POP, 8: NONE}, 20: {2: POP}})
    switch.vlan(20, 2, 8, op=PUSH, own=True)
    return switch.send(1) == {8: [10]} == switch.send(1, 10) and switch.send(8, 20) == {2: []}


#: Plans that no longer do what they should once this assumption is wrong.
BREAKS = {
    baseline: {"cpu-port"},
    native: {"pop-untagged"},
    canonical: {"classified-by", "table-op", "pop-untagged"},
}


@pytest.mark.parametrize("plan", BREAKS, ids=lambda plan: plan.__name__)
def test_a_plan_breaks_under_the_assumptions_it_rests_on_and_no_others(plan: Callable[[Recipes], bool]) -> None:
    assert plan(Recipes())
    broken = {name for name in CASES if not plan(Recipes({name: ASSUMPTIONS[name].values[1]}))}
    assert broken == BREAKS[plan]


def test_a_table_that_is_closed_after_reset_needs_a_reset_to_be_so() -> None:
    board = InProcessBoard(assumptions={"table-reset": "closed"})
    assert board.board.switch.memory.word(0x1064FC + 8 * 100) == 0
    board.board.switch.assumptions.assume("table-reset", "open")
    assert board.board.switch.memory.word(0x1064FC + 8 * 100) == 0
    board.board.switch.restart()
    assert board.board.switch.memory.word(0x1064FC + 8 * 100) == 0x7FF


def test_part_of_an_entry_may_not_be_taken() -> None:
    switch = Recipes({"entry-writes": "whole"})
    switch.memory.write(SOURCE + 16 * 2, [0x20000009])
    assert switch.memory.word(SOURCE + 16 * 2) == 9
    switch.memory.write(SOURCE + 16 * 2, [0x20000009, 0x40000, 0, 0])
    assert switch.memory.word(SOURCE + 16 * 2) == 0x20000009
    switch.memory.write(INGRESS_FILTER, [1])
    assert switch.memory.word(INGRESS_FILTER) == 1


def test_reserved_bits_keep_what_they_are_given_or_do_not() -> None:
    for value, kept in (("kept", 0xFFFFFFFF), ("zero", 0x1FFFFFFF)):
        switch = Recipes({"reserved-bits": value})
        trespasses: list[tuple[int, int]] = []
        switch.memory.on_trespass = lambda address, bits, seen=trespasses: seen.append((address, bits))
        switch.memory.write(0x1064FC, [0, 0xFFFFFFFF])
        assert switch.memory.word(0x106500) == kept
        assert trespasses == [(0x106500, 0xE0000000)]


def test_panel_numbers_may_run_the_other_way() -> None:
    switch = Recipes({"port-numbers": "reversed"})
    switch.vlan(10, 1, 2)
    switch.source(1, 10)
    assert switch.send(8) == {7: []}
    switch.chip.set_partner(8, 0)
    assert not switch.memory.word(0x1420FC) & 2, "port 8 is the first UTP port now"
