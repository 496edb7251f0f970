"""Members of a group run one after the other, fail alone, and are no later than their turn allows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.errors import BusError
from operations import lifecycle
from operations.models import Operation, OperationState
from tests.operations.rig import begun, held, new_group, now_is, together

THREE = ("b1/slot:2", "b1/slot:3", "b1/slot:4")
concurrent = pytest.mark.django_db(transaction=True)


def states(group: list[Operation]) -> list[str]:
    return [str(now_is(member).state) for member in group]


def turn_comes(group: list[Operation]) -> None:
    """As if the pause between two members had passed."""
    Operation.objects.filter(group=group[0].group, due_at__isnull=False).update(due_at=timezone.now())
    lifecycle.housekeeping_queue(["b1"])


def finish(operation: Operation) -> None:
    with lifecycle.running(begun(operation), lambda whole: ""):
        pass


def test_the_next_member_has_its_turn_a_pause_after_the_one_before_it_ended(db):
    group = new_group(*THREE)
    finish(group[0])
    second, third = now_is(group[1]), now_is(group[2])
    assert second.due_at - now_is(group[0]).ended_at == pytest.approx(lifecycle.STAGGER, abs=timedelta(seconds=0.5))
    assert third.due_at is None
    assert lifecycle.housekeeping_queue(["b1"]) == []
    turn_comes(group)
    assert states(group) == ["succeeded", "queued", "waiting"]


def test_the_expiry_of_a_member_counts_from_its_turn(db):
    group = new_group(*THREE)
    Operation.objects.update(created_at=timezone.now() - timedelta(minutes=10))  # the members before took that long
    finish(group[0])
    turn_comes(group)
    second = now_is(group[1])
    assert second.expires_at == second.due_at + lifecycle.EXPIRY
    assert begun(second).state == OperationState.RUNNING


def test_a_member_that_fails_does_not_stop_the_others(db):
    group = new_group(*THREE)
    with lifecycle.running(begun(group[0]), lambda whole: ""):
        raise BusError(0x18, 1, "no acknowledge")
    turn_comes(group)
    assert states(group) == ["failed", "queued", "waiting"]


def test_cancelling_a_waiting_member_leaves_the_turn_of_the_others_as_it_was(db, operator):
    group = new_group(*THREE)
    begun(group[0])
    lifecycle.cancel(group[1], operator)
    assert states(group) == ["running", "cancelled", "waiting"]
    assert now_is(group[2]).due_at is None
    assert held() == ["b1/slot:2", "b1/slot:4"]
    lifecycle.interrupt(group[0], "The worker died.")
    assert now_is(group[2]).due_at is not None


def test_cancelling_the_member_whose_turn_is_about_to_come_hands_the_turn_on(db, operator):
    group = new_group(*THREE)
    finish(group[0])
    lifecycle.cancel(group[1], operator)
    assert now_is(group[2]).due_at is not None


def test_a_group_that_no_worker_took_is_expired_as_a_whole_when_one_comes_back(db):
    group = new_group(*THREE)
    yesterday = timezone.now() - timedelta(days=1)
    Operation.objects.update(created_at=yesterday)
    Operation.objects.filter(pk=group[0].pk).update(expires_at=yesterday + lifecycle.EXPIRY)
    for _ in group:
        assert lifecycle.housekeeping_queue(["b1"]) == []
    assert states(group) == ["expired", "expired", "expired"]
    assert held() == []


@pytest.mark.parametrize(("away", "second"), [(timedelta(seconds=1), "queued"), (timedelta(days=1), "expired")])
def test_a_group_whose_worker_died_goes_on_if_it_comes_back_soon_and_not_the_next_day(db, away, second):
    group = new_group(*THREE)
    begun(group[0])
    Operation.objects.filter(pk=group[0].pk).update(heartbeat_at=timezone.now() - away)
    lifecycle.sweep_dead("local", "a new life", lambda operation: None)
    Operation.objects.filter(pk=group[1].pk).update(due_at=now_is(group[1]).due_at - lifecycle.STAGGER)
    lifecycle.housekeeping_queue(["b1"])
    assert states(group)[:2] == ["interrupted", second]


def test_a_clock_that_was_set_back_does_not_keep_a_slot_waiting_for_hours(db):
    group = new_group(*THREE)
    finish(group[0])
    ahead = timezone.now() + timedelta(hours=1)
    Operation.objects.filter(pk=group[1].pk).update(due_at=ahead, created_at=ahead)
    lifecycle.housekeeping_queue(["b1"])
    assert states(group)[1] == "expired"


@concurrent
def test_a_turn_is_not_lost_when_members_end_and_are_cancelled_at_once(operator):
    for _ in range(3):
        group = new_group("b1/slot:2", "b1/slot:3", "b1/slot:4", "b1/slot:5")
        begun(group[0])
        acts = [
            lambda g: lifecycle.interrupt(g[0], "The worker died."),
            lambda g: lifecycle.cancel(g[1], operator),
            lambda g: lifecycle.cancel(g[2], operator),
        ]
        results = together(lambda n, a=acts, g=group: a[n](g), count=3)
        assert not [result for result in results if isinstance(result, Exception)]
        assert states(group) == ["interrupted", "cancelled", "cancelled", "waiting"]
        assert now_is(group[3]).due_at is not None
        lifecycle.cancel(group[3], operator)
    assert held() == []
