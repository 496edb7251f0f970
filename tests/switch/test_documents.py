"""Documents: a table survives the way out and back, and what nobody can mean is refused in one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from hardware.switch_errors import VlanTableInvalid
from hardware.switch_setup import SwitchSetup
from hardware.vlan import Accepts, PortRule, Tagging
from switch.documents import USUAL, chip_from_json, chip_json, from_document, to_document
from tests.switch.tables import RESET, chip_of, same, setups

QUICK = settings(max_examples=50, derandomize=True, deadline=None)


@QUICK
@given(setup=setups())
def test_a_setup_survives_the_way_out_and_back(setup: SwitchSetup) -> None:
    document = json.loads(json.dumps(to_document(setup, USUAL)))
    assert from_document(document, USUAL) == setup
    assert to_document(from_document(document, USUAL), USUAL) == document


@QUICK
@given(setup=setups())
def test_the_chips_contents_survive_as_json(setup: SwitchSetup) -> None:
    for chip in (chip_of(setup), RESET):
        text = json.dumps(chip_json(chip))
        assert same(chip_from_json(json.loads(text)), chip)
        assert len(text) < 4000


def test_a_document_speaks_of_slots() -> None:
    setup = from_document(
        {"management_vid": 1, "vlans": [{"vid": 1, "untagged": [1, "2"], "tagged": ["uplink"]}]}, USUAL
    )
    table = setup.table
    assert dict(table.vlans[0].members) == {6: Tagging.UNTAGGED, 7: Tagging.UNTAGGED, 8: Tagging.TAGGED}
    assert table.rules[7] == PortRule(1, Accepts.UNTAGGED)
    assert to_document(setup, USUAL)["vlans"][0]["untagged"] == [1, 2]


def test_a_port_that_is_only_named_has_the_usual_rule_and_half_a_rule_is_completed() -> None:
    vlans = [{"vid": 1, "untagged": [1, 2, 3], "tagged": []}, {"vid": 5, "tagged": [2]}]
    ports: list[dict[str, Any]] = [{"port": 1}, {"port": 2, "accepts": "untagged"}, {"port": 3, "pvid": 1}]
    table = from_document({"management_vid": 1, "vlans": vlans, "ports": ports}, USUAL).table
    assert [table.rules[port] for port in (7, 6, 5)] == [PortRule(1, Accepts.UNTAGGED)] * 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vlans": None}, "vlans is to be a list, not None."),
        ({"vlans": [{"vid": "1"}]}, "vid is to be a whole number, not '1'."),
        ({"vlans": [{"vid": True}]}, "vid is to be a whole number, not True."),
        ({"vlans": [{"vid": 1, "untagged": [8]}]}, 'A port is a slot\'s number, 1 to 7, or "uplink", not 8.'),
        ({"vlans": [{"vid": 1, "untagged": [[]]}]}, 'A port is a slot\'s number, 1 to 7, or "uplink", not [].'),
        ({"vlans": [{"vid": 1, "untagged": [2], "tagged": [2]}]}, "Slot 2 is in VLAN 1 twice."),
        ({"vlans": [{"vid": 1, "name": 5}]}, "The name of VLAN 1 is to be text, not 5."),
        ({"vlans": [{"vid": 4095}]}, "A VLAN's number is 1 to 4094, not 4095."),
        ({"vlans": [{"name": "x"}]}, "Each of vlans lacks vid."),
        ({"colour": "red"}, "The document has a key that nobody knows, 'colour'."),
        ({"ports": [{"port": 1, "accepts": "some"}]}, "accepts is one of all, tagged, untagged, not 'some'."),
        ({"ports": [{"port": 1, "accepts": []}]}, "accepts is one of all, tagged, untagged, not []."),
        ({"ports": [{"port": 1, "pvid": 9}]}, "The PVID of port 7, 9, is not a VLAN that the port is in."),
        ({"ports": [{"port": 1}, {"port": 1, "pvid": 1}, {"port": 1}]}, "Slot 1 is in ports twice."),
        ({"management_vid": 2}, "VLAN 2, which the switch's own pages are to be in, is not in the table."),
        ({"ports": 5}, "ports is to be a list, not 5."),
    ],
)
def test_what_nobody_can_mean_is_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    document = {"management_vid": 1, "vlans": [{"vid": 1, "untagged": [1]}], **change}
    with pytest.raises(VlanTableInvalid) as refused:
        from_document(document, USUAL)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"vlans": []}])
def test_what_is_no_document_is_refused(document: object) -> None:
    with pytest.raises(VlanTableInvalid, match=r"^The document "):
        from_document(document, USUAL)
