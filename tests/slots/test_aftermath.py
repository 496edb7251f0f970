"""What a press leaves behind: a latched SOM, a board that lost power, a dead worker's button."""

import json

import pytest

from hardware.som import ResetType
from operations import lifecycle, roles
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Basis, Slot, StateChange
from slots.services import execution, parts, watch
from tests.slots.rig import (
    OFF,
    ON,
    POWERING_ON,
    SLUG,
    UNKNOWN,
    ask,
    believe,
    ended,
    held,
    hold_seconds,
    meanwhile,
    run,
    slot,
    state,
)

CM4, CM5, LM3H = 2, 3, 6


# The latch


def test_a_press_of_a_cm5_that_was_long_enough_latches_it_and_says_how_long(board, me, operator):
    board.turn_on(CM5)
    believe(CM5, ON)
    done = run(ask(CM5, ResetType.FORCE_OFF, operator, accept_stranding=True))
    assert done.state == OperationState.SUCCEEDED
    row = slot(CM5)
    assert row.latched
    assert row.latched_note == f"held {hold_seconds(done):.1f} s by olga"
    assert hold_seconds(done) >= 8.0
    assert row.history.first().words == f"Latched off: held {hold_seconds(done):.1f} s"


@pytest.mark.parametrize(("held_for", "latched"), [(5.9, False), (6.0, True), (None, False)])
def test_what_latches_is_how_long_the_line_was_low_and_not_what_was_planned(board, me, operator, held_for, latched):
    believe(CM5, OFF)
    operation = lifecycle.start(str(ask(CM5, ResetType.ON, operator).pk), worker=me.name, instance=me.instance)
    one = execution.Run(operation, me.enter(operation), me)
    one.moved, one.outcome.actual_hold_seconds = True, held_for
    one.settle(whole=False)
    assert slot(CM5).latched is latched
    assert state(CM5)[0] == UNKNOWN
    me.leave(operation)


def test_a_long_press_strands_no_som_that_does_not_latch(board, me, operator):
    board.turn_on(LM3H)
    believe(LM3H, ON)
    run(ask(LM3H, ResetType.FORCE_OFF, operator))
    assert not slot(LM3H).latched


# The board's power


def test_a_board_that_lost_power_before_a_start_is_noticed_and_nothing_is_pressed(board, me, operator):
    believe(CM4, ON)
    believe(CM5, ON, latched=False)
    run(ask(CM4, ResetType.FORCE_OFF, operator))
    believe(4, OFF, latched=True)
    operation = ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator)
    board.ctl("mains-cycle")
    seen = len(board.moves())
    done = run(operation)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert done.message == "The board lost power. It is not repeated."
    assert board.moves()[seen:] == []
    assert {row.power_state for row in Slot.objects.all()} == {UNKNOWN}
    assert not slot(4).latched
    assert [(e.actor, e.outcome) for e in AuditEntry.objects.filter(action="board.power-lost")] == [
        (roles.PORTAL.name, "noticed")
    ]
    assert slot(CM5).board.power_lost_at is not None
    watch.check_boards()
    assert AuditEntry.objects.filter(action="board.power-lost").count() == 1, "one loss is said once"


@pytest.mark.django_db(transaction=True)
def test_a_loss_of_power_stops_what_waits_on_that_board(board, me, operator):
    board.turn_on(CM5)
    watch.read_links()
    believe(CM5, ON)
    board.ctl("os", CM5, "hang")
    operation = ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator)

    def lose_power() -> None:
        board.ctl("mains-cycle")
        watch.check_boards()

    with meanwhile(lose_power, lambda: "waiting up to" in Operation.objects.get(pk=operation.pk).progress):
        done = run(operation)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert done.message == "The board lost power. It is not repeated."
    assert state(CM5) == (UNKNOWN, Basis.OBSERVED)


# What a dead worker left behind


def test_a_dead_workers_operation_ends_interrupted_and_its_slot_unknown(board, me, operator):
    believe(CM5, OFF)
    operation = lifecycle.start(str(ask(CM5, ResetType.ON, operator).pk), worker=me.name, instance="an earlier life")
    Slot.objects.filter(pk=slot(CM5).pk).update(power_state=POWERING_ON.value, basis=Basis.COMMANDED)
    lifecycle.sweep_dead(me.name, me.instance, execution.settle_interrupted)
    done = Operation.objects.get(pk=operation.pk)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert state(CM5) == (UNKNOWN, Basis.COMMANDED)
    assert held() == []
    assert StateChange.objects.filter(slot=slot(CM5)).first().words == "Power on slot 3 by olga: now Unknown"
    detail = json.loads(AuditEntry.objects.latest("seq").text)["detail"]
    assert (detail["before"], detail["after"]) == ({"power": POWERING_ON}, {"power": UNKNOWN})


def left_over(me, number: int, since: float, instance: str = "an earlier life") -> None:
    """A press that a dead worker has begun, on the line and on record."""
    hardware = parts.hardware(SLUG)
    owner = execution.HoldOwner(me.name, instance, str(me.data_dir / "worker-local.lock"))
    hold = execution.hold_store().line(
        SLUG, number, number, bus=hardware.spec.bus, expander=hardware.spec.expander, owner=owner
    )
    hold.begin(8.0, execution.CLOCK.monotonic() - since)
    hardware.expander.drive(number, execution.Level.LOW)


def test_a_left_over_press_is_released_first_of_all_and_its_slot_is_unknown(board, me):
    believe(LM3H, ON)
    left_over(me, LM3H, since=3)
    execution.release_left_over_holds()
    assert board.moves() == [(6, 0), (6, 1)]
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)
    assert slot(LM3H).history.first().words.startswith("Left-over press released after ")
    assert execution.hold_store().holds() == ()
    assert execution.hold_store().released() == {}
    assert not slot(LM3H).latched


@pytest.mark.parametrize(("since", "latched"), [(3.0, False), (7.0, True)])
def test_a_left_over_press_of_a_cm5_that_lasted_long_enough_counts_as_latched(board, me, since, latched):
    left_over(me, CM5, since=since)
    execution.release_left_over_holds()
    assert slot(CM5).latched is latched


def test_a_press_that_is_being_made_here_is_not_left_over(board, me, operator):
    believe(LM3H, ON)
    operation = lifecycle.start(str(ask(LM3H, ResetType.FORCE_OFF, operator).pk), worker="local", instance=me.instance)
    me.enter(operation)
    left_over(me, LM3H, since=1, instance=me.instance)
    execution.release_left_over_holds()
    assert board.is_low(LM3H)
    me.leave(operation)
    execution.release_left_over_holds()
    assert not board.is_low(LM3H)
