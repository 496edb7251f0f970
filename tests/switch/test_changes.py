"""Changes from the draft to their end: confirmed and kept, or put back by themselves."""

from operations.models import Claim, OperationState
from switch.models import VlanRevision
from switch.services import drafts, running
from tests.switch import rig
from tests.switch.rig import CONTROLLER, HOME, LAB, UPLINK, State


def test_a_switch_is_taken_over(home, administrator):
    assert rig.held() == HOME
    assert home.reach(4) == {3: ()}
    assert set(home.reach(CONTROLLER)) == {UPLINK, 6, 5, 9}
    assert home.reach(4, 99) == {}, "a VLAN that nobody set up is closed"
    revision = VlanRevision.objects.get()
    assert (revision.number, revision.author) == (1, administrator.name)
    assert drafts.get(rig.row()) is None, "the draft has become what runs"
    assert running.of(rig.row()).drift == ()
    assert Claim.objects.count() == 0


def test_a_change_that_its_author_confirms_stays(home, operator):
    change = rig.confirmed(home, LAB, operator)
    assert (change.state, change.operation.state) == (State.CONFIRMED, OperationState.SUCCEEDED)
    assert change.operation.message == "Confirmed by olga."
    assert change.words == ["slot 3: PVID 1 -> 10, untagged in 10"]
    assert change.isolated == [3]
    assert set(home.reach(5)) == {3, 4}
    assert rig.held() == LAB


def test_a_change_that_nobody_confirms_is_undone(home, operator):
    change = rig.run(rig.commit(LAB, operator, revert_after_seconds=30))
    assert (change.state, change.operation.state, change.operation.code) == (
        State.ROLLED_BACK,
        OperationState.FAILED,
        "not-confirmed",
    )
    assert change.rolled_back_because == "Nobody confirmed it within 30 s."
    assert rig.held() == HOME
    assert set(home.reach(5)) == {CONTROLLER, UPLINK, 6, 9}
    assert drafts.get(rig.row()).table == LAB, "the draft is still there"
