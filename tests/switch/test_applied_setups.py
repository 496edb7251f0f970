"""Links, isolation and mirror on the switch: written with the VLANs, read back, confirmed or put back with them."""

import os
from dataclasses import replace

import pytest

from hardware.jl6108.ports import Ability, Pause
from hardware.simulator import net
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from hardware.vlan import Vlan, VlanTable
from operations import refusals
from operations.models import OperationState
from switch.documents import chip_json
from switch.models import SwitchState, VlanChange, VlanRevision
from switch.services import changes, drafts, revisions, running
from tests.switch import rig
from tests.switch.rig import HOME, LAB, UPLINK, State, Switch, U
from tests.switch.test_way_back import die_in, look, next_life

#: Slots 3 and 2 (ports 5 and 6) apart; what enters at slot 4 (port 4) is copied to slot 6 (port 2); slot 5 (port 3) is
#: off, slot 2 slower.
WHOLE = SwitchSetup(
    HOME,
    {3: PortSetup(enabled=False), 6: PortSetup(mbps=100, flow_control=FlowControl.OFF)},
    frozenset({(5, 6)}),
    Mirror(2, frozenset({4})),
)
#: The same with slot 3 in the other VLAN, and everything beside the VLANs otherwise.
OTHER = SwitchSetup(
    LAB,
    {4: PortSetup(mbps=10, negotiates=False, flow_control=FlowControl.ON)},
    frozenset({(3, 4)}),
    Mirror(1, {3}, {4}),
)


def reach(switch: Switch, port: int) -> set[int]:
    return {other for other, _ in net.forward(switch.model, port, net.tagged())}


def test_a_whole_setup_is_written_and_confirmed(home, engineer):
    change = rig.confirmed(home, WHOLE, engineer)
    home.clock.wait(5)
    assert change.state == State.CONFIRMED
    assert reach(home, 5) == {7, UPLINK, 9}, "slot 2 hears nothing of slot 3"
    assert reach(home, 6) == {7, UPLINK, 9}
    assert reach(home, 4) == {2}, "a copy only: the port of slot 5 is off"
    assert [link.mbps * link.up for link in home.chip.read_links()] == [1000, 1000, 0, 1000, 1000, 100, 1000, 1000]
    assert home.holds(WHOLE)
    assert running.of(rig.row()).setup == WHOLE
    assert running.of(rig.row()).drift == ()
    said = list(change.operation.log.values_list("text", flat=True))
    assert "Read back and right: 3 VLAN entries, links of 2 ports, isolation, copies." in said
    assert [line for line in said if "port " in line] == [], "slots, not ports"
    assert revisions.of(rig.row()).first().setup(running.wiring(rig.row())) == WHOLE


def test_from_one_whole_setup_to_another_and_back(home, engineer):
    rig.confirmed(home, WHOLE, engineer)
    assert rig.confirmed(home, OTHER, engineer).state == State.CONFIRMED
    assert home.holds(OTHER)
    assert rig.confirmed(home, SwitchSetup(HOME), engineer).state == State.CONFIRMED
    assert home.holds(HOME)


def test_a_port_that_leaves_its_vlan_and_is_copied_no_more_is_written_and_read_back_as_such(home, engineer):
    """Nothing is opened by it, so what it wrote of the port is read back only after its copies have ended."""
    copied = SwitchSetup(HOME, mirror=Mirror(2, frozenset({4})))
    assert rig.confirmed(home, copied, engineer).state == State.CONFIRMED
    alone = VlanTable((HOME.vlans[0], Vlan(10, "red", {3: U})), 1)
    assert rig.confirmed(home, SwitchSetup(alone), engineer).state == State.CONFIRMED
    assert home.holds(alone)


def test_what_nobody_confirms_is_put_back_beside_the_vlans_too(home, engineer):
    rig.confirmed(home, WHOLE, engineer)
    change = rig.commit(OTHER, engineer, revert_after_seconds=30)
    seen = []
    rig.when_awaiting(home, change, lambda: seen.append(home.holds(OTHER)))
    change = rig.run(change)
    assert (change.state, seen) == (State.ROLLED_BACK, [True])
    assert home.holds(WHOLE)


def test_a_change_of_the_vlans_keeps_what_is_beside_them(home, engineer):
    rig.confirmed(home, WHOLE, engineer)
    assert rig.confirmed(home, LAB, engineer).state == State.CONFIRMED
    assert home.holds(replace(WHOLE, table=LAB))


@pytest.mark.parametrize("transfers", [10, 60, 110, 160, 240, 330, 420, 520, 640, 10_000])
def test_a_worker_killed_in_the_middle_of_it_leaves_what_its_next_life_undoes(
    home, me, engineer, monkeypatch, transfers
):
    change = rig.commit(OTHER, engineer)
    assert die_in(home, me, change, monkeypatch, look(home) + transfers)
    new = next_life(me, monkeypatch)
    assert rig.again(change).state in (State.ROLLED_BACK, State.NOT_APPLIED)
    assert home.holds(HOME)
    assert home.chip.read_hands_off() == 0x0FFE0000, "the firmware does all of its work again"
    os.close(new._lock)


@pytest.mark.parametrize("after", range(0, 24, 2))
def test_a_word_that_is_written_wrong_once_is_found_and_undone(home, engineer, after):
    change = rig.commit(replace(WHOLE, table=LAB), engineer)
    home.faults("switch-corrupts-writes", after, 1)
    change = rig.run(change)
    assert change.state == State.ROLLED_BACK
    assert change.operation.state == OperationState.FAILED
    assert home.holds(HOME)


def test_registers_beside_the_vlans_that_cannot_be_put_back_are_named(home, engineer):
    change = rig.commit(WHOLE, engineer)

    def keep_wrong():
        home.chip.set_isolation({2: {1}})
        home.chip.set_port_enabled(1, False)
        home.faults("switch-corrupts-writes", 0)
        return True

    rig.when_awaiting(home, change, lambda: keep_wrong() and changes.roll_back(rig.again(change), engineer))
    change = rig.run(change)
    assert change.state == State.ROLLBACK_FAILED
    registers = {one["register"] for one in change.differences}
    assert {"SWCORE_INGRESS_EGRESS_PORT_PACKET_TYPE_FILTER[3]", "PHG_GEPHY_BMCR[0]"} <= registers


def test_what_cuts_the_portal_off_beside_the_vlans_is_refused_and_undone_if_it_is_forced(home, engineer, administrator):
    off = SwitchSetup(HOME, {UPLINK: PortSetup(enabled=False)})
    with pytest.raises(refusals.UnsafePlan, match="The uplink, which carries management, would be switched off"):
        rig.commit(off, engineer)
    change = rig.commit(off, administrator, ("uplink-off",))
    lost = []
    rig.when_awaiting(home, change, lambda: lost.append(reach(home, UPLINK)))
    assert rig.run(change).state == State.ROLLED_BACK
    home.clock.wait(5)
    assert lost == [set()]
    assert 7 in reach(home, UPLINK)


def test_what_somebody_else_sets_is_drift_and_can_be_written_over(home, engineer):
    home.chip.set_isolation({2: {3}})
    now = running.refresh(rig.row())
    assert (now.setup, now.table) == (None, HOME)
    assert now.drift == ("Links, isolation or mirror of the switch were not set by this portal.",)
    home.chip.set_isolation({3: {2}})
    assert running.refresh(rig.row()).drift == ("slot 5 and slot 6 are kept apart",)
    home.chip.negotiate(4, [Ability.FULL_100])
    home.chip.set_flow_control(4, Pause(True, True))
    assert running.refresh(rig.row()).drift[0] == "slot 4: 100 Mb/s, full duplex, with flow control"
    assert rig.confirmed(home, SwitchSetup(HOME), engineer).state == State.CONFIRMED
    assert home.holds(HOME)


def test_what_somebody_sets_between_commit_and_worker_stops_it(home, engineer):
    change = rig.commit(LAB, engineer)
    home.chip.mirror_egress(2, 3)
    assert rig.run(change).state == State.NOT_APPLIED
    assert home.chip.read_mirrors()[2].egress == 3


def test_a_firmware_that_writes_the_same_registers_keeps_its_bits(home, engineer):
    home.faults("switch-pressure")
    assert rig.confirmed(home, WHOLE, engineer).state == State.CONFIRMED
    assert home.holds(WHOLE)


# Rows from before


def old(document: dict) -> dict:
    """A document as it was when there was nothing beside the VLANs."""
    ports = [{key: row[key] for key in ("port", "pvid", "accepts")} for row in document["ports"]]
    return {"management_vid": document["management_vid"], "vlans": document["vlans"], "ports": ports}


def old_chip(chip) -> dict:
    return {key: chip_json(chip)[key] for key in ("entries", "ports")}


def test_revisions_and_drafts_from_before_there_were_settings_still_load(home, engineer):
    revision = VlanRevision.objects.get()
    VlanRevision.objects.update(document=old(revision.document))
    assert running.of(rig.row()).drift == ()
    draft = revisions.restore(VlanRevision.objects.get(), engineer)
    assert draft.setup == SwitchSetup(HOME)
    row = rig.row().switch_draft
    row.document = old(row.document)
    row.save()
    assert drafts.get(rig.row()).setup == SwitchSetup(HOME)


def test_what_was_read_of_the_chip_before_there_were_settings_is_read_anew(home, engineer):
    SwitchState.objects.update(chip=old_chip(running.of(rig.row()).chip))
    assert running.of(rig.row()).setup == SwitchSetup(HOME), "as far as it is known"
    assert rig.confirmed(home, WHOLE, engineer).state == State.CONFIRMED
    assert home.holds(WHOLE)


def test_a_change_that_was_begun_before_there_were_settings_is_put_back(home, me, engineer, monkeypatch):
    change = rig.commit(LAB, engineer)
    assert die_in(home, me, change, monkeypatch, 10_000)
    before, wanted = (rig.again(change).before, rig.again(change).wanted)
    for row in (before, wanted):
        for key in ("isolation", "output_mirrors", "links"):
            row.pop(key)
    VlanChange.objects.update(before=before, wanted=wanted)
    new = next_life(me, monkeypatch)
    assert rig.again(change).state == State.ROLLED_BACK
    assert home.holds(HOME)
    os.close(new._lock)
