"""Taking a slot, planning to, queueing for it, giving it back, and overriding it; what is refused and why."""

from datetime import timedelta

import pytest

from accounts.models import User
from operations.models import Reservation
from operations.refusals import BadRequest, Busy, Conflict, NotFound, NotPermitted
from operations.roles import PORTAL, Actor, may
from reservations.services import booking
from tests.operations.rig import new_operation
from tests.reservations.rig import NOON, on_record, person, reserve, span, state, told

POWER, TYPE = ("power", "b1/slot:3"), ("console.write", "b1/uart:3")


# ---- Taking


def test_a_slot_that_nobody_has_is_taken_now(clock, bob):
    row = reserve(bob, 2)
    assert (state(row), span(row)) == ("active", (0, 2))
    assert on_record() == [("bob", "reservation.make", "done")]


@pytest.mark.parametrize("act", [POWER, TYPE, *((act, "b1/slot:3") for act in ("flash", "slot.mark", "slot.edit"))])
def test_others_cannot_switch_flash_or_type_meanwhile_and_read_who_and_until_when(clock, alice, bob, act):
    reserve(bob, 2)
    refused = may(alice, *act)
    assert not refused
    assert (refused.reason, refused.code) == ("bob has reserved slot 3 until 14:00 UTC, for “swap SSD”.", "reserved")
    clock.pass_unseen(hours=2)
    assert may(alice, *act)


def test_the_holder_can_and_so_can_the_portal_itself(clock, bob):
    reserve(bob)
    assert may(bob, *POWER)
    assert may(PORTAL, *POWER)


@pytest.mark.parametrize("act", [("view", "b1/slot:3"), ("console.read", "b1/uart:3"), ("power", "b1/slot:4")])
def test_watching_and_other_slots_stay_as_they_were(clock, bob, carol, act):
    reserve(bob)
    assert may(carol, *act)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"hours": 1 / 13}, "A slot can be reserved for 5 minutes to 14 days."),
        ({"hours": 337}, "A slot can be reserved for 5 minutes to 14 days."),
        ({"purpose": "  "}, "Say in 1 to 200 visible characters what the slot is for."),
        ({"purpose": "a\u200bb"}, "Say in 1 to 200 visible characters what the slot is for."),
        ({"at": -1}, "11:00 UTC has passed; choose a time to come, or none for now."),
        ({"at": -24 * 365}, "23 Nov 2025 12:00 UTC has passed; choose a time to come, or none for now."),
        ({"at": 24 * 91}, "A slot can be reserved at most 90 days ahead."),
        (
            {"at": 1, "queue": True},
            "Whoever queues gets the slot as soon as it is free; leave the queue or the time out.",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(clock, bob, more, problem):
    with pytest.raises(BadRequest) as refused:
        reserve(bob, **more)
    assert refused.value.message == problem
    assert not Reservation.objects.exists()


def test_it_takes_a_right_and_an_account(clock, board):
    with pytest.raises(NotPermitted, match="Reserving slot 3 needs the role operator or network engineer; vera is"):
        reserve(person("vera", "viewer"))
    with pytest.raises(NotPermitted, match="Only somebody with an account can reserve a slot"):
        reserve(PORTAL)


def test_the_controller_is_for_all(clock, alice):
    with pytest.raises(Conflict, match="Slot 1 is the controller, which all share"):
        reserve(alice, number=1)


def test_a_slot_that_does_not_exist_cannot_be_reserved(clock, alice):
    with pytest.raises(NotFound):
        reserve(alice, number=8)


def test_a_slot_where_somebody_elses_operation_goes_on_is_not_taken_from_under_it(clock, bob, carol):
    new_operation("b1/slot:3", actor="carol", actor_user_id=carol.user_id)
    with pytest.raises(Busy, match="asked for by carol"):
        reserve(bob)
    assert state(reserve(carol)) == "active"


def test_nobody_fills_the_book(clock, bob, monkeypatch):
    monkeypatch.setattr(booking, "OPEN_AT_MOST", 2)
    reserve(bob, number=3)
    reserve(bob, number=4)
    with pytest.raises(Conflict, match="You have 2 reservations already"):
        reserve(bob, number=5)


# ---- What stands in the way


def test_who_comes_second_is_told_who_has_it_and_until_when(clock, bob, carol):
    reserve(bob, 2)
    with pytest.raises(Conflict) as refused:
        reserve(carol)
    assert refused.value.message == "bob has this slot until 14:00 UTC; queue for it, or choose a later time."
    assert (refused.value.code, refused.value.detail["holder"]) == ("reserved", "bob")


def test_a_time_that_somebody_has_planned_is_refused(clock, bob, carol):
    reserve(bob, 2, at=3)
    with pytest.raises(Conflict, match="bob has planned to have this slot from 15:00 UTC until 17:00 UTC") as refused:
        reserve(carol, 4)
    assert refused.value.code == "overlap"
    with pytest.raises(Conflict):
        reserve(carol, 2, at=4.9)
    assert state(reserve(carol, 3)) == "active"  # it ends as bob's begins
    assert state(reserve(carol, 3, at=5)) == "planned"


def test_nobody_plans_themselves_past_the_queue(clock, bob, carol, alice):
    reserve(bob, 2)
    reserve(carol, 2, queue=True)
    with pytest.raises(Conflict, match="carol waits for this slot and can expect it from 14:00 UTC until 16:00 UTC"):
        reserve(alice, 1, at=3)
    assert state(reserve(alice, 1, at=4)) == "planned"


def test_asking_twice_is_refused_and_changes_nothing(clock, bob, carol):
    reserve(bob, 2)
    with pytest.raises(Conflict, match="It is yours until 14:00 UTC already; extend that instead"):
        reserve(bob, 2)
    reserve(carol, queue=True)
    with pytest.raises(Conflict, match="You wait for this slot already"):
        reserve(carol, queue=True)
    assert Reservation.objects.count() == 2


def test_ones_own_reservation_in_the_way_is_called_so(clock, bob):
    reserve(bob, 2)
    with pytest.raises(Conflict, match="You have this slot until 14:00 UTC; extend that, or choose a later") as refused:
        reserve(bob, 2, at=1)
    assert refused.value.code == "yours-already"
    later = reserve(bob, 2, at=2)  # it begins as the first one ends
    assert (state(later), span(later)) == ("planned", (2, 4))
    with pytest.raises(Conflict, match="You have planned to have this slot from 14:00 UTC until 16:00 UTC"):
        reserve(bob, 2, at=3)


# ---- Longer, shorter, back


def test_the_end_can_be_moved_while_nobody_is_in_the_way(clock, bob, carol):
    row = reserve(bob, 1)
    booking.change_end(row.pk, NOON + timedelta(hours=3), bob)
    assert span(row) == (0, 3)
    reserve(carol, 1, at=4)
    with pytest.raises(Conflict, match="carol has planned to have this slot"):
        booking.change_end(row.pk, NOON + timedelta(hours=5), bob)
    booking.change_end(row.pk, NOON + timedelta(hours=2), bob)
    reserve(carol, queue=True)
    with pytest.raises(Conflict, match="carol waits for this slot since 12:00 UTC; queue behind for more time"):
        booking.change_end(row.pk, NOON + timedelta(hours=3), bob)
    assert span(row) == (0, 2)


def test_an_end_in_the_past_or_beyond_two_weeks_is_refused(clock, bob):
    row = reserve(bob, 2)
    clock.go(hours=1)
    with pytest.raises(BadRequest, match="13:00 UTC has passed; give the slot back instead"):
        booking.change_end(row.pk, NOON + timedelta(hours=1), bob)
    with pytest.raises(BadRequest, match="5 minutes to 14 days"):
        booking.change_end(row.pk, NOON + timedelta(days=15), bob)


@pytest.mark.parametrize("act", ["change_end", "release"])
def test_another_ones_reservation_is_not_mine_to_change(clock, bob, carol, act):
    row = reserve(bob)
    more = [NOON + timedelta(hours=1)] if act == "change_end" else []
    with pytest.raises(NotPermitted, match="This reservation is bob’s; only they can change it"):
        getattr(booking, act)(row.pk, *more, carol)


def test_what_is_given_back_is_free_at_once_and_cannot_be_given_back_again(clock, bob, carol):
    row = reserve(bob)
    booking.release(row.pk, bob)
    assert may(carol, *POWER)
    with pytest.raises(Conflict, match=r"This reservation is over \(ended: it was given back\)"):
        booking.release(row.pk, bob)


def test_a_slot_that_one_may_not_see_has_no_reservations(clock, bob):
    row = reserve(bob)
    stranger = person("nemo", "")
    for act in (booking.release, lambda pk, actor: booking.break_glass(pk, "why", actor)):
        with pytest.raises(NotFound, match="There is no reservation"):
            act(row.pk, stranger)


# ---- Breaking the glass


def held_by(actor: Actor) -> Reservation:
    """The one reservation that they hold."""
    return Reservation.objects.get(user_id=actor.user_id, state="active")


def test_who_breaks_the_glass_has_the_slot_for_an_hour_and_the_holder_is_told_why(clock, alice, bob):
    row = reserve(bob, 4)
    assert booking.break_glass(row.pk, "fan is on fire", alice).pk == row.pk
    assert (state(row), span(held_by(alice))) == ("broken", (0, 1))
    assert may(alice, *POWER)
    assert not may(bob, *POWER)
    assert told(bob) == ["alice overrode your reservation of slot 3 of b1: “fan is on fire”."]
    assert ("alice", "reservation.break", "done") in on_record()


def test_nobody_moves_up_while_the_glass_is_broken(clock, alice, bob, carol):
    row = reserve(bob, 4)
    waits = reserve(carol, 2, queue=True)
    booking.break_glass(row.pk, "fan is on fire", alice)
    assert state(waits) == "waiting"
    clock.go(hours=1)
    assert state(waits) == "active"


def test_who_breaks_the_glass_has_it_no_longer_than_to_the_next_plan(clock, alice, bob, carol):
    row = reserve(bob, 0.5)
    reserve(carol, 1, at=0.5)
    booking.break_glass(row.pk, "fan", alice)
    assert span(held_by(alice)) == (0, 0.5)


def test_a_plan_is_dropped_without_anybody_getting_the_slot(clock, alice, bob):
    row = reserve(bob, 1, at=5)
    booking.break_glass(row.pk, "the board moves", alice)
    assert (state(row), Reservation.objects.count()) == ("broken", 1)


def test_breaking_takes_the_right_a_reason_and_somebody_elses_reservation(clock, alice, bob, carol):
    row = reserve(bob)
    with pytest.raises(NotPermitted, match="Overriding a reservation of slot 3 needs the role administrator"):
        booking.break_glass(row.pk, "mine", carol)
    with pytest.raises(BadRequest, match="Say in 1 to 300 visible characters why"):
        booking.break_glass(row.pk, "  ", alice)
    with pytest.raises(BadRequest, match="your own"):
        booking.break_glass(reserve(alice, number=4).pk, "mine", alice)
    booking.release(row.pk, bob)
    with pytest.raises(Conflict, match="This reservation is over"):
        booking.break_glass(row.pk, "too late", alice)


def test_a_holder_who_is_gone_stands_in_nobodys_way_for_breaking(clock, alice, bob):
    row = reserve(bob)
    User.objects.filter(pk=bob.user_id).delete()
    booking.break_glass(row.pk, "they left", alice)
    assert state(row) == "broken"
