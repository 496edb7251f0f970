"""What people see of reservations, and what the pages let them do."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Notice, User
from accounts.services import notices
from operations.models import Reservation
from reservations.services import showing
from tests.reservations.rig import person, place, reserve, state
from tests.slots.pages import htmx, page, text_of

SLOT, BOOK = "/boards/b1/slots/3/", "/boards/b1/reservations/"


def browser(name: str, role: str = "operator") -> Client:
    person(name, role)
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def bobs(clock, bob) -> Client:
    return browser("bob")


def test_the_slots_page_says_who_has_it_and_offers_only_what_one_may_do(bobs, clock, bob, carol):
    row = reserve(bob, 2)
    waits = reserve(carol, 1, queue=True, purpose="flash")
    his, hers = page(bobs, SLOT), page(browser("carol"), SLOT)
    assert "Yours until 14:00:00" in text_of(his)
    assert f"/reservations/{row.pk}/release" in his
    assert "bob has it until 14:00:00" in text_of(hers)
    assert f"/reservations/{row.pk}/release" not in hers
    assert f"/reservations/{waits.pk}/release" in hers
    assert f"/reservations/{row.pk}/break" not in hers
    assert f"/reservations/{row.pk}/break" in page(browser("alice", "administrator"), SLOT)


def test_a_viewer_reads_who_has_it_and_why_they_cannot_reserve(bobs, clock, bob):
    reserve(bob, 2)
    text = text_of(page(browser("vera", "viewer"), SLOT))
    assert "bob has it until 14:00:00" in text
    assert "Reserving slot 3 needs the role operator or network engineer; vera is viewer." in text


def test_a_slot_is_taken_by_its_dialog_and_the_panel_shows_it(bobs, clock):
    dialog = text_of(page(bobs, "/boards/b1/slots/3/reserve", **{"HX-Request": "true"}))
    assert "Until it ends, only you can power, flash or type there." in dialog
    answer = htmx(bobs, "/boards/b1/slots/3/reserve", "reservation", purpose="swap SSD", seconds="7200")
    assert "Yours until 14:00:00" in text_of(answer.content.decode())
    assert Reservation.objects.get().holder == "bob"


def test_a_time_of_the_readers_own_arrives_as_utc(bobs, clock):
    fields = {"purpose": "class", "seconds": "3600", "starts_at": "2026-11-23T14:00:00.000Z"}
    htmx(bobs, "/boards/b1/slots/3/reserve", "reservation", **fields)
    assert Reservation.objects.get().starts_at == clock.now + timedelta(hours=2)


def test_a_refused_wish_says_why_and_is_answered_409(bobs, clock, carol):
    reserve(carol, 2)
    answer = htmx(bobs, "/boards/b1/slots/3/reserve", "reservation", purpose="mine", seconds="3600")
    assert answer.status_code == 409
    assert "carol has this slot until 14:00 UTC; queue for it, or choose a later time." in answer.content.decode()


def test_without_scripts_an_act_leads_back_to_the_slot(bobs, clock, bob):
    row = reserve(bob)
    assert bobs.post(f"/reservations/{row.pk}/extend", {"seconds": "3600"})["Location"] == SLOT
    assert Reservation.objects.get().ends_at == clock.now + timedelta(hours=2)
    assert bobs.post(f"/reservations/{row.pk}/release")["Location"] == SLOT
    assert state(row) == "ended"


@pytest.mark.parametrize("act", ["extend", "release", "break"])
def test_nothing_is_done_by_looking(bobs, clock, bob, act):
    row = reserve(bob)
    bobs.get(f"/reservations/{row.pk}/{act}")
    assert state(row) == "active"


def test_breaking_the_glass_asks_for_a_reason(bobs, clock, bob):
    row = reserve(bob)
    alices = browser("alice", "administrator")
    assert "bob loses the slot at once" in text_of(page(alices, f"/reservations/{row.pk}/break"))
    assert htmx(alices, f"/reservations/{row.pk}/break", "reservation", reason="").status_code == 400
    assert state(row) == "active"
    answer = htmx(alices, f"/reservations/{row.pk}/break", "reservation", reason="fan")
    assert "Yours until 13:00:00" in text_of(answer.content.decode())


def test_the_board_marks_the_slots_that_somebody_has(bobs, clock, bob):
    reserve(bob, 2)
    reserve(bob, 2, at=5, number=4)
    html = page(bobs, "/boards/b1/")
    assert html.count('class="held"') == 1
    assert "Reserved by bob until 14:00:00" in text_of(html)


def test_who_resets_the_switch_for_all_is_told_who_has_which_slot(bobs, clock, alice, bob, make_grant):
    reserve(bob, 2)
    dialog = text_of(page(browser("alice"), "/boards/b1/switch/reset"))
    assert "bob has reserved slot 3 until 14:00 UTC, for “swap SSD”." in dialog
    dora = browser("dora", "")
    make_grant("dora", "viewer", "b1/slot:4")
    assert "bob" not in text_of(page(dora, "/boards/b1/switch/reset"))


# ---- The board's calendar


def test_the_calendar_lists_slot_by_slot_who_has_what_and_who_waits(bobs, clock, bob, carol):
    reserve(bob, 2)
    reserve(carol, 1, queue=True, purpose="flash")
    reserve(carol, 2, number=4, at=24, purpose="class")
    text = text_of(page(bobs, BOOK))
    assert "Slot 3 bob (you) 12:00:00 14:00:00 swap SSD" in text
    assert "Slot 3 carol waits about 14:00:00 about 15:00:00 flash" in text
    assert "Slot 4 carol 24 Nov 12:00:00 24 Nov 14:00:00 class" in text


def test_an_empty_book_says_so(bobs):
    assert "Nobody has reserved a slot" in text_of(page(bobs, BOOK))


@pytest.mark.parametrize("query", ["?first=2026-12-24&days=28", "?first=soon", "?days=9999", "?first=9999-12-30"])
def test_any_span_is_drawn_or_falls_back_to_this_week(bobs, query):
    page(bobs, BOOK + query)


def test_an_act_in_the_calendar_shows_the_days_that_were_shown(bobs, clock, bob):
    row = reserve(bob, 1, at=24 * 8)
    headers = {"HX-Request": "true", "HX-Target": "reservations"}
    headers["HX-Current-URL"] = f"http://testserver{BOOK}?first=2026-11-30&days=7"
    answer = bobs.post(f"/reservations/{row.pk}/release", headers=headers)
    assert "30 Nov to 6 Dec" in text_of(answer.content.decode())


def test_a_drawn_reservation_lies_where_its_time_is(clock, bob, carol):
    reserve(bob, 12, number=3)
    reserve(carol, 12, number=3, queue=True)
    book = showing.of_board([place(3), place(4)], bob)
    mine, waits = book.calendar.bars
    assert (mine.left, mine.width, mine.kind) == ("7.143%", "7.143%", "mine")  # half a day of seven, from noon on
    assert (waits.left, waits.kind, waits.words) == ("14.286%", "q", "carol queues")
    assert book.calendar.now == "7.143%"


def test_a_slot_that_one_may_not_see_is_in_nobodys_calendar(clock, bob, make_grant):
    reserve(bob, 2, number=3, purpose="secret")
    dora = browser("dora", "")
    make_grant("dora", "viewer", "b1/slot:4")
    answer = page(dora, BOOK)
    assert "secret" not in answer
    assert dora.get("/boards/b1/slots/3/reserve").status_code == 404
    assert browser("nemo", "").get(BOOK).status_code == 404


# ---- Notices


def test_what_one_must_know_stands_on_every_page_until_it_is_put_away(bobs, bob, carol):
    notices.tell(bob.user_id, "Your time on slot 3 ends <soon>.", SLOT)
    for path in (BOOK, SLOT, "/account/"):
        assert "Your time on slot 3 ends &lt;soon&gt;." in page(bobs, path)
    carols = browser("carol")
    assert "Your time" not in page(carols, BOOK)
    row = Notice.objects.get()
    assert carols.post(f"/notices/{row.pk}/seen").status_code == 404
    assert bobs.get(f"/notices/{row.pk}/seen").status_code == 405
    answer: Any = htmx(bobs, f"/notices/{row.pk}/seen", "notices")
    assert "Your time" not in answer.content.decode()
    assert "Your time" not in page(bobs, BOOK)


def test_old_notices_are_dropped(clock, bob):
    notices.tell(bob.user_id, "one")
    notices.see(bob.user_id, Notice.objects.get().pk)
    notices.tell(bob.user_id, "two")
    clock.pass_unseen(days=31)
    notices.drop_old()
    assert [row.text for row in Notice.objects.all()] == ["two"]
    clock.pass_unseen(days=60)
    notices.drop_old()
    assert not Notice.objects.exists()
