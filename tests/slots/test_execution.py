"""A worker runs what was planned, once, on the line, and writes down how it ended. On the simulated board."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from hardware import sequences
from hardware.som import ResetType
from operations import lifecycle
from operations.models import AuditEntry, Claim, Operation, OperationState
from operations.reading import read
from slots.models import Basis, Slot
from slots.services import execution, fenced, inventory, watch
from tests.slots.rig import (
    OFF,
    ON,
    POWERING_OFF,
    POWERING_ON,
    SCALE,
    SLUG,
    UNKNOWN,
    ask,
    believe,
    ended,
    held,
    hold_seconds,
    line_evidence,
    log,
    meanwhile,
    run,
    slot,
    state,
)

CM4, CM5, M4N, LM3H = 2, 3, 5, 6


def look() -> None:
    """The worker's periodic look, once what it saw before is old enough to be written anew."""
    time.sleep(inventory.REFRESH.total_seconds() / SCALE)
    watch.read_links()
    watch.observe()


# As planned


def test_a_level_som_is_forced_off_by_its_line_and_started_by_releasing_it(board, me, operator):
    board.turn_on(CM4)
    believe(CM4, ON)
    off = run(ask(CM4, ResetType.FORCE_OFF, operator))
    assert ended(off) == (OperationState.SUCCEEDED, "")
    assert board.moves() == [(2, 0)]
    assert board.power(CM4) == "Off"
    assert (*state(CM4), slot(CM4).line_low) == (OFF, Basis.COMMANDED, True)
    assert line_evidence(CM4) == "held low"
    on = run(ask(CM4, ResetType.ON, operator))
    assert ended(on) == (OperationState.SUCCEEDED, "")
    assert board.moves() == [(2, 0), (2, 1)]
    assert board.power(CM4) == "On"
    assert (*state(CM4), slot(CM4).line_low) == (POWERING_ON, Basis.COMMANDED, False)


def test_a_button_som_is_started_by_a_press_that_is_released_again(board, me, operator):
    believe(CM5, OFF)
    done = run(ask(CM5, ResetType.ON, operator))
    assert ended(done) == (OperationState.SUCCEEDED, "")
    assert board.moves() == [(3, 0), (3, 1)]
    assert board.power(CM5) == "On"
    assert state(CM5) == (POWERING_ON, Basis.COMMANDED)
    assert 1.0 <= hold_seconds(done) < 5
    assert log(done) == [
        "line driven low, read back low",
        "waiting 1 s: the power button pressed",
        "line driven high, read back high",
        "line 3 re-read: released, reads high",
        "Done. Started; waiting for a sign of life.",
    ]
    assert held() == []


def test_a_graceful_shutdown_waits_until_the_som_is_observed_off(board, me, operator):
    board.turn_on(CM5)
    board.wait_until(lambda state: state["slots"]["3"]["boot"] == "login")
    look()
    assert state(CM5) == (ON, Basis.OBSERVED)
    done = run(ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator))
    assert ended(done) == (OperationState.SUCCEEDED, "")
    assert done.message == "Observed Off."
    assert board.power(CM5) == "Off"
    assert state(CM5) == (OFF, Basis.OBSERVED)
    assert not slot(CM5).latched


def test_the_reset_of_the_switch_chip_drops_the_links_and_touches_no_slot(board, me, administrator):
    before = list(Slot.objects.values_list("power_state", "since"))
    operation = fenced.request_switch_reset(slot(1).board, administrator, reason="stuck", typed=SLUG)
    done = run(operation)
    assert ended(done) == (OperationState.SUCCEEDED, "")
    assert board.moves() == [(0, 0), (0, 1)]
    assert list(Slot.objects.values_list("power_state", "since")) == before
    assert held() == []


def test_the_audit_log_tells_who_asked_and_how_it_ended(board, me, operator):
    believe(CM4, ON)
    done = run(ask(CM4, ResetType.FORCE_OFF, operator, reason="hangs"))
    entries = AuditEntry.objects.filter(operation_id=done.pk).order_by("seq")
    assert [(entry.actor, entry.outcome, entry.reason) for entry in entries] == [
        ("olga", "requested", "hangs"),
        ("olga", "done", "hangs"),
    ]
    (change,) = read(entries[1]).changes
    assert (change.name, change.before, change.after) == ("power", "On", "Off")


def test_evidence_from_before_a_command_says_nothing_after_it(board, me, operator):
    board.turn_on(CM4)
    watch.read_links()
    believe(CM4, ON)
    run(ask(CM4, ResetType.FORCE_OFF, operator))
    assert inventory.observed_state(slot(CM4).pk) == UNKNOWN
    watch.observe()
    assert state(CM4) == (OFF, Basis.COMMANDED)


# Not as planned


def test_a_bus_that_does_not_answer_ends_it_failed_and_moves_nothing(board, me, operator):
    believe(CM4, ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    board.ctl("fault", "nack", "expander")
    done = run(operation)
    assert ended(done) == (OperationState.FAILED, "bus-error")
    assert "0x18" in done.message
    assert board.moves() == []
    assert state(CM4) == (ON, Basis.OBSERVED), "nothing moved, so what was believed still holds"
    assert held() == []


def test_a_bus_that_fails_for_a_moment_during_a_press_does_not_keep_the_button_from_its_release(board, me, operator):
    believe(CM5, OFF)
    operation = ask(CM5, ResetType.ON, operator)
    with meanwhile(lambda: board.ctl("fault", "nack", "expander", 6), lambda: board.is_low(CM5)):
        done = run(operation)
    assert board.moves() == [(3, 0), (3, 1)]
    # Whether the press or its reading back met the fault is a matter of microseconds.
    assert ended(done) in [(OperationState.SUCCEEDED, ""), (OperationState.FAILED, "bus-error")]
    assert line_evidence(CM5) == "released, reads high"
    assert execution.hold_store().holds() == ()


def test_a_bus_that_fails_during_a_press_ends_it_failed_and_the_button_is_released_once_it_answers(board, me, operator):
    believe(LM3H, OFF)
    operation = ask(LM3H, ResetType.ON, operator)
    with meanwhile(lambda: board.ctl("fault", "nack", "expander"), lambda: board.is_low(LM3H)):
        done = run(operation)
    assert ended(done) == (OperationState.FAILED, "bus-error")
    assert line_evidence(LM3H).startswith("line 6 could not be re-read: The I2C bus failed at address 0x18")
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)
    assert held() == []
    board.ctl("clear")
    assert board.is_low(LM3H), "nobody could release it yet, so it is on record"
    execution.release_left_over_holds()
    assert board.moves() == [(6, 0), (6, 1)]
    assert execution.hold_store().holds() == ()


def test_a_line_that_is_stuck_low_fails_the_press_and_stays_on_record_until_it_is_free(board, me, operator):
    believe(LM3H, OFF)
    operation = ask(LM3H, ResetType.ON, operator)
    with meanwhile(lambda: board.ctl("fault", "stuck", 6, 0), lambda: board.is_low(LM3H)):
        done = run(operation)
    assert ended(done) == (OperationState.FAILED, "line-stuck")
    assert done.message == "Line 6 was driven high but reads low."
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)
    assert line_evidence(LM3H) == "held low"
    assert [hold.slot for hold in execution.hold_store().holds()] == [LM3H]
    execution.release_left_over_holds()
    assert [hold.slot for hold in execution.hold_store().holds()] == [LM3H], "still stuck, still on record"
    board.ctl("clear")
    execution.release_left_over_holds()
    assert not board.is_low(LM3H)
    assert execution.hold_store().holds() == ()
    assert slot(LM3H).history.first().words.startswith("Left-over press released after ")


def test_an_expander_that_loses_a_write_is_found_by_reading_back(board, me, operator):
    believe(CM4, ON)
    run(ask(CM4, ResetType.FORCE_OFF, operator))
    operation = ask(CM4, ResetType.ON, operator)
    board.ctl("fault", "lost-write")
    done = run(operation)
    assert ended(done) == (OperationState.FAILED, "verify-mismatch")
    assert done.message == "The output register was written 0x04 but reads 0x00."
    assert state(CM4) == (UNKNOWN, Basis.COMMANDED)


def test_a_shutdown_that_does_not_happen_ends_it_failed_after_its_time(board, me, operator, monkeypatch):
    monkeypatch.setattr(sequences, "OFF_TIMEOUT_SECONDS", 5.0)
    board.turn_on(CM5)
    watch.read_links()
    believe(CM5, ON)
    board.ctl("os", CM5, "hang")
    done = run(ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator))
    assert ended(done) == (OperationState.FAILED, "not-observed")
    assert done.message == "The SOM was not observed Off within 5 s."
    assert state(CM5) == (UNKNOWN, Basis.COMMANDED)
    look()
    assert state(CM5) == (ON, Basis.OBSERVED)


def test_a_plan_that_cannot_be_read_ends_it_failed_instead_of_leaving_it_running(board, me, operator):
    believe(CM4, ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    Operation.objects.update(plan={"steps": "none"})
    with pytest.raises(KeyError):
        execution.execute(str(operation.pk))
    assert ended(Operation.objects.get()) == (OperationState.FAILED, "internal")
    assert held() == []


def test_a_foreign_write_is_said_with_both_values(board, me, operator):
    believe(CM4, ON)
    believe(CM5, OFF)
    run(ask(CM4, ResetType.FORCE_OFF, operator))
    board.ctl("foreign-write", "0x01", "0x04")
    done = run(ask(CM5, ResetType.ON, operator))
    said = [line for line in log(done) if "Another program" in line]
    assert said == ["Another program changed the expander's output register from 0x00 to 0x04 (line 2)."]


# The claim and the expiry


def test_a_message_that_comes_twice_acts_once(board, me, operator):
    believe(CM5, OFF)
    operation = ask(CM5, ResetType.ON, operator)
    run(operation)
    run(operation)
    assert board.moves() == [(3, 0), (3, 1)]


def test_a_message_that_comes_too_late_acts_not_at_all(board, me, operator):
    believe(CM5, OFF)
    operation = ask(CM5, ResetType.ON, operator)
    Operation.objects.update(expires_at=timezone.now() - timedelta(milliseconds=1))
    assert ended(run(operation)) == (OperationState.EXPIRED, "expired")
    assert board.moves() == []


def test_a_claim_that_was_lost_keeps_the_line_from_moving(board, me, operator):
    believe(CM4, ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    Claim.objects.all().delete()
    done = run(operation)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert done.message == "Another operation owns this slot by now. Nothing more was switched."
    assert board.moves() == []


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_is_lost_during_a_press_lets_the_button_go_and_stops_before_the_next_press(board, me, operator):
    board.turn_on(LM3H)
    watch.read_links()
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_RESTART, operator)
    with meanwhile(Claim.objects.all().delete, lambda: board.is_low(LM3H)):
        done = run(operation)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert done.message == "Another operation owns this slot by now. Nothing more was switched."
    assert board.moves() == [(6, 0), (6, 1)]
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)


@pytest.mark.parametrize(
    ("number", "asked_in", "reset_type", "found"),
    [
        (CM5, ON, ResetType.GRACEFUL_SHUTDOWN, OFF),  # the press would start it
        (CM5, OFF, ResetType.ON, ON),  # the press would shut it down
        (CM4, OFF, ResetType.ON, ON),  # the pulse would reset what runs
        (CM4, OFF, ResetType.ON, UNKNOWN),  # it might, and nobody was told
    ],
)
def test_a_plan_made_for_another_state_than_the_one_found_at_its_turn_is_not_run(
    board, me, operator, number, asked_in, reset_type, found
):
    believe(number, asked_in)
    operation = ask(number, reset_type, operator)
    believe(number, found)
    done = run(operation)
    assert ended(done) == (OperationState.FAILED, "state-changed")
    assert done.message == (
        f"Slot {number} was {asked_in} when this was asked for and is {found} now. Nothing was switched."
    )
    assert board.moves() == []
    assert state(number)[0] == found


def test_a_state_that_changed_without_changing_the_plan_does_not_stop_it(board, me, operator):
    believe(CM4, POWERING_ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    believe(CM4, ON)
    assert run(operation).state == OperationState.SUCCEEDED


# Cancel and shutdown


@pytest.mark.django_db(transaction=True)
def test_cancelling_a_press_releases_the_button_at_once(board, me, operator):
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_OFF, operator)

    def cancel() -> None:
        lifecycle.cancel(Operation.objects.get(pk=operation.pk), operator)
        me.pass_on_cancels()

    with meanwhile(cancel, lambda: board.is_low(LM3H)):
        done = run(operation)
    assert ended(done) == (OperationState.CANCELLED, "cancelled")
    assert done.message == "Cancelled by olga. A shortened press may have acted as a short one."
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)
    assert board.moves() == [(6, 0), (6, 1)]
    assert hold_seconds(done) < 8
    assert execution.hold_store().holds() == ()


def test_a_worker_that_is_told_to_stop_finishes_a_press_that_is_nearly_over(board, me, operator):
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_OFF, operator)
    with meanwhile(me.shutdown, lambda: board.is_low(LM3H)):
        done = run(operation)
    assert done.state == OperationState.SUCCEEDED
    assert hold_seconds(done) >= 8
    assert state(LM3H) == (OFF, Basis.COMMANDED)


def test_a_worker_that_is_told_to_stop_does_not_go_on_to_the_next_press(board, me, operator):
    board.turn_on(LM3H)
    watch.read_links()
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_RESTART, operator)
    with meanwhile(me.shutdown, lambda: board.moves() == [(6, 0), (6, 1)]):
        done = run(operation)
    assert ended(done) == (OperationState.INTERRUPTED, "interrupted")
    assert done.message == "The worker was told to stop. It is not repeated."
    assert state(LM3H) == (UNKNOWN, Basis.COMMANDED)
    assert board.moves() == [(6, 0), (6, 1)]


def test_what_a_stopping_worker_still_takes_moves_nothing(board, me, operator):
    believe(CM4, ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    me.shutdown()
    assert run(operation).state == OperationState.INTERRUPTED
    assert board.moves() == []
    assert state(CM4) == (ON, Basis.OBSERVED)


# On the way


def test_the_state_on_the_way_is_shown_while_it_is_on_the_way(board, me, operator, monkeypatch):
    board.turn_on(LM3H)
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_OFF, operator)
    seen = []
    set_step = lifecycle.set_step

    def watched(*words: object) -> None:
        set_step(*words)
        row = Operation.objects.get(pk=operation.pk)
        seen.append((row.step, row.steps, row.progress, state(LM3H)[0]))

    monkeypatch.setattr(lifecycle, "set_step", watched)
    run(operation)
    assert seen == [
        (1, 3, "line driven low", POWERING_OFF),
        (2, 3, "waiting 8 s: the power button held until the power is cut", POWERING_OFF),
        (3, 3, "line driven high", POWERING_OFF),
    ]
    assert state(LM3H) == (OFF, Basis.COMMANDED)
