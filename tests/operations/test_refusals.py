"""A refusal is one sentence with a code and a status, and on record once in ten seconds."""

import json
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from hardware.errors import BoardFileError, BusError
from operations import http, refusals
from operations.http import RefusalMiddleware, begin_act, record_refusal, status_of
from operations.models import AuditEntry, RefusalCount
from operations.refusals import Busy, NotPermitted, Refused
from operations.roles import Actor
from tests.operations.rig import together

STATUSES = {
    "BadRequest": 400,
    "TokenRefused": 401,
    "NotPermitted": 403,
    "NotFound": 404,
    "TooManyTries": 429,
    "SignInAgain": 403,
    "NotHere": 403,
    "Busy": 409,
    "Expired": 409,
    "Conflict": 409,
    "Gone": 410,
    "WrongVersion": 412,
    "Outdated": 412,
    "UnsafePlan": 422,
    "PlanStale": 409,
    "UnsupportedMedia": 415,
    "ChecksumMismatch": 460,
    "ImageRejected": 422,
    "NoRoom": 422,
    "ControllerSlotProtected": 422,
    "AmbiguousPowerState": 422,
    "NotOffered": 422,
    "StrandingNotAccepted": 422,
    "OverBudget": 422,
    "IdempotencyMismatch": 422,
    "Unavailable": 503,
    "BrokerUnavailable": 503,
}
VERA = Actor("vera", "viewer")


def every_refusal(kind: type[Refused] = Refused) -> list[type[Refused]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every_refusal(child))]


@pytest.mark.parametrize("kind", every_refusal()[1:])
def test_every_refusal_has_a_status_of_its_own_choice_and_a_code(kind):
    assert status_of(kind("No.")) == STATUSES[kind.__name__]
    assert kind.code != Refused.code


def test_no_two_refusals_share_a_code():
    codes = [kind.code for kind in every_refusal()]
    assert len(set(codes)) == len(codes)


def test_a_refusal_keeps_its_sentence_its_code_and_its_detail():
    refusal = Busy("slot 3 is busy.", code="very-busy", holder="alice")
    assert http.problem(refusal) == {"code": "very-busy", "message": "slot 3 is busy.", "detail": {"holder": "alice"}}


# The answer


def answer(path: str, error: Exception, htmx: bool = False) -> HttpResponse | None:
    request = RequestFactory().post(path)
    request.htmx = htmx
    request.user, request.actor = None, VERA
    return RefusalMiddleware(lambda request: HttpResponse()).process_exception(request, error)


def test_the_api_answers_a_refusal_with_its_problem_as_json(db):
    response = answer("/api/v1/boards/b1", NotPermitted("This needs the role operator."))
    assert response.status_code == 403
    assert json.loads(response.content) == {
        "code": "not-permitted",
        "message": "This needs the role operator.",
        "detail": {},
    }


def test_htmx_gets_a_fragment_that_holds_the_sentence():
    response = answer("/boards/b1/slots/3/reset", Busy("slot 3 is <busy>."), htmx=True)
    assert response.status_code == 409
    assert b"slot 3 is &lt;busy&gt;." in response.content
    assert b"<html" not in response.content


def test_hardware_that_fails_within_a_request_is_a_503_with_its_own_code():
    response = answer("/api/v1/x", BusError(0x18, 1, "no acknowledge"))
    assert response.status_code == 503
    assert json.loads(response.content)["code"] == "bus-error"
    broken = answer("/api/v1/x", BoardFileError("demo.toml", "i2c.bus", "is missing"))
    assert json.loads(broken.content)["message"] == "Board file demo.toml, key i2c.bus: is missing."


def test_a_bug_is_not_taken_for_a_refusal():
    assert answer("/api/v1/x", ValueError("a bug")) is None


# The record


def refuse(actor: Actor = VERA, target: str = "b1/slot:3", refusal: Refused | None = None) -> None:
    record_refusal(refusal or NotPermitted("No."), actor, "power.reset", target)


def refused() -> list[tuple[str, str, str, int]]:
    entries = AuditEntry.objects.filter(outcome="refused").order_by("seq")
    detail = [json.loads(entry.text)["detail"] for entry in entries]
    return [(e.actor, e.target, e.code, d["same_since_last_entry"]) for e, d in zip(entries, detail, strict=True)]


def ten_seconds_pass() -> None:
    RefusalCount.objects.update(since=timezone.now() - timedelta(seconds=10.1))


def test_a_refusal_is_on_record_with_actor_target_code_and_sentence(db):
    refuse()
    assert refused() == [("vera", "b1/slot:3", "not-permitted", 0)]
    assert json.loads(AuditEntry.objects.get().text)["detail"]["message"] == "No."


def test_the_same_refusal_is_recorded_once_in_ten_seconds_and_then_with_how_often_it_came(db):
    for _ in range(5):
        refuse()
    assert len(refused()) == 1
    ten_seconds_pass()
    refuse()
    assert refused()[1:] == [("vera", "b1/slot:3", "not-permitted", 4)]
    ten_seconds_pass()
    refuse()
    assert refused()[2:] == [("vera", "b1/slot:3", "not-permitted", 0)]


def test_another_person_slot_act_or_reason_is_another_refusal(db):
    refuse()
    record_refusal(NotPermitted("No."), VERA, "flash.request", "b1/slot:3")
    refuse(actor=Actor("nemo"))
    refuse(target="b1/slot:4")
    refuse(refusal=Busy("slot 3 is busy."))
    assert len(refused()) == 5


def test_a_clock_that_was_set_back_does_not_silence_the_record(db):
    refuse()
    RefusalCount.objects.update(since=timezone.now() + timedelta(hours=1))
    refuse()
    assert len(refused()) == 2


@pytest.mark.django_db(transaction=True)
def test_eight_equal_refusals_at_once_are_one_entry_and_seven_counts():
    for expected in (1, 2):
        assert together(lambda number: refuse()) == [None] * 8
        assert len(refused()) == expected
        assert RefusalCount.objects.get().count == 7
        ten_seconds_pass()


def test_the_boundary_records_a_refusal_of_the_act_that_the_view_named_and_no_other(db):
    request = RequestFactory().post("/api/v1/x")
    request.actor = VERA
    middleware = RefusalMiddleware(lambda request: HttpResponse())
    middleware.process_exception(request, refusals.NotFound("There is no board b9."))
    assert refused() == []
    assert begin_act(request, "power.reset", "b1/slot:3") is VERA
    middleware.process_exception(request, NotPermitted("No."))
    assert refused() == [("vera", "b1/slot:3", "not-permitted", 0)]


def test_a_person_who_may_not_even_look_is_on_record_without_an_act(db):
    middleware = RefusalMiddleware(lambda request: HttpResponse())
    request = RequestFactory().get("/people/")
    request.actor, request.user, request.htmx = VERA, None, True
    middleware.process_exception(request, NotPermitted("No."))
    assert refused() == [("vera", "portal", "not-permitted", 0)]
    assert AuditEntry.objects.get().action == "view"
    request.actor = Actor("")
    middleware.process_exception(request, NotPermitted("No."))
    assert len(refused()) == 1, "nobody is sent to sign in, and cannot fill the log"


def test_a_name_of_any_length_and_content_can_be_refused(db):
    refuse(target="b" * 5000)
    refuse(target="nul \x00 and \ud800 surrogate")
    assert [target for _, target, _, _ in refused()] == ["b" * 100, "nul ? and ? surrogate"]
