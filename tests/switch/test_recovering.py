"""A reset of the switch chip is noticed by itself, and what was confirmed comes back, if the board says so or somebody
asks."""

import os

import pytest

from hardware.switch_setup import SwitchSetup
from hardware.vlan import Vlan, VlanTable
from operations import lifecycle, refusals
from operations.models import AuditEntry, Claim, Operation, OperationState
from slots.services import fenced
from switch import tasks
from switch.documents import to_document
from switch.models import SwitchState, VlanChange, VlanRevision
from switch.services import applying, changes, drafts, recovering, running, scanning
from tests.switch import rig
from tests.switch.rig import CUT, HOME, LAB, State, Switch, T, U
from tests.switch.test_way_back import die_in, next_life

LOST = ("The switch chip was reset since: it no longer holds what was confirmed.",)


@pytest.fixture(autouse=True)
def no_tries(monkeypatch):
    monkeypatch.setattr(recovering, "_tries", {})


def reset(switch: Switch, wait: float = 5) -> None:
    """A reset of a chip that has few entries: to scan and to close all of them is tried once, below."""
    switch.reset(wait)
    switch.have_few_entries()


@pytest.fixture
def by_itself(home, administrator):
    recovering.let_restore(rig.row(), administrator, True)
    return home


def state() -> SwitchState:
    return SwitchState.objects.get(board__slug=rig.SLUG)


def work_off() -> list[str]:
    """What is queued, as the worker does it; the kinds."""
    queued = list(Operation.objects.filter(state=OperationState.QUEUED))
    for operation in queued:
        task = tasks.run_scan if operation.kind == "switch.scan" else tasks.run_change
        task(str(operation.pk))
    return [operation.kind for operation in queued]


def until_quiet() -> list[str]:
    """The worker's looks and work until nothing more comes of them."""
    done: list[str] = []
    for _ in range(6):
        recovering.look()
        done += work_off()
    return done


# A reset is noticed


def test_a_switch_that_is_as_it_was_costs_a_few_transfers_and_nothing_else(home):
    recovering.look()
    before = home.transfers
    recovering.look()
    assert home.transfers - before <= 14
    assert not Operation.objects.exists()


def test_a_reset_is_noticed_and_the_table_read_but_nothing_written_where_nobody_has_asked_for_it(home):
    reset(home)
    assert until_quiet() == ["switch.scan"]
    assert (state().needs_scan, state().reset_at is None) == (False, False)
    assert running.of(rig.row()).drift == LOST
    assert set(home.reach(4)) == {1, 2, 3, 5, 6, 7, 8, 9}, "still as the reset left it"
    assert list(AuditEntry.objects.order_by("seq").values_list("actor", "action", "outcome")) == [
        ("portal", "switch.was-reset", "noticed"),
        ("portal", "switch.scan", "requested"),
        ("portal", "switch.scan", "done"),
    ]


def test_what_was_confirmed_comes_back_by_itself_where_an_administrator_says_so(by_itself):
    by_itself.reset()
    assert until_quiet() == ["switch.scan", "switch.restore"]
    change = VlanChange.objects.get()
    assert (change.state, change.restores, change.operation.state) == (State.RESTORED, 1, OperationState.SUCCEEDED)
    assert change.operation.message == "The switch holds revision 1 again."
    assert by_itself.holds(HOME)
    assert by_itself.reach(4) == {3: ()}
    assert running.of(rig.row()).drift == ()
    assert [one.number for one in VlanRevision.objects.all()] == [1], "nobody has confirmed anything anew"
    actions = AuditEntry.objects.order_by("seq").values_list("actor", "action", "outcome")
    assert list(actions)[-2:] == [("portal", "switch.restore", "requested"), ("portal", "switch.restore", "done")]
    assert Claim.objects.count() == 0


def test_a_chip_whose_firmware_still_starts_is_left_alone(by_itself):
    reset(by_itself, wait=0.2)
    assert until_quiet() == []
    by_itself.clock.wait(5)
    assert until_quiet() == ["switch.scan", "switch.restore"]
    assert by_itself.holds(HOME)


def test_a_switch_that_nobody_has_set_up_is_never_written(switch, me, board, administrator):
    recovering.let_restore(board, administrator, True)
    rig.know(switch)
    reset(switch)
    assert until_quiet() == []
    assert not VlanChange.objects.exists()


def test_what_somebody_else_wrote_is_not_written_over(by_itself):
    by_itself.chip.set_pvid(2, 77)
    running.refresh(rig.row())
    assert until_quiet() == []
    assert by_itself.chip.read_port_tables(2).source["default_vid"] == 77


def test_a_revision_that_would_cut_the_portal_off_does_not_come_back_by_itself(by_itself, administrator, caplog):
    rig.confirmed(by_itself, CUT, administrator, ("uplink-cut", "uplink-changes"))
    reset(by_itself)
    assert until_quiet() == ["switch.scan"]
    assert "The uplink would not be in VLAN 1" in caplog.text
    assert by_itself.reach(rig.UPLINK)[rig.CONTROLLER] == ()


def test_nothing_comes_back_by_itself_while_a_change_is_open(by_itself, engineer):
    change = rig.commit(LAB, engineer)
    reset(by_itself)
    recovering.look()
    assert [one.kind for one in Operation.objects.all()] == ["switch.vlan"]
    assert rig.run(change).operation.code == "plan-stale"
    VlanChange.objects.filter(pk=change.pk).update(state=State.ROLLBACK_FAILED)
    assert until_quiet() == []
    changes.acknowledge(rig.again(change), engineer)
    assert until_quiet() == ["switch.scan", "switch.restore"]


def test_a_scan_that_came_to_nothing_is_not_asked_for_again_at_once(home):
    reset(home)
    recovering.look()
    home.faults("switch-nack", 0)
    assert work_off() == ["switch.scan"]
    home.clear_faults()
    assert until_quiet() == []
    home.clock.wait(31)
    assert until_quiet() == ["switch.scan"]


def test_reading_by_itself_can_be_turned_off(home, settings):
    settings.SWITCH_SCANS_BY_ITSELF = False
    reset(home)
    assert until_quiet() == []
    assert running.of(rig.row()).drift == LOST


# First contact


def test_a_switch_that_was_never_read_is_read_and_not_written(switch, me, board):
    recovering.meet()
    assert work_off() == [], "it has not answered yet"
    type(board).objects.update(links_read_at="2026-01-01T00:00:00Z")
    recovering.meet()
    assert work_off() == ["switch.scan"]
    assert (state().scan, state().needs_scan) == (1, False)
    assert set(switch.reach(4)) == {1, 2, 3, 5, 6, 7, 8, 9}
    recovering.meet()
    assert work_off() == []


# A person asks


def test_an_operator_brings_it_back_after_a_reset(home, engineer):
    reset(home)
    assert until_quiet() == ["switch.scan"]
    change = recovering.request_restore(rig.row(), engineer, reason="power cut", key="k")
    assert recovering.request_restore(rig.row(), engineer, reason="power cut", key="k").pk == change.pk
    assert sorted(change.overrides) == ["controller-changes", "pages-change", "uplink-changes"]
    change = rig.run(change)
    assert (change.state, change.operation.actor, change.operation.reason) == (State.RESTORED, "olga", "power cut")
    assert home.holds(HOME)
    with pytest.raises(refusals.Conflict, match="holds revision 1 already"):
        recovering.request_restore(rig.row(), engineer)


def test_only_who_may_commit_restores_and_only_an_administrator_lets_it_happen_by_itself(home, viewer, engineer):
    for act in (
        lambda: recovering.request_restore(rig.row(), viewer),
        lambda: recovering.let_restore(rig.row(), engineer, True),
    ):
        with pytest.raises(refusals.NotPermitted):
            act()
    assert not state().restores_by_itself


def test_there_has_to_be_something_to_bring_back(switch, me, board, engineer):
    with pytest.raises(refusals.Conflict, match="Nobody has confirmed"):
        recovering.request_restore(board, engineer)


def test_before_the_table_was_read_nothing_is_restored(home, engineer):
    reset(home)
    with pytest.raises(refusals.Conflict, match="scan it first"):
        recovering.request_restore(rig.row(), engineer)


def test_a_draft_stays_what_it_is_while_a_revision_is_restored(home, engineer):
    drafts.save(rig.row(), LAB, engineer)
    reset(home)
    until_quiet()
    rig.run(recovering.request_restore(rig.row(), engineer))
    assert drafts.get(rig.row()).table == LAB


@pytest.mark.parametrize("way", ["cancel", "shutdown"])
def test_a_restore_that_is_stopped_is_undone(home, me, engineer, way, monkeypatch):
    reset(home)
    until_quiet()
    change = recovering.request_restore(rig.row(), engineer)
    real = applying.apply

    def stopped(*arguments, **more):
        monkeypatch.setattr(applying, "apply", real)
        if way == "cancel":
            lifecycle.cancel(rig.again(change).operation, engineer)
            me.pass_on_cancels()
        else:
            me.shutdown()
        real(*arguments, **more)

    monkeypatch.setattr(applying, "apply", stopped)
    change = rig.run(change)
    assert change.state == State.ROLLED_BACK
    assert set(home.reach(4)) == {1, 2, 3, 5, 6, 7, 8, 9}
    assert state().reset_at, "it is still to be restored"


def test_a_restore_that_fails_is_undone_and_tried_again_later(by_itself):
    reset(by_itself)
    recovering.look()
    work_off()
    recovering.look()
    by_itself.faults("switch-corrupts-writes", 4, 1)
    assert work_off() == ["switch.restore"]
    assert VlanChange.objects.get().state == State.ROLLED_BACK
    assert until_quiet() == []
    by_itself.clock.wait(31)
    assert until_quiet() == ["switch.restore"]
    assert by_itself.holds(HOME)


def test_a_worker_killed_while_it_restores_leaves_what_its_next_life_restores(by_itself, me, monkeypatch):
    reset(by_itself)
    recovering.look()
    work_off()
    recovering.look()
    assert die_in(by_itself, me, VlanChange.objects.get(), monkeypatch, 900)
    new = next_life(me, monkeypatch)
    assert VlanChange.objects.get().state == State.ROLLED_BACK
    assert not by_itself.holds(HOME)
    monkeypatch.setattr(recovering, "_tries", {})  # they died with it
    assert until_quiet() == ["switch.restore"]
    assert by_itself.holds(HOME)
    os.close(new._lock)


# While a change waits, or is written


def test_a_chip_that_is_reset_while_a_change_waits_gets_back_what_it_held_before(home, engineer):
    change = rig.commit(LAB, engineer, revert_after_seconds=120)
    rig.when_awaiting(home, change, home.reset_line)
    began = home.clock.monotonic()
    change = rig.run(change)
    assert home.clock.monotonic() - began < 30, "at once, not at the deadline"
    assert (change.state, change.operation.state) == (State.ROLLED_BACK, OperationState.FAILED)
    assert change.operation.code == "switch-was-reset"
    assert change.operation.message == (
        "The switch chip was reset while this waited to be confirmed, and lost it. "
        "The switch holds what it held before."
    )
    home.clock.wait(5)
    assert home.holds(HOME)
    assert [one.number for one in VlanRevision.objects.all()] == [1]


def test_what_a_reset_took_is_not_confirmed_though_nobody_has_noticed_it_yet(home, engineer):
    change = rig.commit(LAB, engineer)
    refused = []

    def confirm():
        home.reset_line()
        with pytest.raises(refusals.Conflict) as refusal:
            changes.confirm(rig.again(change), engineer)
        refused.append(refusal.value.code)

    rig.when_awaiting(home, change, confirm, seconds=7.5)
    change = rig.run(change)
    assert refused == ["switch-was-reset"]
    assert change.state == State.ROLLED_BACK
    assert VlanRevision.objects.count() == 1


def test_a_board_that_loses_power_while_a_change_waits_gets_back_what_it_held_before(home, me, engineer):
    change = rig.commit(LAB, engineer)

    def power_cut():
        home.reset_line()
        lifecycle.interrupt(rig.again(change).operation, "The board lost power. It is not repeated.")
        me.pass_on_cancels()

    rig.when_awaiting(home, change, power_cut)
    change = rig.run(change)
    assert (change.state, change.operation.state) == (State.ROLLED_BACK, OperationState.INTERRUPTED)
    home.clock.wait(5)
    assert home.holds(HOME)


def test_a_way_back_that_failed_leaves_nothing_believed(home, engineer):
    change = rig.commit(LAB, engineer)
    rig.when_awaiting(home, change, lambda: home.faults("switch-nack", 0))
    assert rig.run(change).state == State.ROLLBACK_FAILED
    assert state().needs_scan
    home.clear_faults()
    with pytest.raises(refusals.Busy, match="could not be rolled back; somebody has to take note of that first"):
        scanning.request_scan(rig.row(), engineer)
    changes.acknowledge(rig.again(change), engineer)
    with pytest.raises(refusals.Conflict, match="could not be put back since"):
        rig.commit(HOME, engineer)
    home.have_few_entries()
    rig.scan(engineer)
    assert rig.commit(HOME, engineer).number == 2


def test_nobody_resets_the_chip_by_its_line_while_a_change_waits(home, engineer, administrator):
    change = rig.commit(LAB, engineer)
    refused = []

    def reset_switch():
        with pytest.raises(refusals.Busy, match="VLAN change 1"):
            fenced.request_switch_reset(rig.row(), administrator, reason="why not", typed=rig.SLUG)
        refused.append(1)

    rig.when_awaiting(home, change, reset_switch)
    rig.run(change)
    assert refused == [1]


def test_a_deadline_put_off_at_the_last_moment_holds(home, engineer, monkeypatch):
    from switch.services.execution import Run

    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    lapse, extended = Run._lapse, []

    def extend_first(self, because):
        if not extended:
            extended.append(changes.extend(rig.again(change), engineer, 60).extended_seconds)
        return lapse(self, because)

    monkeypatch.setattr(Run, "_lapse", extend_first)
    began = home.clock.monotonic()
    rig.run(change)
    assert home.clock.monotonic() - began >= 90


def test_the_portal_restores_what_the_document_of_the_revision_says(by_itself, administrator):
    table = VlanTable((*HOME.vlans, Vlan(30, "trunk", {2: U, rig.UPLINK: T})), 1)
    VlanRevision.objects.create(
        board=rig.row(),
        number=2,
        document=to_document(SwitchSetup(table), running.wiring(rig.row())),
        author="alice",
        confirmed_at=VlanRevision.objects.get().confirmed_at,
    )
    reset(by_itself)
    assert until_quiet() == ["switch.scan", "switch.restore"]
    assert by_itself.holds(table)


def test_the_worker_looks_by_itself(me):
    from nanoportal import periodic

    jobs = {job.work: job.due for job in periodic._of_hardware(me)}
    assert jobs[recovering.look] == 0, "at its start, since that may be after a loss of power"
    assert jobs[periodic._meet_switches] > 0, "but nothing new is read in its first minute"
