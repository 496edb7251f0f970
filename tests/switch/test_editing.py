"""What one touch of the grid makes of a table."""

import pytest

from hardware.switch_errors import SetupInvalid, VlanTableInvalid
from hardware.switch_setup import Mirror, PortSetup, SwitchSetup
from hardware.vlan import Accepts, PortRule, Tagging, Vlan, VlanTable, refusals
from switch import editing
from switch.documents import USUAL

SLOT4, UPLINK = USUAL.port(4), USUAL.uplink
U, T = Tagging.UNTAGGED, Tagging.TAGGED


@pytest.mark.parametrize("key", editing.PATTERNS)
def test_the_switch_can_do_every_template_and_management_stays(key):
    setup = editing.PATTERNS[key].make(SwitchSetup(editing.lab(USUAL)), USUAL)
    assert refusals(setup.table) == ()
    assert {USUAL.uplink, USUAL.controller} <= setup.table.ports(setup.table.management_vid)
    assert not setup.are_apart(USUAL.uplink, USUAL.controller)


def test_slots_are_apart_in_the_template_that_says_so():
    table = editing.separate(USUAL)
    for vlan in table.vlans:
        assert len(set(vlan.members) - {UPLINK}) == 1
        assert UPLINK in vlan.members


def test_slots_that_are_apart_go_on_hearing_the_uplink_and_the_controller():
    apart = editing.PATTERNS["apart"].make(SwitchSetup(editing.lab(USUAL)), USUAL)
    soms = [USUAL.port(slot) for slot in range(2, 8)]
    assert all(apart.are_apart(one, other) for one in soms for other in soms if one != other)
    assert not any(apart.are_apart(one, other) for one in soms for other in (UPLINK, USUAL.controller))
    assert apart.table == editing.together(USUAL)


def test_a_template_leaves_links_and_mirror_and_takes_isolation_back():
    slow = PortSetup(mbps=100)
    setup = editing.mirror(editing.set_port(SwitchSetup(editing.lab(USUAL)), SLOT4, slow), UPLINK, {SLOT4}, ())
    apart = editing.PATTERNS["apart"].make(setup, USUAL)
    back = editing.PATTERNS["lab"].make(apart, USUAL)
    assert back == setup
    assert apart.ports[SLOT4] == slow
    assert apart.mirror == Mirror(UPLINK, frozenset({SLOT4}))


def test_a_pair_is_the_same_from_either_side():
    setup = editing.keep_apart(SwitchSetup(editing.lab(USUAL)), UPLINK, SLOT4, True)
    assert setup.are_apart(SLOT4, UPLINK)
    assert setup.apart == editing.keep_apart(setup, SLOT4, UPLINK, True).apart
    assert editing.keep_apart(setup, SLOT4, UPLINK, False).apart == frozenset()
    assert editing.let_all_hear(setup).apart == frozenset()
    with pytest.raises(SetupInvalid, match="apart from itself"):
        editing.keep_apart(setup, SLOT4, SLOT4, True)


def test_a_mirror_ends_where_copies_go_nowhere():
    setup = editing.mirror(SwitchSetup(editing.lab(USUAL)), SLOT4, (), {UPLINK})
    assert setup.mirror == Mirror(SLOT4, frozenset(), frozenset({UPLINK}))
    assert editing.mirror(setup, None, {UPLINK}, ()).mirror is None


def test_a_port_becomes_untagged_in_one_vlan_and_leaves_the_other():
    table = editing.add(editing.lab(USUAL), 20, "build")
    moved = editing.join(table, 20, SLOT4, U)
    assert SLOT4 not in moved.vlan(10).members
    assert moved.vlan(20).members == {SLOT4: U}
    assert moved.rules[SLOT4] == PortRule(20, Accepts.UNTAGGED)


def test_a_tagged_vlan_beside_the_untagged_one_is_taken_in_as_well():
    table = editing.join(editing.add(editing.lab(USUAL), 20, ""), 20, SLOT4, T)
    assert table.vids(SLOT4, U) == (10,)
    assert table.vids(SLOT4, T) == (20,)
    assert table.rules[SLOT4] == PortRule(10, Accepts.ALL)


def test_a_port_that_leaves_its_last_vlan_takes_in_nothing():
    left = editing.join(editing.lab(USUAL), 10, SLOT4, None)
    assert left.rules[SLOT4] == PortRule(None, Accepts.TAGGED)
    assert editing.join(left, 10, SLOT4, None) == left


def test_a_port_with_several_untagged_vlans_from_a_file_keeps_its_pvid():
    members = {SLOT4: U, UPLINK: U}
    rules = {port: PortRule(20, Accepts.UNTAGGED) for port in members}
    table = VlanTable((Vlan(1, "", members), Vlan(20, "", members), Vlan(30, "", {})), 1, rules)
    touched = editing.join(table, 30, SLOT4, T)
    assert touched.rules[SLOT4] == PortRule(20, Accepts.ALL)
    assert editing.join(table, 20, SLOT4, T).rules[SLOT4] == PortRule(1, Accepts.ALL)


def test_a_vlan_that_goes_takes_its_ports_with_it_and_the_management_vlan_stays():
    table = editing.remove(editing.lab(USUAL), 10)
    assert [vlan.vid for vlan in table.vlans] == [1]
    assert table.rules[SLOT4].pvid is None
    with pytest.raises(VlanTableInvalid, match="own pages are in VLAN 1"):
        editing.remove(table, 1)
    moved = editing.remove(editing.manage(editing.lab(USUAL), 10), 1)
    assert moved.management_vid == 10


def test_what_is_not_there_cannot_be_touched():
    table = editing.lab(USUAL)
    for act in (editing.remove, editing.manage):
        with pytest.raises(VlanTableInvalid, match="VLAN 99 is not in the table"):
            act(table, 99)
    with pytest.raises(VlanTableInvalid, match="VLAN 99"):
        editing.join(table, 99, SLOT4, U)
    with pytest.raises(VlanTableInvalid, match="twice"):
        editing.add(table, 10, "again")


def test_names_and_rules_change_nothing_else():
    table = editing.lab(USUAL)
    named = editing.rename(table, 10, "Werkstatt")
    assert named.vlan(10).name == "Werkstatt"
    assert named.vlan(10).members == table.vlan(10).members
    ruled = editing.rule(table, UPLINK, None, Accepts.TAGGED) if not table.vids(UPLINK, U) else table
    assert ruled == table, "an untagged port needs its PVID"
    assert editing.rule(table, UPLINK, 10, Accepts.ALL).rules[UPLINK].pvid == 10


@pytest.mark.parametrize(("vids", "free"), [((1,), 10), ((1, 10, 25), 30), ((4094,), 1), ((1, 2, 4091), 3)])
def test_a_free_vid_is_offered(vids, free):
    assert editing.free_vid(VlanTable(tuple(Vlan(vid) for vid in vids), vids[0])) == free
