"""Changes from the draft to their end: confirmed and kept, or put back by themselves."""

from dataclasses import replace

import pytest

from hardware.vlan import Vlan, VlanTable
from operations import lifecycle, refusals
from operations.models import AuditEntry, Claim, OperationState
from switch import tasks
from switch.models import VlanRevision
from switch.services import changes, deciding, drafts, revisions, running
from tests.switch import rig
from tests.switch.rig import CONTROLLER, CUT, HOME, LAB, TAKING_OVER, UPLINK, State, U

UNDONE = (State.ROLLED_BACK, OperationState.FAILED, "not-confirmed")


def ended(change):
    return change.state, change.operation.state, change.operation.code


def test_a_switch_fresh_from_reset_is_scanned_taken_over_and_confirmed(switch, me, administrator):
    drafts.save(rig.row(), HOME, administrator)
    with pytest.raises(refusals.Conflict) as refused:
        changes.preview(rig.row(), administrator)
    assert refused.value.code == "scan-needed"
    assert rig.scan(administrator).message == "4096 of 4096 entries are open."
    assert set(switch.reach(4, 99)) == {1, 2, 3, 5, 6, 7, 8, 9}, "open for every VLAN"
    change = rig.confirmed(switch, HOME, administrator, TAKING_OVER)
    assert (change.state, rig.held()) == (State.CONFIRMED, HOME)
    assert switch.reach(4) == {3: ()}
    assert set(switch.reach(CONTROLLER)) == {UPLINK, 6, 5, 9}
    assert switch.reach(4, 99) == {}, "a VLAN that nobody set up is closed"
    assert switch.holds(HOME)
    revision = VlanRevision.objects.get()
    assert (revision.number, revision.author) == (1, administrator.name)
    assert drafts.get(rig.row()) is None, "the draft has become what runs"
    assert running.of(rig.row()).drift == ()
    assert Claim.objects.count() == 0


def test_a_change_that_its_author_confirms_stays(home, engineer):
    change = rig.confirmed(home, LAB, engineer)
    assert ended(change) == (State.CONFIRMED, OperationState.SUCCEEDED, "")
    assert change.operation.message == "Confirmed by olga."
    assert change.words == ["slot 3: PVID 1 -> 10, untagged in 10"]
    assert change.isolated == [3]
    assert set(home.reach(5)) == {3, 4}
    assert (rig.held(), home.holds(LAB)) == (LAB, True)
    assert [one.number for one in revisions.of(rig.row())] == [2, 1]
    assert running.of(rig.row()).drift == ()


def test_a_change_that_nobody_confirms_is_undone_at_its_deadline(home, engineer):
    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    seen = []
    rig.when_awaiting(home, change, lambda: seen.append(set(home.reach(5))), seconds=29)
    began = home.clock.monotonic()
    change = rig.run(change)
    assert ended(change) == UNDONE
    assert 30 <= home.clock.monotonic() - began < 33
    assert seen == [{3, 4}], "it was in force until then"
    assert change.rolled_back_because == "Nobody confirmed it within 30 s."
    assert (rig.held(), home.holds(HOME)) == (HOME, True)
    assert drafts.get(rig.row()).table == LAB, "the draft is still there"
    assert [one.number for one in revisions.of(rig.row())] == [1]


def test_a_plan_that_cuts_the_portal_off_is_refused_and_undone_if_it_is_forced(home, engineer, administrator):
    with pytest.raises(refusals.UnsafePlan, match="The uplink would not be in VLAN 1"):
        rig.commit(CUT, engineer)
    with pytest.raises(refusals.NotPermitted):
        rig.commit(CUT, engineer, ("uplink-cut", "uplink-changes"))
    change = rig.commit(CUT, administrator, ("uplink-cut", "uplink-changes"))
    lost = []
    rig.when_awaiting(home, change, lambda: lost.append(home.reach(UPLINK).get(CONTROLLER)))
    assert ended(rig.run(change)) == UNDONE
    assert lost == [None]
    assert home.reach(UPLINK)[CONTROLLER] == ()
    assert home.holds(HOME)


def test_only_who_committed_it_confirms_it_in_a_request_of_their_own(home, engineer, administrator):
    change = rig.commit(LAB, engineer)
    refused = []

    def try_others():
        with pytest.raises(refusals.NotPermitted):
            changes.extend(rig.again(change), administrator)
        for actor in (
            administrator,
            replace(engineer, credential="none"),
            replace(engineer, user_id=99),
            replace(engineer, role="viewer"),
        ):
            with pytest.raises(refusals.NotPermitted):
                changes.confirm(rig.again(change), actor)
            refused.append(actor)

    rig.when_awaiting(home, change, try_others)
    assert ended(rig.run(change)) == UNDONE
    assert len(refused) == 4


def test_a_deadline_is_put_off_but_never_further_than_ten_minutes(home, engineer):
    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    left = []

    def extend():
        left.append(changes.extend(rig.again(change), engineer, 600).extended_seconds)

    rig.when_awaiting(home, change, extend)
    began = home.clock.monotonic()
    assert rig.run(change).rolled_back_because.startswith("Nobody confirmed it within ")
    assert 560 < left[0] <= 600
    assert home.clock.monotonic() - began >= 30 + left[0]


def test_a_change_is_rolled_back_at_once_by_anybody_who_may_commit(home, engineer, administrator):
    change = rig.commit(LAB, engineer)
    rig.when_awaiting(home, change, lambda: changes.roll_back(rig.again(change), administrator))
    began = home.clock.monotonic()
    change = rig.run(change)
    assert ended(change) == (State.ROLLED_BACK, OperationState.CANCELLED, "cancelled")
    assert change.rolled_back_because == "alice had it rolled back."
    assert home.clock.monotonic() - began < 10
    assert home.holds(HOME)
    with pytest.raises(refusals.Expired):
        changes.confirm(rig.again(change), engineer)
    with pytest.raises(refusals.Conflict):
        changes.roll_back(rig.again(change), engineer)


@pytest.mark.parametrize("how", ["cancel", "shutdown"])
def test_a_change_that_is_cancelled_or_whose_worker_ends_is_undone(home, me, engineer, how):
    change = rig.commit(LAB, engineer)

    def stop():
        if how == "shutdown":
            return me.shutdown()
        lifecycle.cancel(rig.again(change).operation, engineer)
        me.pass_on_cancels()

    rig.when_awaiting(home, change, stop)
    change = rig.run(change)
    state = {"cancel": OperationState.CANCELLED, "shutdown": OperationState.INTERRUPTED}[how]
    assert (change.state, change.operation.state) == (State.ROLLED_BACK, state)
    assert home.holds(HOME)


def test_confirmation_and_way_back_race_and_one_wins(home, engineer, monkeypatch):
    """The confirmation arrives in the moment in which the deadline has passed and the way back has not begun."""
    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    from switch.services.execution import Run

    lapse = Run._lapse

    def confirm_first(self, because):
        changes.confirm(rig.again(change), engineer)
        lapse(self, because)

    monkeypatch.setattr(Run, "_lapse", confirm_first)
    change = rig.run(change)
    assert ended(change) == (State.CONFIRMED, OperationState.SUCCEEDED, "")
    assert home.holds(LAB)


def test_once_the_way_back_has_begun_nobody_confirms(home, engineer, monkeypatch):
    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    from switch.services.execution import Run

    back = Run._put_back
    tried = []

    def confirm_too_late(self):
        with pytest.raises(refusals.Expired):
            changes.confirm(rig.again(change), engineer)
        tried.append(1)
        back(self)

    monkeypatch.setattr(Run, "_put_back", confirm_too_late)
    assert ended(rig.run(change)) == UNDONE
    assert tried == [1]


def test_what_was_shown_is_what_is_done_or_nothing_is(home, engineer):
    drafts.save(rig.row(), LAB, engineer)
    shown = changes.preview(rig.row(), engineer).plan.fingerprint
    drafts.save(rig.row(), VlanTable((*LAB.vlans, Vlan(30, "", {2: U})), 1), engineer)
    with pytest.raises(refusals.PlanStale):
        changes.commit(rig.row(), shown, engineer)
    drafts.save(rig.row(), LAB, engineer)
    shown = changes.preview(rig.row(), engineer).plan.fingerprint
    home.chip.set_pvid(2, 77)
    with pytest.raises(refusals.PlanStale):
        changes.commit(rig.row(), shown, engineer)
    assert running.of(rig.row()).drift == ("The switch holds VLANs that this portal did not write.",)


def test_what_somebody_writes_between_commit_and_worker_stops_it(home, engineer):
    change = rig.commit(LAB, engineer)
    home.chip.set_pvid(2, 77)
    before = home.transfers
    change = rig.run(change)
    assert ended(change) == (State.NOT_APPLIED, OperationState.FAILED, "plan-stale")
    assert home.transfers - before < 900, "it only looked"
    assert home.chip.read_port_tables(2).source["default_vid"] == 77


def test_one_change_at_a_time(home, engineer):
    change = rig.commit(LAB, engineer)
    with pytest.raises(refusals.Busy, match="VLAN change 1"):
        rig.commit(HOME, engineer)
    rig.run(change)
    assert rig.commit(LAB, engineer).number == 2


def test_the_same_key_is_the_same_change(home, engineer):
    drafts.save(rig.row(), LAB, engineer)
    shown = changes.preview(rig.row(), engineer).plan.fingerprint
    first = changes.commit(rig.row(), shown, engineer, key="k")
    assert changes.commit(rig.row(), shown, engineer, key="k").pk == first.pk
    with pytest.raises(refusals.IdempotencyMismatch):
        changes.commit(rig.row(), shown, engineer, key="k", revert_after_seconds=60)


def test_a_change_that_no_worker_takes_in_time_changes_nothing(home, engineer):
    change = rig.commit(LAB, engineer)
    type(change.operation).objects.filter(pk=change.operation_id).update(expires_at=change.operation.created_at)
    tasks.run_change(str(change.operation_id))
    from switch.services import restoring

    restoring.undo_left_over()
    assert rig.again(change).state == State.NOT_APPLIED
    assert home.holds(HOME)


@pytest.mark.parametrize("seconds", [29, 601, -1])
def test_a_deadline_is_thirty_to_six_hundred_seconds(home, engineer, seconds):
    with pytest.raises(refusals.BadRequest, match="30 to 600"):
        rig.commit(LAB, engineer, revert_after_seconds=seconds)


def test_a_revision_comes_back_as_the_draft(home, engineer):
    rig.confirmed(home, LAB, engineer)
    draft = revisions.restore(revisions.find(rig.row(), 1), engineer)
    assert draft.table == HOME
    assert changes.preview(rig.row(), engineer).plan.words == ("slot 3: PVID 10 -> 1, untagged in 1",)
    assert revisions.created_vids(rig.row()) == [1, 10]


def test_every_decision_is_in_the_audit_log(home, engineer):
    rig.confirmed(home, LAB, engineer)
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", "outcome"))
    assert actions == [
        ("switch.draft", "done"),
        ("switch.vlan", "requested"),
        ("switch.confirm", "done"),
        ("switch.vlan", "done"),
    ]


def test_a_renamed_vlan_is_committed_without_a_write(home, engineer):
    renamed = VlanTable((replace(HOME.vlans[0], name="house"), HOME.vlans[1]), 1)
    change = rig.confirmed(home, renamed, engineer)
    assert change.state == State.CONFIRMED
    assert change.words == ["VLAN 1 is called house instead of management"]
    assert rig.held() == renamed


def test_a_draft_that_somebody_else_changed_is_not_overwritten(home, engineer, administrator):
    version = drafts.save(rig.row(), LAB, engineer).version
    drafts.save(rig.row(), HOME, administrator, version)
    with pytest.raises(refusals.Outdated, match="alice changed the draft"):
        drafts.save(rig.row(), LAB, engineer, version)
    drafts.discard(rig.row(), engineer)
    assert (drafts.get(rig.row()), drafts.version(rig.row())) == (None, version + 2)


def test_the_longest_deadline_ahead_is_the_longest_that_can_be_asked_for():
    assert deciding.LONGEST_AHEAD_SECONDS == changes.LONGEST_SECONDS
