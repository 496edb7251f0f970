"""The way back when the worker dies, the bus fails or the chip resets: `before`, or ROLLBACK_FAILED with registers."""

import os

import pytest

from hardware.vlan import VlanTable
from operations import lifecycle, refusals, worker
from operations.models import Claim, Operation, OperationState
from switch import tasks
from switch.services import changes, restoring, running
from switch.services.execution import Run
from tests.switch import rig
from tests.switch.rig import CUT, HOME, LAB, Died, State, Switch

CUTTING = ("uplink-cut", "uplink-changes")


def next_life(me: worker.Worker, monkeypatch) -> worker.Worker:
    """The worker of that name is started again after it died."""
    os.close(me._lock)
    for pk in me.running_ids():
        me.leave(Operation.objects.get(pk=pk))
    me._lock = os.open("/dev/null", os.O_RDONLY)
    monkeypatch.setattr(worker, "_current", None)
    new = worker.start(me.data_dir, me.name)
    lifecycle.sweep_dead(new.name, new.instance, lambda operation: None)
    restoring.undo_left_over()
    return new


def look(home: Switch) -> int:
    """How many transfers reading takes what a change reads first."""
    began = home.transfers
    running.refresh(rig.row())
    return home.transfers - began


def die_in(home: Switch, me: worker.Worker, change, monkeypatch, transfers: int) -> bool:
    """Run the change in a worker that dies before that transfer, with nothing of it run any more; whether it did."""
    home.wire.dies_at = home.wire.transfers + transfers

    def dead(*_):
        if home.wire.transfers >= home.wire.dies_at:
            raise Died

    # What a process that is killed does not do: neither its way back nor writing down how it ended.
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_put_back", dead)
        patch.setattr(Run, "_await_decision", lambda self: (_ for _ in ()).throw(Died))
        try:
            tasks.run_change(str(change.operation_id))
            died = False
        except Died:
            died = True
    home.wire.dies_at = 0
    return died


@pytest.mark.parametrize("transfers", [-700, -30, 70, 100, 170, 240, 310, 390, 470, 570, 10_000])
def test_a_worker_killed_at_any_transfer_leaves_what_its_next_life_undoes(
    home, me, administrator, monkeypatch, transfers
):
    change = rig.commit(CUT, administrator, CUTTING)
    assert die_in(home, me, change, monkeypatch, look(home) + transfers)
    assert rig.again(change).operation.state == OperationState.RUNNING
    new = next_life(me, monkeypatch)
    change = rig.again(change)
    assert change.operation.state == OperationState.INTERRUPTED
    assert change.state in (State.ROLLED_BACK, State.NOT_APPLIED)
    assert home.holds(HOME)
    assert home.reach(rig.UPLINK)[rig.CONTROLLER] == ()
    assert Claim.objects.count() == 0
    os.close(new._lock)


def test_a_worker_killed_after_the_confirmation_leaves_what_was_confirmed(home, me, engineer, monkeypatch):
    change = rig.commit(LAB, engineer)
    assert die_in(home, me, change, monkeypatch, 10_000)
    type(change).objects.filter(pk=change.pk).update(state=State.CONFIRMED)
    new = next_life(me, monkeypatch)
    assert rig.again(change).state == State.CONFIRMED
    assert home.holds(LAB)
    os.close(new._lock)


def test_nobody_changes_anything_while_a_way_back_is_to_come(home, me, engineer, monkeypatch):
    change = rig.commit(LAB, engineer)
    assert die_in(home, me, change, monkeypatch, 10_000)
    lifecycle.interrupt(rig.again(change).operation, "dead")
    with pytest.raises(refusals.Busy, match="Change 1 by olga has not come to its end"):
        rig.commit(HOME, engineer)
    me.leave(change.operation)
    restoring.undo_left_over()
    assert rig.again(change).state == State.ROLLED_BACK


# The bus and the chip


@pytest.mark.parametrize("after", [1, 100, 380, 450, 600, 800])
def test_a_bus_that_fails_for_a_while_ends_in_before(home, engineer, after):
    change = rig.commit(LAB, engineer)
    home.faults("switch-nack", look(home) + after, 8)
    change = rig.run(change)
    assert home.holds(HOME if change.state != State.CONFIRMED else LAB)
    assert change.state in (State.ROLLED_BACK, State.NOT_APPLIED)
    assert change.operation.state == OperationState.FAILED


@pytest.mark.parametrize("kind", ["switch-nack", "switch-stuck-busy"])
def test_a_bus_that_stays_away_is_said_so_and_can_be_tried_again(home, engineer, kind):
    change = rig.commit(LAB, engineer)
    # Frames, or accesses: those of the first look, which are 9 of VLANs and 35 beside them, and some more.
    home.faults(kind, look(home) + 70 if kind == "switch-nack" else 47)
    change = rig.run(change)
    assert (change.state, change.operation.code) == (State.ROLLBACK_FAILED, "rollback-failed")
    assert "The switch could not be put back to what it held before" in change.operation.message
    assert changes.open_change(rig.row()).pk == change.pk
    home.clear_faults()
    changes.roll_back(rig.again(change), engineer)
    restoring.undo_left_over()
    assert rig.again(change).state == State.ROLLED_BACK
    assert home.holds(HOME)
    assert changes.open_change(rig.row()) is None


def test_registers_that_do_not_take_what_they_are_given_are_named(home, engineer):
    change = rig.commit(LAB, engineer)
    home.faults("switch-corrupts-writes", 4)
    change = rig.run(change)
    assert change.state == State.ROLLBACK_FAILED
    assert change.differences
    registers = {one["register"] for one in change.differences}
    assert all(name.startswith("SWCORE_") for name in registers)
    assert all(one["wanted"] != one["found"] for one in change.differences)
    changes.acknowledge(rig.again(change), engineer)
    assert changes.open_change(rig.row()) is None


@pytest.mark.parametrize("after", [0, 1, 2, 5, 7])
def test_a_word_that_is_written_wrong_once_is_found_and_undone(home, engineer, after):
    change = rig.commit(LAB, engineer)
    home.faults("switch-corrupts-writes", after, 1)
    change = rig.run(change)
    assert change.state == State.ROLLED_BACK
    assert change.operation.code == "switch-registers-differ"
    assert home.holds(HOME)


@pytest.mark.parametrize("after", [9, 14])
def test_a_chip_that_resets_while_it_is_written_is_set_up_anew(home, engineer, after):
    change = rig.commit(LAB, engineer)
    home.faults("switch-resets", after, 1)
    change = rig.run(change)
    assert change.state == State.ROLLED_BACK
    assert home.holds(HOME), "each of its entries"
    assert not running.of(rig.row()).needs_scan


def test_a_chip_that_was_reset_since_is_noticed(home, engineer):
    home.model.set_reset_line(0)
    home.model.set_reset_line(1)
    home.clock.wait(5)
    with pytest.raises(refusals.Conflict, match="was reset since"):
        rig.commit(LAB, engineer)
    assert running.of(rig.row()).drift == ("The switch chip was reset since: it no longer holds what was confirmed.",)


def test_the_database_may_be_away_while_the_deadline_passes(home, engineer, monkeypatch):
    """What the switch needs for its way back is with the task."""
    from django.db import OperationalError

    from switch.services import execution

    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    real = execution.VlanChange.objects.defer

    def away(*names):
        if rig.State.AWAITING in type(change).objects.filter(pk=change.pk).values_list("state", flat=True):
            raise OperationalError("the database is away")
        return real(*names)

    monkeypatch.setattr(execution.VlanChange.objects, "defer", away)
    rig.run_only(change)
    monkeypatch.undo()
    assert rig.again(change).state == State.ROLLED_BACK
    assert home.holds(HOME)


def test_the_way_back_needs_no_table_of_ours(home, administrator):
    """What somebody else had set up comes back bit by bit as well."""
    home.chip.set_pvid(2, 77)
    running.refresh(rig.row())
    assert rig.held() is None
    change = rig.commit(HOME, administrator, rig.TAKING_OVER)
    assert isinstance(rig.held(), VlanTable | None)
    assert rig.run(change).state == State.ROLLED_BACK
    assert home.chip.read_port_tables(2).source["default_vid"] == 77
