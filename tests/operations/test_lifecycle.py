"""An operation starts at most once, ends exactly once, and is never late."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.errors import BusError
from operations import lifecycle
from operations.models import Operation, OperationLogLine, OperationState
from operations.refusals import Busy, Conflict, NotPermitted
from tests.operations.rig import begun, held, in_processes, new_operation, now_is, outcomes, together

TOO_LONG_AGO = timedelta(seconds=61)
concurrent = pytest.mark.django_db(transaction=True)


def start(operation: Operation) -> Operation | None:
    return lifecycle.start(str(operation.pk), worker="local", instance="i1")


def nothing(whole: bool) -> str:
    return ""


# Starting


@concurrent
def test_of_eight_threads_one_starts_an_operation():
    operation = new_operation()
    started = together(lambda number: lifecycle.start(str(operation.pk), worker="local", instance=f"i{number}"))
    winners = [number for number, row in enumerate(started) if row is not None]
    assert len(winners) == 1
    assert now_is(operation).instance == f"i{winners[0]}"


@concurrent
def test_of_eight_processes_one_starts_an_operation():
    operation = new_operation()

    def work(number: int) -> bool:
        return lifecycle.start(str(operation.pk), worker="local", instance=f"i{number}") is not None

    assert sorted(in_processes(work)) == [False] * 7 + [True]


def test_a_redelivered_message_starts_nothing(db):
    operation = new_operation()
    assert start(operation) is not None
    assert start(operation) is None
    assert now_is(operation).state == OperationState.RUNNING


def test_an_ended_operation_is_never_started_again(db):
    operation = begun(new_operation())
    with lifecycle.running(operation, nothing):
        pass
    assert start(operation) is None
    assert now_is(operation).state == OperationState.SUCCEEDED


# Lateness


def test_a_late_message_expires_the_operation_and_frees_its_slot(db):
    long_ago = timezone.now() - TOO_LONG_AGO
    operation = new_operation(created_at=long_ago, expires_at=long_ago + timedelta(seconds=60))
    assert start(operation) is None
    assert now_is(operation).state == OperationState.EXPIRED
    assert held() == []
    assert outcomes(operation.pk) == ["expired"]


def test_a_clock_that_was_set_back_buys_no_time(db):
    ahead = timezone.now() + timedelta(hours=1)
    operation = new_operation(created_at=ahead, expires_at=ahead + timedelta(seconds=60))
    assert start(operation) is None
    assert now_is(operation).state == OperationState.EXPIRED


def test_an_operation_that_is_late_is_shown_expired_before_anybody_wrote_so(db):
    operation = new_operation(expires_at=timezone.now() - timedelta(seconds=1))
    assert operation.state == OperationState.QUEUED
    assert operation.shown_state(timezone.now()) == OperationState.EXPIRED


def test_what_is_in_time_does_not_expire(db):
    operation = new_operation()
    assert lifecycle.expire(str(operation.pk)) is False
    assert now_is(operation).state == OperationState.QUEUED


def test_housekeeping_expires_what_is_late_and_returns_what_to_send_again(db):
    late = new_operation("b1/slot:2", expires_at=timezone.now() - timedelta(seconds=1))
    in_time = new_operation("b1/slot:3")
    elsewhere = new_operation("b2/slot:3")
    assert lifecycle.housekeeping_queue(["b1"]) == [in_time]
    assert now_is(late).state == OperationState.EXPIRED
    assert now_is(elsewhere).state == OperationState.QUEUED


# Ending


def test_success_ends_the_operation_frees_its_claim_and_is_on_record(db):
    operation = begun(new_operation())
    with lifecycle.running(operation, lambda whole: "Commanded Off." if whole else "not whole"):
        pass
    ended = now_is(operation)
    assert (ended.state, ended.code, ended.message) == (OperationState.SUCCEEDED, "", "Commanded Off.")
    assert ended.ended_at is not None
    assert held() == []
    assert outcomes(operation.pk) == ["done"]
    assert ended.log.last().text == "Done. Commanded Off."


def test_a_hardware_error_ends_it_failed_with_its_code_and_sentence(db):
    operation = begun(new_operation())
    whole = []
    with lifecycle.running(operation, lambda all_done: whole.append(all_done) or ""):
        raise BusError(0x18, 1, "no acknowledge")
    ended = now_is(operation)
    assert (ended.state, ended.code) == (OperationState.FAILED, "bus-error")
    assert ended.message == "The I2C bus failed at address 0x18, register 0x01: no acknowledge."
    assert whole == [False]
    assert outcomes(operation.pk) == ["failed"]


def test_what_went_wrong_on_the_way_out_is_said_as_well(db):
    operation = begun(new_operation())
    error = BusError(0x18, 1, "no acknowledge")
    error.add_note("The line could not be released either: it is stuck.")
    with lifecycle.running(operation, nothing):
        raise error
    assert now_is(operation).message.endswith("The line could not be released either: it is stuck.")


def test_a_refusal_inside_ends_it_failed_with_its_code(db):
    operation = begun(new_operation())
    with lifecycle.running(operation, nothing):
        raise Busy("slot 3 is busy.")
    assert (now_is(operation).state, now_is(operation).code) == (OperationState.FAILED, "busy")


def test_a_bug_ends_it_failed_internal_and_is_raised_again(db):
    operation = begun(new_operation())
    with pytest.raises(ZeroDivisionError), lifecycle.running(operation, nothing):
        print(1 / 0)
    ended = now_is(operation)
    assert (ended.state, ended.code) == (OperationState.FAILED, "internal")
    assert "ZeroDivision" not in ended.message
    assert held() == []


def test_cancel_and_interruption_are_ends_of_their_own(db):
    cancelled, interrupted = begun(new_operation("b1/slot:2")), begun(new_operation("b1/slot:3"))
    with lifecycle.running(cancelled, nothing):
        raise lifecycle.Cancelled("Cancelled by bob.")
    with lifecycle.running(interrupted, nothing):
        raise lifecycle.Interrupted("The worker was told to stop.")
    assert (now_is(cancelled).state, now_is(cancelled).message) == (OperationState.CANCELLED, "Cancelled by bob.")
    assert (now_is(interrupted).state, now_is(interrupted).code) == (OperationState.INTERRUPTED, "interrupted")


@concurrent
def test_of_eight_ends_one_counts():
    operation = begun(new_operation())
    settled = []
    ends = together(lambda number: lifecycle.interrupt(operation, f"End {number}.", settled.append))
    assert sorted(ends) == [False] * 7 + [True]
    assert len(settled) == 1
    assert outcomes(operation.pk) == ["interrupted"]
    assert now_is(operation).message == f"End {ends.index(True)}."


def test_an_operation_that_was_ended_from_outside_is_not_settled_a_second_time(db):
    operation = begun(new_operation())
    settled = []
    with lifecycle.running(operation, lambda whole: settled.append(whole) or ""):
        lifecycle.interrupt(operation, "The board lost power.")
    assert settled == []
    assert now_is(operation).message == "The board lost power."
    assert outcomes(operation.pk) == ["interrupted"]


def test_an_operation_whose_effect_cannot_be_written_down_does_not_stay_running(db):
    operation = begun(new_operation())

    def settle(whole: bool) -> str:
        Operation.objects.filter(pk=operation.pk).update(reason="half written")
        raise RuntimeError("the slot is gone")

    with pytest.raises(RuntimeError), lifecycle.running(operation, settle):
        pass
    ended = now_is(operation)
    assert (ended.state, ended.code, ended.reason) == (OperationState.FAILED, "internal", "")
    assert held() == []
    assert outcomes(operation.pk) == ["failed"]


def test_interrupting_writes_the_end_and_what_follows_from_it_in_one_transaction(db):
    operation = begun(new_operation())

    def settle(ended: Operation) -> None:
        raise RuntimeError("the slot is gone")

    with pytest.raises(RuntimeError):
        lifecycle.interrupt(operation, "The worker died.", settle)
    assert now_is(operation).state == OperationState.RUNNING
    assert held() == ["b1/slot:3"]
    assert outcomes(operation.pk) == []


@pytest.mark.parametrize(
    "end", [lifecycle.expire, lambda pk: lifecycle.fail_before_start(Operation.objects.get(pk=pk), "x", "No.")]
)
def test_what_runs_can_neither_expire_nor_fail_before_its_start(db, end):
    operation = begun(new_operation(expires_at=timezone.now() + timedelta(seconds=60)))
    Operation.objects.filter(pk=operation.pk).update(expires_at=timezone.now() - TOO_LONG_AGO)
    assert end(operation.pk) is False
    assert now_is(operation).state == OperationState.RUNNING


# Cancelling


def test_cancelling_what_waits_ends_it_at_once(db, operator):
    operation = new_operation()
    lifecycle.cancel(operation, operator)
    ended = now_is(operation)
    assert (ended.state, ended.message) == (OperationState.CANCELLED, "Cancelled by olga before it began.")
    assert held() == []
    assert start(operation) is None


def test_cancelling_what_runs_asks_its_worker_and_keeps_the_claim(db, operator):
    operation = begun(new_operation())
    lifecycle.cancel(operation, operator)
    assert now_is(operation).state == OperationState.RUNNING
    assert now_is(operation).cancel_requested_by == "olga"
    assert held() == ["b1/slot:3"]


def test_an_operation_that_starts_just_now_is_cancelled_all_the_same(db, operator):
    seen_queued = new_operation()
    begun(seen_queued)
    lifecycle.cancel(seen_queued, operator)
    assert now_is(seen_queued).cancel_requested_by == "olga"


def test_cancelling_what_has_ended_is_refused_and_says_how_it_ended(db, operator):
    operation = new_operation()
    lifecycle.cancel(operation, operator)
    with pytest.raises(Conflict, match=r"Force off slot 3 has ended already \(Cancelled\)\.") as refusal:
        lifecycle.cancel(operation, operator)
    assert refusal.value.code == "ended"
    assert outcomes(operation.pk) == ["cancelled", "done"]


def test_a_viewer_cannot_cancel(db, viewer):
    operation = new_operation()
    with pytest.raises(NotPermitted):
        lifecycle.cancel(operation, viewer)
    assert now_is(operation).state == OperationState.QUEUED


@concurrent
def test_starting_and_cancelling_at_once_loses_neither(operator):
    for _ in range(4):
        operation = new_operation()
        both = together(lambda n, op=operation: lifecycle.cancel(op, operator) if n else start(op), count=2)
        now = now_is(operation)
        if both[0] is None:
            assert now.state == OperationState.CANCELLED
        else:
            assert (now.state, now.cancel_requested_by) == (OperationState.RUNNING, "olga")
            lifecycle.interrupt(now, "enough")


# The live log


@concurrent
def test_log_lines_of_eight_threads_are_numbered_without_gaps():
    operation = begun(new_operation())
    done = together(lambda number: [lifecycle.append_log(operation, f"{number}.{line}") for line in range(5)])
    assert not [result for result in done if isinstance(result, Exception)]
    lines = list(OperationLogLine.objects.filter(operation=operation).values_list("number", flat=True))
    assert lines == list(range(1, 41))


# Workers that are gone


def test_what_an_earlier_life_of_a_worker_ran_is_interrupted(db):
    dead = begun(new_operation("b1/slot:2"), instance="old")
    mine = begun(new_operation("b1/slot:3"), instance="new")
    other = begun(new_operation("b1/slot:4"), worker="another", instance="x")
    settled = []
    lifecycle.sweep_dead("local", "new", settled.append)
    assert now_is(dead).state == OperationState.INTERRUPTED
    assert [operation.pk for operation in settled] == [dead.pk]
    assert now_is(mine).state == now_is(other).state == OperationState.RUNNING
    assert held() == ["b1/slot:3", "b1/slot:4"]


def test_a_worker_elsewhere_that_falls_silent_is_given_up_after_a_minute(db):
    silent = begun(new_operation("b1/slot:2"), worker="far", instance="far1")
    heard = begun(new_operation("b1/slot:3"), worker="near", instance="near1")
    long_ago = timezone.now() - TOO_LONG_AGO
    Operation.objects.update(heartbeat_at=long_ago)
    lifecycle.heartbeat("near1")
    lifecycle.sweep_silent(lambda operation: None, alive=[])
    assert now_is(silent).state == OperationState.INTERRUPTED
    assert now_is(heard).state == OperationState.RUNNING


def test_a_clock_that_jumps_ahead_kills_no_worker_that_holds_its_lock(db):
    operation = begun(new_operation(), worker="local")
    Operation.objects.update(heartbeat_at=timezone.now() - timedelta(days=300))
    lifecycle.sweep_silent(lambda ended: None, alive=["local"])
    assert now_is(operation).state == OperationState.RUNNING
