"""VLAN tables as the chip can hold them: what leaves where, what is refused, what is left alone, what is read back."""

from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hardware.jl6108.numbering import ALL_PORTS, core_port
from hardware.jl6108.recipes import NOWHERE_VID, ChipVlans, interpret, translate
from hardware.jl6108.vlans import CLOSED, OPEN, EgressPort, FrameFilter, PortTables, SourcePort, TagOperation, VlanEntry
from hardware.simulator import net
from hardware.switch_errors import VlanTableRefused
from hardware.vlan import (
    CPU_PORT,
    FRONT_PORTS,
    Accepts,
    PortRule,
    Recipe,
    Tagging,
    Vlan,
    VlanTable,
    carriage,
    refusals,
)
from tests.hardware.jl6108.conftest import Bench
from tests.hardware.jl6108.pipeline import by_802_1q, forward

U, T = Tagging.UNTAGGED, Tagging.TAGGED
QUICK = settings(max_examples=60, derandomize=True, deadline=None)
LONG = settings(max_examples=3000, deadline=None)
FRESH = {port: PortTables(SourcePort(0x9 | 0x40000 << 32), EgressPort(0), FrameFilter(0)) for port in ALL_PORTS}
FOREIGN_VID = 77


def table_of(*vlans: Vlan, management: int = 1, rules: dict[int, PortRule] | None = None) -> VlanTable:
    return VlanTable(vlans, management, rules or {})


#: Management and two labs on one trunk, as the vendor's plan of three VLANs has it.
TRUNK = table_of(
    Vlan(1, "management", {7: U, 8: T}),
    Vlan(10, "red", {1: U, 2: U, 3: U, 8: T}),
    Vlan(20, "blue", {4: U, 5: U, 6: U, 8: T}),
)
NATIVE = table_of(Vlan(1, "home", {7: U, 8: U}), Vlan(10, "lab", {1: U, 2: U, 8: T}))


# Strategies are made once for whatever they choose from: made anew for each draw, that takes longer than the drawing.
VIDS = st.lists(st.integers(1, 4094).filter(lambda vid: vid != FOREIGN_VID), min_size=1, max_size=4, unique=True)


@cache
def one_of(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


@cache
def some_of(options: tuple[Any, ...]) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(one_of(options))


@st.composite
def tables(draw: st.DrawFn) -> VlanTable:
    """Any table of one to four VLANs that contradicts nothing, whether the chip can do it or not."""
    vids = draw(VIDS)
    places = tuple(range(len(vids)))  # there are as many strategies of these as lengths
    # Most ports are access ports or trunks; any mixture is drawn as well.
    members: dict[int, dict[int, Tagging]] = {vid: {} for vid in vids}
    rules: dict[int, PortRule] = {}
    for port in FRONT_PORTS:
        kind = draw(one_of(("none", "access", "trunk", "any")))
        if kind == "access":
            members[vids[draw(one_of(places))]][port] = U
        elif kind == "trunk":
            for place in draw(some_of(places)):
                members[vids[place]][port] = T
        elif kind == "any":
            for vid in vids:
                how = draw(one_of((None, U, T)))
                if how:
                    members[vid][port] = how
        rules[port] = rule_for(draw, {vid: members[vid][port] for vid in vids if port in members[vid]})
    return VlanTable(tuple(Vlan(vid, "", members[vid]) for vid in vids), vids[draw(one_of(places))], rules)


def rule_for(draw: st.DrawFn, mine: dict[int, Tagging]) -> PortRule:
    untagged = [vid for vid, how in mine.items() if how is U]
    if not mine or (not untagged and draw(st.booleans())):
        return PortRule(None, Accepts.TAGGED)
    usual = Accepts.UNTAGGED if len(untagged) == len(mine) else Accepts.ALL
    able = untagged or list(mine)
    return PortRule(able[draw(one_of(tuple(range(len(able)))))], draw(one_of((usual, *Accepts))))


def frames(table: VlanTable) -> list[tuple[int, ...]]:
    return [(), (FOREIGN_VID,), *((vlan.vid,) for vlan in table.vlans), (table.vlans[0].vid, FOREIGN_VID)]


@pytest.mark.parametrize("recipe", Recipe)
@QUICK
@given(table=tables())
@example(table=TRUNK)
@example(table=NATIVE)
def test_every_frame_leaves_where_802_1q_says_and_tagged_as_it_says(recipe: Recipe, table: VlanTable) -> None:
    send_every_frame(recipe, table)


@pytest.mark.soak
@pytest.mark.parametrize("recipe", Recipe)
@LONG
@given(table=tables())
def test_every_frame_of_many_tables_leaves_where_802_1q_says(recipe: Recipe, table: VlanTable) -> None:
    send_every_frame(recipe, table)


@pytest.mark.parametrize("recipe", Recipe)
@settings(QUICK, max_examples=15)
@given(table=tables())
@example(table=TRUNK)
@example(table=NATIVE)
def test_the_simulated_chip_sends_every_frame_where_802_1q_says(recipe: Recipe, table: VlanTable) -> None:
    """The same with the model that others wrote from the reference, which also learns and filters."""
    assume(not refusals(table, recipe))
    switch = net.linked_switch()
    held = translate(table, FRESH, recipe=recipe)
    for vid in {0, FOREIGN_VID, NOWHERE_VID, *held.entries}:
        switch.memory.write(VlanEntry.register.at(vid), list(held.entry(vid).words))
    for port, tables_of in held.ports.items():
        for entry in (tables_of.source, tables_of.egress, tables_of.frame_filter):
            switch.memory.write(entry.register.at(core_port(port)), list(entry.words))
    for port, vids in product(ALL_PORTS, [(), (FOREIGN_VID,), *((vlan.vid,) for vlan in table.vlans)]):
        if port != CPU_PORT or not vids:
            left = net.forward(switch, port, net.tagged(*vids))
            assert {other: tuple(tag.vid for tag in frame.tags) for other, frame in left} == by_802_1q(
                table, port, vids
            ), (port, vids)


def carried_at_access_ports(table: VlanTable, recipe: Recipe) -> list[set[Tagging]]:
    """For each port without tagged VLANs, how those that it has are carried."""
    carried = carriage(table, recipe)
    return [{carried[vid] for vid in table.vids(port, U)} for port in FRONT_PORTS if not table.vids(port, T)]


def send_every_frame(recipe: Recipe, table: VlanTable) -> None:
    assume(not refusals(table, recipe))
    chip = translate(table, FRESH, recipe=recipe)
    for port in ALL_PORTS:
        for frame in frames(table):
            if port == CPU_PORT and frame:
                continue  # what it would do with a tag is not known
            if len(frame) > 1 and any(len(ways) > 1 for ways in carried_at_access_ports(table, recipe)):
                continue  # where nothing is to be taken off, the inner tag is
            assert forward(chip, port, frame) == by_802_1q(table, port, frame), (port, frame)


@QUICK
@given(table=tables())
def test_a_tag_that_only_carries_a_priority_stays_in_its_vlan_or_is_dropped(table: VlanTable) -> None:
    for recipe in Recipe:
        if not refusals(table, recipe):
            chip = translate(table, FRESH, recipe=recipe)
            for port in FRONT_PORTS:
                # VID 0 is closed: the one departure of section 26.
                assert forward(chip, port, (0,)) == {}


@QUICK
@given(table=tables())
def test_a_table_is_refused_only_if_no_way_of_carrying_its_vlans_gives_it(table: VlanTable) -> None:
    vids = [vlan.vid for vlan in table.vlans]
    possible = any(
        all(_can_leave(table, port, dict(zip(vids, carried, strict=True))) for port in ALL_PORTS)
        for carried in product([U, T], repeat=len(vids))
    )
    assert (not refusals(table, Recipe.CANONICAL)) == possible


def _can_leave(table: VlanTable, port: int, carried: dict[int, Tagging]) -> bool:
    """Whether one egress operation of a port makes every VLAN leave as it is to, by how it comes."""
    untagged, tagged = table.vids(port, U), table.vids(port, T)
    nothing = all(carried[vid] is U for vid in untagged) and all(carried[vid] is T for vid in tagged)
    pop = not tagged
    push = not untagged and len(tagged) == 1 and carried[tagged[0]] is U
    return nothing or pop or push


@QUICK
@given(table=tables())
def test_each_refusal_names_its_vlan_its_ports_and_something_that_works(table: VlanTable) -> None:
    for refusal in refusals(table):
        assert refusal.ports
        assert all(f"{port}" in refusal.reason for port in refusal.ports)
        assert f"{refusal.vid}" in refusal.reason or refusal.code == "admits-all"
        assert refusal.nearest


def test_a_vlan_that_is_needed_both_ways_is_refused_and_the_way_out_works() -> None:
    asked = table_of(Vlan(1, "", {8: T}), Vlan(10, "", {7: T, 8: U}), Vlan(20, "", {7: T, 8: T}))
    (refusal,) = refusals(asked)
    assert (refusal.code, refusal.vid, refusal.ports) == ("both-ways", 10, (7, 8))
    assert refusal.nearest.startswith("VLAN 10 tagged on port 8 too")
    with pytest.raises(VlanTableRefused, match="VLAN 10 is to leave port 8 untagged beside tagged VLANs, and port 7"):
        carriage(asked)
    for nearest in (
        table_of(Vlan(1, "", {8: T}), Vlan(10, "", {7: T, 8: T}), Vlan(20, "", {7: T, 8: T})),
        table_of(Vlan(1), Vlan(10, "", {7: T, 8: U}), Vlan(20, "", {7: T})),
        table_of(Vlan(1, "", {8: T}), Vlan(10, "", {7: T, 8: U}), Vlan(20, "", {8: T})),
    ):
        assert refusals(nearest) == ()


def test_a_port_that_takes_in_both_kinds_of_frames_needs_the_canonical_recipe() -> None:
    everything = PortRule(10, Accepts.ALL)
    access = table_of(Vlan(1), Vlan(10, "", {3: U}), rules={3: everything})
    trunk = table_of(Vlan(1, "", {3: T}), Vlan(10, "", {3: T}), rules={3: everything})
    for table, code in ((access, "admits-all"), (trunk, "tagged-pvid")):
        (refusal,) = refusals(table)
        assert (refusal.code, refusal.ports) == (code, (3,))
        assert refusals(table, Recipe.CANONICAL) == ()


def test_an_access_port_is_set_up_as_section_26_says() -> None:
    chip = translate(TRUNK, FRESH)
    port = chip.ports[1]
    # As the vector access_port leaves it, with the filter of item 12.
    assert port.source.words == (0x40AA0009, 0x00040001, 0, 0)
    assert port.egress.words == (0x6, 0)
    assert port.frame_filter.words == (0b11,)
    assert chip.entries[10].words == (1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 10 << 11, 0)


def test_a_trunk_puts_untagged_frames_nowhere() -> None:
    trunk = translate(TRUNK, FRESH).ports[8]
    assert trunk.source["default_vid"] == NOWHERE_VID
    assert trunk.source["operation"] == trunk.egress["operation"] == TagOperation.NONE
    assert trunk.frame_filter.words == (0b1000,)


def test_a_native_vlan_loses_its_tag_in_the_table_and_nowhere_else() -> None:
    chip = translate(NATIVE, FRESH)
    assert chip.entries[1]["operation"] == TagOperation.POP
    assert chip.ports[8].source["default_vid"] == 1
    for port in (7, 8, CPU_PORT):
        assert chip.ports[port].source["operation"] == chip.ports[port].egress["operation"] == TagOperation.NONE
    assert chip.ports[1].source["operation"] == TagOperation.PUSH


def test_vlans_that_a_port_has_untagged_together_travel_alike_where_they_can() -> None:
    table = table_of(
        Vlan(1, "", {8: U}),
        Vlan(10, "", {1: U, 2: U, 8: T}),
        Vlan(20, "", {1: U, 3: T}),
        Vlan(30, "", {3: U, 4: U}),
        Vlan(40, "", {4: U, 5: U}),
        Vlan(50, "", {5: U}),
        rules={1: PortRule(20, Accepts.UNTAGGED), 4: PortRule(30, Accepts.UNTAGGED), 5: PortRule(50, Accepts.UNTAGGED)},
    )
    # 1 and 30 are native beside tagged VLANs; 40 and 50 are untagged with 30, one by way of the other.
    assert carriage(table) == {1: U, 10: T, 20: T, 30: U, 40: U, 50: U}


def test_the_switchs_own_port_is_in_the_management_vlan_and_in_no_other() -> None:
    chip = translate(TRUNK, FRESH)
    assert [vid for vid, entry in chip.entries.items() if CPU_PORT in entry.ports] == [1]
    assert chip.ports[CPU_PORT].source["default_vid"] == 1
    assert chip.ports[CPU_PORT].frame_filter == FRESH[CPU_PORT].frame_filter


def test_a_port_in_no_vlan_lets_nothing_in() -> None:
    idle = translate(table_of(Vlan(1)), FRESH).ports[4]
    assert idle.frame_filter.words == (0b1011,)
    assert idle.source["default_vid"] == NOWHERE_VID


def test_every_vlan_learns_by_itself_unless_a_port_has_it_untagged_beside_another() -> None:
    alone = translate(TRUNK, FRESH)
    assert {vid: entry["fid"] for vid, entry in alone.entries.items()} == {1: 1, 10: 10, 20: 20}
    # Asymmetric VLANs: the server on port 8 is in both, the clients in one each.
    shared = table_of(
        Vlan(5),
        Vlan(10, "", {1: U, 8: U}),
        Vlan(20, "", {2: U, 8: U}),
        Vlan(30, "", {8: U, 1: U, 2: U}),
        management=5,
        rules={1: PortRule(10, Accepts.UNTAGGED), 2: PortRule(20, Accepts.UNTAGGED), 8: PortRule(30, Accepts.UNTAGGED)},
    )
    fids = {vid: entry["fid"] for vid, entry in translate(shared, FRESH).entries.items()}
    assert fids == {5: 5, 10: 10, 20: 10, 30: 10}


@QUICK
@given(st.integers(0, (1 << 128) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 32) - 1))
def test_bits_that_are_not_about_vlans_stay(source: int, egress: int, frame_filter: int) -> None:
    running = {**FRESH, 1: PortTables(SourcePort(source), EgressPort(egress), FrameFilter(frame_filter))}
    entry = VlanEntry(source & ((1 << 64) - 1))
    chip = translate(TRUNK, running, {10: entry})
    kept = {"learning": 1, "use_acl": 1, "most_vlans": 1, "fewest_vlans": 1, "mirrored": 1, "spanning_tree": 1}
    assert {name: chip.ports[1].source[name] for name in kept} == {name: SourcePort(source)[name] for name in kept}
    assert chip.ports[1].source.value >> 73 == source >> 73
    assert chip.ports[1].egress["disabled"] == EgressPort(egress)["disabled"]
    assert chip.ports[1].egress.value >> 34 == egress >> 34
    assert chip.ports[1].frame_filter.value >> 5 == frame_filter >> 5
    for name in ("policer_valid", "policer", "policer_order", "spanning_tree"):
        assert chip.entries[10][name] == entry[name]
    assert chip.entries[10].value >> 61 == entry.value >> 61


def test_tables_of_a_port_that_were_not_read_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="are needed"):
        translate(TRUNK, {port: FRESH[port] for port in FRONT_PORTS})


@QUICK
@given(table=tables())
def test_what_was_written_is_read_back_as_the_same_table(table: VlanTable) -> None:
    for recipe in Recipe:
        if refusals(table, recipe):
            continue
        read = interpret(translate(table, FRESH, recipe=recipe), {vlan.vid: vlan.name for vlan in table.vlans})
        assert read is not None
        # Either recipe may have given the same words; the table is the same.
        assert translate(read[0], FRESH, recipe=read[1]) == translate(table, FRESH, recipe=recipe)


def test_names_come_back_with_the_table() -> None:
    names = {vlan.vid: vlan.name for vlan in TRUNK.vlans}
    assert interpret(translate(TRUNK, FRESH), names) == (TRUNK, Recipe.BASELINE)


def test_a_chip_that_somebody_else_set_up_is_no_table_of_ours() -> None:
    chip = translate(TRUNK, FRESH)
    assert interpret(ChipVlans(dict.fromkeys(range(4096), OPEN), FRESH)) is None
    assert interpret(ChipVlans({**chip.entries, 30: VlanEntry.of({1}, 30).replace(operation=4)}, chip.ports)) is None
    odd = PortTables(chip.ports[1].source, chip.ports[1].egress.replace(operation=7), chip.ports[1].frame_filter)
    assert interpret(ChipVlans(chip.entries, {**chip.ports, 1: odd})) is None
    assert chip.entry(30) == CLOSED


def test_what_a_table_needs_is_what_the_chip_then_holds(bench: Bench) -> None:
    running = ChipVlans(bench.chip.read_vlans([0, 1, 10, 20, NOWHERE_VID]), bench.chip.read_all_port_tables())
    wanted = translate(TRUNK, running.ports)
    for port, tables in wanted.ports.items():
        bench.chip.write_port_tables(port, tables, running.ports[port])
    for vid in (0, 1, 10, 20, NOWHERE_VID):
        bench.chip.write_vlan(vid, wanted.entry(vid))
    held = ChipVlans(bench.chip.read_vlans(wanted.entries), bench.chip.read_all_port_tables())
    assert held == wanted
    assert bench.chip.read_vlan(30) == OPEN
