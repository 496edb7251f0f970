"""VLAN tables that people write down: what is sound, what is not, and what goes without saying."""

import pytest

from hardware.switch_errors import VlanTableInvalid
from hardware.vlan import CPU_PORT, Accepts, PortRule, Tagging, Vlan, VlanTable

U, T = Tagging.UNTAGGED, Tagging.TAGGED


def test_the_usual_rules_go_without_saying() -> None:
    table = VlanTable((Vlan(10, "lab", {1: U, 8: T}), Vlan(1, "home", {7: U, 8: U})), management_vid=1)
    assert [vlan.vid for vlan in table.vlans] == [1, 10]
    assert table.rules[1] == PortRule(10, Accepts.UNTAGGED)
    assert table.rules[8] == PortRule(1, Accepts.ALL)
    assert table.rules[2] == PortRule(None, Accepts.TAGGED)
    assert set(table.rules) == set(range(1, 9))


def test_the_switchs_own_port_is_in_the_management_vlan() -> None:
    table = VlanTable((Vlan(1, "", {8: U}), Vlan(2, "", {1: U})), management_vid=1)
    assert table.ports(1) == {8, CPU_PORT}
    assert table.ports(2) == {1}
    assert table.vids(CPU_PORT, U) == (1,)
    assert table.vids(CPU_PORT, T) == ()


@pytest.mark.parametrize("vid", [-1, 0, 4095, 4096])
def test_a_number_that_is_no_vlans_is_refused(vid: int) -> None:
    with pytest.raises(VlanTableInvalid, match=f"1 to 4094, not {vid}"):
        Vlan(vid)


@pytest.mark.parametrize("port", [0, CPU_PORT, 10])
def test_a_port_that_is_not_there_is_refused(port: int) -> None:
    with pytest.raises(VlanTableInvalid, match="ports 1 to 8"):
        Vlan(10, "", {port: U})
    with pytest.raises(VlanTableInvalid, match="ports 1 to 8"):
        VlanTable((Vlan(1),), 1, {port: PortRule()})


@pytest.mark.parametrize("name", ["x" * 33, "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(VlanTableInvalid, match="name of VLAN 10"):
        Vlan(10, name)


@pytest.mark.parametrize(
    ("vlans", "management", "rules", "sentence"),
    [
        ((Vlan(1), Vlan(1, "again")), 1, {}, "VLAN 1 is in the table twice"),
        ((Vlan(1),), 2, {}, "VLAN 2, which the switch's own pages are to be in, is not in the table"),
        ((), 1, {}, "is not in the table"),
        ((Vlan(1, "", {3: U}), Vlan(2, "", {3: U})), 1, {}, "say which of them is its PVID"),
        ((Vlan(1, "", {3: U}),), 1, {3: PortRule(2, Accepts.UNTAGGED)}, "PVID of port 3, 2, is not a VLAN"),
        ((Vlan(1, "", {3: U}),), 1, {3: PortRule(0, Accepts.UNTAGGED)}, "PVID of port 3, 0, is not a VLAN"),
        ((Vlan(1, "", {3: T}),), 1, {3: PortRule(None, Accepts.ALL)}, "untagged frames but has no PVID"),
        ((Vlan(1, "", {3: U}),), 1, {3: PortRule(None, Accepts.TAGGED)}, "untagged in a VLAN but has no PVID"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    vlans: tuple[Vlan, ...], management: int, rules: dict[int, PortRule], sentence: str
) -> None:
    with pytest.raises(VlanTableInvalid, match=sentence):
        VlanTable(vlans, management, rules)


def test_equal_tables_are_equal_in_whatever_order_they_were_written() -> None:
    one = VlanTable((Vlan(1, "", {8: U}), Vlan(2, "", {1: U, 2: U})), 1)
    other = VlanTable(
        (Vlan(2, "", {2: U, 1: Tagging("untagged")}), Vlan(1, "", {8: U})), 1, {8: PortRule(1, Accepts.UNTAGGED)}
    )
    assert one == other
    assert hash(one) == hash(other)
