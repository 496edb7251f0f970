"""Reservations and notices over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from operations.models import AuditEntry, Operation, Reservation
from reservations.services import booking
from tests.reservations.rig import NOON, person, reserve, told

BOARD, SLOT = "/api/v1/boards/b1/reservations", "/api/v1/boards/b1/slots/3/reservations"


def client_of(name: str, role: str = "operator") -> Client:
    person(name, role)
    browser = Client()
    browser.force_login(User.objects.get(username=name))
    return browser


@pytest.fixture
def bobs(clock, bob) -> Client:
    return client_of("bob")


def post(client: Client, path: str, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(path, body, content_type="application/json", headers=headers)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_slot_is_taken_and_everybody_reads_who_has_it(bobs, carol):
    answer = post(bobs, SLOT, purpose="swap SSD", seconds=7200)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["mine"], made["ends_at"]) == ("active", True, "2026-11-23T14:00:00Z")
    (listed,) = client_of("carol").get(BOARD).json()["reservations"]
    assert (listed["holder"], listed["mine"], listed["slot"]) == ("bob", False, 3)
    slot = bobs.get("/api/v1/boards/b1/slots/3").json()
    assert slot["reservation"] == {
        "id": made["id"],
        "holder": "bob",
        "purpose": "swap SSD",
        "ends_at": "2026-11-23T14:00:00Z",
    }
    slots = bobs.get("/api/v1/boards/b1").json()["slots"]
    assert [slot["number"] for slot in slots if slot["reservation"]] == [3]


def test_who_waits_reads_their_place_and_when_to_expect_it(bobs, clock, carol):
    reserve(carol, 2)
    made = post(bobs, SLOT, purpose="flash", seconds=3600, queue=True).json()
    assert (made["state"], made["turn"], made["expected_at"]) == ("waiting", 1, "2026-11-23T14:00:00Z")


def test_one_may_plan_for_a_time_to_come(bobs, clock):
    made = post(bobs, SLOT, purpose="class", seconds=3600, starts_at="2026-11-23T15:00:00+01:00").json()
    assert (made["state"], made["starts_at"]) == ("planned", "2026-11-23T14:00:00Z")


def test_a_request_that_is_repeated_with_its_key_is_done_once_and_answered_alike(bobs, clock, carol):
    first = post(bobs, SLOT, "k1", purpose="swap SSD", seconds=7200)
    again = post(bobs, SLOT, "k1", purpose="swap SSD", seconds=7200)
    assert (again.status_code, again.json()) == (201, first.json())
    assert refused(post(bobs, SLOT, "k1", purpose="swap SSD", seconds=3600)) == (422, "idempotency-mismatch")
    assert refused(post(bobs, SLOT, "k2", purpose="swap SSD", seconds=7200)) == (409, "yours-already")
    assert refused(post(client_of("carol"), SLOT, "k1", purpose="swap SSD", seconds=7200)) == (409, "reserved")
    clock.go(hours=3)
    assert post(bobs, SLOT, "k1", purpose="swap SSD", seconds=7200).json()["state"] == "ended"
    assert Reservation.objects.count() == AuditEntry.objects.filter(action="reservation.make", outcome="done").count()
    assert Reservation.objects.count() == 1


def test_a_refused_wish_leaves_its_key_for_the_next_try(bobs, clock, carol):
    held = reserve(carol, 2)
    assert refused(post(bobs, SLOT, "k1", purpose="a", seconds=600)) == (409, "reserved")
    booking.release(held.pk, carol)
    assert post(bobs, SLOT, "k1", purpose="a", seconds=600).json()["state"] == "active"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"purpose": "a", "seconds": 60}, (400, "length")),
        ({"purpose": "", "seconds": 600}, (400, "purpose")),
        ({"purpose": "a", "seconds": 600, "starts_at": "2026-11-23T15:00:00"}, (400, "zone")),
        ({"purpose": "a", "seconds": 600, "starts_at": "soon"}, (400, "invalid")),
        ({"seconds": 600}, (400, "invalid")),
    ],
)
def test_what_cannot_be_is_refused(bobs, body, code):
    assert refused(post(bobs, SLOT, **body)) == code
    assert not Reservation.objects.exists()


def test_a_refusal_names_who_has_it_and_is_on_record(bobs, clock, carol):
    reserve(carol, 2)
    answer = post(bobs, SLOT, purpose="a", seconds=600)
    assert refused(answer) == (409, "reserved")
    assert answer.json()["detail"]["holder"] == "carol"
    entry = AuditEntry.objects.get(outcome="refused")
    assert (entry.actor, entry.action, entry.target) == ("bob", "reservation.make", "b1/slot:3")


IMAGE = "00000000-0000-0000-0000-000000000000"
TARGET = {"method": "file", "medium": "file", "address": "", "typed": "slot 3"}
#: Every way to drive a slot, or to say what it does: alone, and after a slot that is free.
WAYS = {
    "slots/3/reset": {"reset_type": "ForceOff"},
    "power": {"verb": "restart", "slots": [4, 3]},
    "slots/3/mark-off": {},
    "slots/3/clear-latch": {},
    "slots/3/flash": {"image_id": IMAGE, **TARGET},
    "flash-runs": {"image_id": IMAGE, "targets": [{"slot": 4, **TARGET}, {"slot": 3, **TARGET}]},
}
FORMS = {
    "slots/3/reset": {"reset_type": "ForceOff"},
    "several": {"verb": "restart", "slots": [4, 3]},
    "slots/3/mark-off": {},
    "slots/3/clear-latch": {},
}
RESERVED = "carol has reserved slot 3 until 14:00 UTC, for “swap SSD”."


def test_a_reserved_slot_is_driven_by_nobody_else_in_any_way(clock, alice, carol):
    reserve(carol, 2)
    alices = client_of("alice")
    for way, body in WAYS.items():
        answer = post(alices, f"/api/v1/boards/b1/{way}", **body)
        assert (refused(answer), answer.json()["message"]) == ((403, "reserved"), RESERVED), way
    for way, fields in FORMS.items():
        answer = alices.post(f"/boards/b1/{way}", fields, headers={"HX-Request": "true"})
        assert (answer.status_code, RESERVED in answer.content.decode()) == (403, True), way
    assert not Operation.objects.exists()


def test_the_end_is_moved_and_the_slot_given_back(bobs, clock, bob):
    row = reserve(bob, 1)
    path = f"/api/v1/reservations/{row.pk}"
    answer = bobs.patch(path, {"ends_at": "2026-11-23T18:00:00Z"}, content_type="application/json")
    assert (answer.status_code, answer.json()["ends_at"]) == (200, "2026-11-23T18:00:00Z")
    assert bobs.delete(path).json()["state"] == "ended"
    assert refused(bobs.delete(path)) == (409, "ended")
    assert bobs.get(path).json()["ended_why"] == "it was given back"
    assert bobs.get(BOARD).json()["count"] == 0


def test_the_glass_is_broken_with_a_reason_that_the_holder_reads(bobs, clock, bob):
    row = reserve(bob, 4)
    path = f"/api/v1/reservations/{row.pk}/break"
    assert refused(post(client_of("carol"), path, reason="mine")) == (403, "not-permitted")
    alices = client_of("alice", "administrator")
    for _ in range(2):  # the answer was lost, and asked for again
        answer = post(alices, path, "k1", reason="fan is on fire")
        assert (answer.json()["state"], answer.json()["broken_by"]) == ("broken", "alice")
    assert refused(post(alices, path, reason="fan is on fire")) == (409, "ended")
    (notice,) = bobs.get("/api/v1/notices").json()["notices"]
    assert (notice["text"], notice["link"]) == (told(bob)[0], "/boards/b1/slots/3/")
    assert post(bobs, f"/api/v1/notices/{notice['id']}/seen").status_code == 200
    assert bobs.get("/api/v1/notices").json() == {"count": 0, "notices": []}


def test_another_ones_notices_do_not_exist(bobs, clock, bob, alice, carol):
    reserve(bob, 1, at=0)
    from accounts.services import notices

    notices.tell(bob.user_id, "For bob alone.")
    (found,) = notices.unseen(bob.user_id)
    assert refused(post(client_of("carol"), f"/api/v1/notices/{found.pk}/seen")) == (404, "unknown-notice")
    assert refused(post(bobs, f"/api/v1/notices/{10**30}/seen")) == (404, "unknown-notice")
    assert notices.unseen(bob.user_id).count() == 1


@pytest.mark.parametrize("number", [999, 10**30])
def test_a_reservation_that_does_not_exist_is_not_found(bobs, number):
    assert refused(bobs.get(f"/api/v1/reservations/{number}")) == (404, "unknown-reservation")


def test_own_reservations_are_listed_over_all_slots_and_pages(bobs, clock, bob, carol):
    for number in (3, 4, 5):
        reserve(bob, 1, number=number)
    reserve(carol, 1, number=6)
    assert bobs.get("/api/v1/reservations?limit=2").json()["count"] == 3
    page = bobs.get("/api/v1/reservations?offset=2").json()["reservations"]
    assert [row["slot"] for row in page] == [5]
    assert bobs.get(f"{BOARD}?mine=true").json()["count"] == 3
    assert bobs.get(f"{BOARD}?slot=6").json()["count"] == 1


def test_only_what_may_be_seen_is_listed(clock, bob):
    from accounts.models import RightGrant

    reserve(bob, 1, number=3)
    reserve(bob, 1, number=4)
    browser = client_of("dora", "")
    dora = User.objects.get(username="dora")
    RightGrant.objects.create(user=dora, role="operator", scope="b1/slot:4", given_at=NOON - timedelta(days=1))
    assert [row["slot"] for row in browser.get(BOARD).json()["reservations"]] == [4]
    hidden = Reservation.objects.get(resource="b1/slot:3")
    assert refused(browser.get(f"/api/v1/reservations/{hidden.pk}")) == (404, "unknown-reservation")
    assert post(browser, SLOT, purpose="a", seconds=600).status_code == 404
