"""What the clock does: turns come, times end, people are reminded, and who lost the right loses the slot."""

from datetime import timedelta

import pytest

from accounts.access import current_version
from accounts.models import Notice, User
from accounts.services import notices
from operations.models import Operation, OperationState, Reservation
from operations.roles import may
from reservations.services import booking, showing, turns
from tests.operations.rig import new_operation
from tests.reservations.rig import on_record, person, reserve, span, state, told

POWER = ("power", "b1/slot:3")


def test_a_planned_time_comes_by_itself(clock, bob, carol):
    row = reserve(bob, 2, at=1)
    assert may(carol, *POWER)
    clock.go(hours=1)
    assert state(row) == "active"
    assert not may(carol, *POWER)
    assert told(bob) == ["Slot 3 of b1 is yours until 15:00 UTC, for “swap SSD”."]
    clock.go(hours=2)
    assert state(row) == "ended"
    assert on_record()[1:] == [("bob", "reservation.begin", "done"), ("bob", "reservation.end", "done")]


def test_a_time_holds_and_ends_even_while_no_worker_runs(clock, bob, carol):
    reserve(bob, 2, at=1)
    clock.pass_unseen(hours=1)
    assert not may(carol, *POWER)
    clock.pass_unseen(hours=2)
    assert may(carol, *POWER)


def test_what_began_and_ended_unseen_is_written_down_in_the_end(clock, bob, carol):
    rows = [reserve(bob, 1, at=1), reserve(carol, 1, at=2)]
    clock.go(days=1)
    assert [state(row) for row in rows] == ["ended", "ended"]


def test_of_two_that_touch_the_later_one_begins_when_the_first_one_ends(clock, bob, carol):
    first, second = reserve(bob, 1), reserve(carol, 1, at=1)
    clock.go(hours=1)
    assert (state(first), state(second)) == ("ended", "active")


def test_those_who_wait_come_in_the_order_in_which_they_came(clock, alice, bob, carol):
    held = reserve(bob, 2)
    first, second = reserve(carol, 1, queue=True), reserve(alice, 1, queue=True)
    booking.release(held.pk, bob)
    assert (state(first), span(first), state(second)) == ("active", (0, 1), "waiting")
    clock.go(hours=1)
    assert (state(first), state(second), span(second)) == ("ended", "active", (1, 2))
    assert told(alice) == ["Slot 3 of b1 is yours until 14:00 UTC, for “swap SSD”."]


def test_a_clock_that_is_set_back_lets_nobody_jump_the_queue(clock, alice, bob, carol):
    held = reserve(bob, 2)
    first = reserve(carol, 1, queue=True)
    clock.pass_unseen(hours=-1)
    late = reserve(alice, 1, queue=True)
    assert [one.row.pk for one in showing.open_of(["b1/slot:3"], bob)] == [held.pk, first.pk, late.pk]
    booking.release(held.pk, bob)
    assert (state(first), state(late)) == ("active", "waiting")
    booking.release(first.pk, carol)
    assert state(late) == "active"


def test_a_clock_that_is_set_back_takes_the_slot_from_nobody_and_ends_nothing_twice(clock, bob, carol):
    row = reserve(bob, 1)
    clock.go(minutes=55)  # bob is reminded
    clock.go(hours=-2)
    assert not may(carol, *POWER)
    assert may(bob, *POWER)
    clock.go(hours=3)
    assert state(row) == "ended"
    assert len(told(bob)) == 1
    assert on_record() == [("bob", "reservation.make", "done"), ("bob", "reservation.end", "done")]


def test_in_the_queue_of_a_free_slot_the_turn_is_now(clock, bob):
    row = reserve(bob, 1, queue=True)
    assert (state(row), span(row)) == ("active", (0, 1))


def test_a_turn_ends_where_somebody_has_planned_to_have_the_slot(clock, bob, carol):
    reserve(bob, 2, at=1)
    assert span(reserve(carol, 4, queue=True)) == (0, 1)


def test_a_turn_waits_while_somebody_elses_operation_goes_on(clock, alice, bob, carol):
    held = reserve(bob, 1)
    operation = new_operation("b1/slot:3", actor="bob", actor_user_id=bob.user_id)
    waits = reserve(carol, 1, queue=True)
    booking.release(held.pk, bob)
    assert state(waits) == "waiting"
    operation.claim.delete()
    Operation.objects.update(state=OperationState.SUCCEEDED)
    clock.go(minutes=10)
    assert span(waits) == pytest.approx((1 / 6, 7 / 6))


def test_whose_turn_comes_when_they_may_no_longer_is_passed_over(clock, alice, bob, carol):
    held = reserve(bob, 2)
    gone, waits = reserve(carol, 1, queue=True), reserve(alice, 1, queue=True)
    User.objects.filter(pk=carol.user_id).update(is_active=False)
    booking.release(held.pk, bob)
    assert (state(gone), state(waits)) == ("ended", "active")
    assert Reservation.objects.get(pk=gone.pk).ended_why == "whoever held it may no longer reserve there"
    assert told(carol) == ["Your reservation of slot 3 of b1 has ended: you may no longer reserve it."]


@pytest.mark.parametrize("role", ["viewer", ""])
def test_who_loses_the_right_loses_the_slot(clock, bob, carol, role):
    row = reserve(bob, 2)
    User.objects.get(pk=bob.user_id)
    user = User.objects.get(pk=bob.user_id)
    user.role = role
    user.save()
    clock.go(seconds=1)
    assert state(row) == "ended"
    assert may(carol, *POWER)
    assert told(bob) == ["Your reservation of slot 3 of b1 has ended: you may no longer reserve it."]
    assert not Notice.objects.get(user_id=bob.user_id).link, "they may not see the slot any more"


def test_who_is_deleted_holds_nothing(clock, bob, carol):
    row = reserve(bob, 2)
    User.objects.get(pk=bob.user_id).delete()
    clock.go(seconds=1)
    assert state(row) == "ended"


# ---- Reminders


def test_the_holder_is_reminded_once_ten_minutes_before_the_end(clock, bob, carol):
    reserve(bob, 2)
    reserve(carol, queue=True)
    clock.go(minutes=109)
    assert told(bob) == []
    clock.go(minutes=1)
    clock.go(minutes=1)
    assert told(bob) == ["Your time on slot 3 of b1 ends at 14:00 UTC. carol waits for it."]


def test_who_has_a_slot_for_minutes_is_reminded_in_the_last_quarter(clock, bob):
    reserve(bob, 1 / 3)
    clock.go(minutes=14)
    assert told(bob) == []
    clock.go(minutes=1)
    assert told(bob) == ["Your time on slot 3 of b1 ends at 12:20 UTC. Extend it if you need it longer."]


def test_what_was_said_of_a_time_is_put_away_once_its_holder_has_changed_it(clock, bob):
    row = reserve(bob, 1)
    clock.go(minutes=55)
    assert notices.unseen(bob.user_id).count() == 1
    booking.change_end(row.pk, clock.now + timedelta(hours=1), bob)
    assert notices.unseen(bob.user_id).count() == 0
    clock.go(minutes=55)
    assert notices.unseen(bob.user_id).count() == 1
    booking.release(row.pk, bob)
    assert notices.unseen(bob.user_id).count() == 0


def test_who_extends_is_reminded_again(clock, bob):
    row = reserve(bob, 1)
    clock.go(minutes=55)
    booking.change_end(row.pk, clock.now.replace(hour=14, minute=0), bob)
    clock.go(minutes=58)
    assert len(told(bob)) == 2


# ---- What it costs, and at once


def test_open_sockets_ask_anew_whenever_somebody_takes_or_loses_a_slot(clock, bob):
    seen = current_version()
    row = reserve(bob, 1)
    assert (taken := current_version()) > seen
    clock.go(hours=1)
    assert state(row) == "ended"
    assert current_version() > taken


def test_a_second_in_which_nothing_is_due_costs_two_queries(clock, bob, carol, django_assert_max_num_queries):
    reserve(bob, 5)
    reserve(carol, 5, queue=True)
    reserve(person("dave"), 5, number=4)
    turns.keep()
    version = current_version()
    with django_assert_max_num_queries(3):
        turns.keep()
    assert current_version() == version
