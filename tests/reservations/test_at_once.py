"""Many people and workers at the same moment: one has the slot, and every turn comes once."""

import threading
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Notice, User
from operations.models import AuditEntry, Reservation
from operations.refusals import Conflict
from reservations.services import book, booking, turns
from reservations.services.booking import Wish
from tests.operations.rig import MANY, together
from tests.reservations.rig import make_board, person, place, reserve

pytestmark = pytest.mark.django_db(transaction=True)
SOME = 4


@pytest.fixture(autouse=True)
def board(db) -> None:
    make_board()


def test_of_many_who_take_a_slot_at_once_one_has_it_and_the_others_read_who():
    people = [person(f"p{number}") for number in range(MANY)]
    results = together(lambda number: reserve(people[number]))
    won = [found for found in results if isinstance(found, Reservation)]
    lost = [found for found in results if isinstance(found, Conflict)]
    assert (len(won), len(lost)) == (1, MANY - 1), results
    assert {refusal.message.split()[0] for refusal in lost} == {won[0].holder}
    assert Reservation.objects.count() == AuditEntry.objects.count() == 1


def test_of_many_equal_wishes_with_one_key_one_takes_the_slot_and_all_are_told_the_same():
    bob = person("bob")
    results = together(lambda number: booking.reserve(place(), Wish("swap SSD", 3600), bob, key="k1"), SOME)
    assert [found for found in results if not isinstance(found, Reservation)] == []
    assert {found.pk for found in results} == {Reservation.objects.get().pk}


def test_of_many_plans_that_overlap_one_stands():
    people = [person(f"p{number}") for number in range(MANY)]
    together(lambda number: reserve(people[number], 2, at=1 + number / 10), SOME)
    assert Reservation.objects.count() == 1


def test_an_edit_of_what_was_read_waits_for_a_decision_under_way_and_is_not_waited_for():
    """Both lock in one order; else PostgreSQL ends one of them."""
    bob = person("bob")
    row, browser, decides = reserve(bob, 2), Client(), threading.Event()
    browser.force_login(User.objects.get(pk=bob.user_id))
    read = browser.get(f"/api/v1/reservations/{row.pk}")
    body = {"ends_at": (timezone.now() + timedelta(hours=3)).isoformat()}

    def decide(number: int) -> int:
        if number:
            assert decides.wait(10)
            headers = {"If-Match": read["ETag"]}
            return browser.patch(read.request["PATH_INFO"], body, "application/json", headers=headers).status_code
        with book.locked():
            decides.set()
            time.sleep(0.2)  # the edit is under way by now
            return Reservation.objects.filter(pk=row.pk).update(purpose="decided")

    assert together(decide, 2) == [1, 200]


def test_whoever_gives_back_and_whoever_queues_at_that_moment_leave_nobody_waiting_for_a_free_slot():
    bob, carol = person("bob"), person("carol")
    held = reserve(bob)
    together(lambda number: booking.release(held.pk, bob) if number else reserve(carol, queue=True), 2)
    turns.keep()
    assert Reservation.objects.get(holder="carol").state == "active"


def test_many_workers_let_a_turn_come_once():
    bob = person("bob")
    row = reserve(bob, 1, at=1)
    begin = timezone.now() - timedelta(seconds=1)
    Reservation.objects.update(starts_at=begin, ends_at=begin + timedelta(hours=1))
    assert set(together(lambda number: turns.keep(), SOME)) == {None}
    row.refresh_from_db()
    assert row.state == "active"
    assert AuditEntry.objects.filter(action="reservation.begin").count() == 1
    assert Notice.objects.count() == 1


def test_many_workers_remind_once():
    reserve(person("bob"), 1)
    now = timezone.now()
    Reservation.objects.update(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(minutes=1))
    together(lambda number: turns.keep(), SOME)
    assert Notice.objects.count() == 1
