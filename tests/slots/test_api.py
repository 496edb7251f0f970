"""The REST API: statuses, shapes and sentences that scripts hold on to."""

import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Session
from operations import lifecycle
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Board, EvidenceKind, Slot, Som, SomType
from tests.prepared import PASSWORD
from tests.slots.rig import OFF, ON, SLUG, believe, held, saw

CM4, CM5 = 2, 3
API = "/api/v1"
RESET = f"{API}/boards/demo/slots/{CM4}/reset"


@pytest.fixture(autouse=True)
def fast_hashing(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def client_of(make_person):
    """A client with the session of a new person of that role."""

    def sign_in(role: str, **more: Any) -> Client:
        client = Client(**more)
        client.force_login(make_person(f"{role} person", role))
        return client

    return sign_in


@pytest.fixture
def viewer(client_of, rows) -> Client:
    return client_of("viewer")


@pytest.fixture
def operator(client_of, rows) -> Client:
    return client_of("operator")


def post(client: Client, path: str, body: Any = None, **headers: str) -> HttpResponse:
    text = body if isinstance(body, str) else json.dumps(body or {})
    return client.post(path, text, content_type="application/json", headers=headers)


def problem(answer: HttpResponse) -> tuple[int, str, str]:
    """Status, code and sentence of a refusal, which has nothing else but a detail."""
    body = answer.json()
    assert set(body) == {"code", "message", "detail"}, body
    assert body["message"].endswith("."), body
    return answer.status_code, body["code"], body["message"]


# Reading


def test_the_boards_are_listed_with_their_number(viewer):
    assert viewer.get(f"{API}/boards").json() == {
        "count": 1,
        "boards": [{"slug": SLUG, "name": SLUG, "simulated": True, "problem": "", "soms": 6, "on": 0}],
    }


def test_a_board_has_its_seven_slots_and_its_budget(viewer):
    for number in (CM4, CM5, 4, 5, 6):
        believe(number, OFF)
    believe(1, ON)
    body = viewer.get(f"{API}/boards/demo").json()
    assert {key: body[key] for key in ("slug", "soms", "on", "supply", "counted_watts", "headroom_watts")} == {
        "slug": SLUG,
        "soms": 6,
        "on": 1,
        "supply": "usb-c-60",
        "counted_watts": 7.3,
        "headroom_watts": 52.7,
    }
    assert [slot["number"] for slot in body["slots"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [slot["controller"] for slot in body["slots"]] == [True] + [False] * 6
    assert body["slots"][6]["som"] is None


def test_a_slot_says_its_power_with_basis_age_and_evidence(viewer):
    believe(CM5, ON)
    saw(CM5, EvidenceKind.LINK, "link up, 1 Gb/s", True)
    body = viewer.get(f"{API}/boards/demo/slots/3").json()
    power = body["power"]
    assert {key: power[key] for key in ("power_state", "basis", "latched", "contradiction")} == {
        "power_state": "On",
        "basis": "observed",
        "latched": False,
        "contradiction": None,
    }
    assert power["since"] is not None
    assert [(row["kind"], row["value"], row["life"]) for row in power["evidence"]] == [
        ("link", "link up, 1 Gb/s", True)
    ]
    assert body["som"]["type"] == "CM5"
    offers = {offer["reset_type"]: offer["offered"] for offer in body["resets"]}
    assert set(offers) == {
        *("On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "PowerCycle", "PushPowerButton")
    }
    assert offers["GracefulShutdown"]
    assert not offers["On"]
    assert all(offer["sentence"].endswith((".", "others.")) for offer in body["resets"])


def test_reading_needs_a_person_and_answers_401_with_one_sentence(rows):
    for path in ("/boards", "/boards/demo", "/boards/demo/slots/3", f"/operations/{uuid.uuid4()}"):
        answer = problem(Client().get(API + path))
        assert answer == (401, "not-signed-in", "Sign in first; your session may have ended.")


def test_a_session_that_has_ended_answers_401(viewer):
    assert viewer.get(f"{API}/boards").status_code == 200
    Session.objects.all().delete()
    assert problem(viewer.get(f"{API}/boards"))[:2] == (401, "not-signed-in")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/boards/atlantis", "unknown-board"),
        ("/boards/atlantis/slots/3", "unknown-board"),
        ("/boards/demo/slots/8", "unknown-slot"),
        ("/boards/demo/slots/0", "unknown-slot"),
        (f"/operations/{uuid.UUID(int=1)}", "unknown-operation"),
    ],
)
def test_what_does_not_exist_is_404_and_named(viewer, path, code):
    assert problem(viewer.get(API + path))[:2] == (404, code)


def test_a_list_is_read_in_pages_within_its_limits(viewer):
    for number in range(5):
        Board.objects.create(slug=f"lab-{number}", name=f"lab-{number}")
    body = viewer.get(f"{API}/boards?offset=4&limit=1").json()
    assert (body["count"], [row["slug"] for row in body["boards"]]) == (6, ["lab-3"])
    for wrong in ("limit=0", "limit=201", "offset=-3", "limit=many"):
        assert problem(viewer.get(f"{API}/boards?{wrong}"))[:2] == (400, "invalid")


# Resetting


def test_a_reset_is_accepted_with_202_an_operation_and_where_to_follow_it(operator):
    believe(CM4, ON)
    answer = post(operator, RESET, {"reset_type": "ForceOff", "reason": "hangs"})
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["Location"] == f"{API}/operations/{body['id']}"
    assert (body["state"], body["kind"], body["title"], body["resource"], body["actor"], body["reason"]) == (
        "queued",
        "power.reset",
        "Force off slot 2",
        "demo/slot:2",
        "operator person",
        "hangs",
    )
    assert operator.get(f"{API}/boards/demo/slots/2").json()["operation"] == body["id"]
    entry = AuditEntry.objects.get()
    assert (entry.source, entry.actor, entry.address) == ("api", "operator person", "127.0.0.1")


def test_a_repeated_key_is_the_same_operation_and_another_body_under_it_422(operator):
    believe(CM4, ON)
    first = post(operator, RESET, {"reset_type": "ForceOff"}, **{"Idempotency-Key": "k1"})
    again = post(operator, RESET, {"reset_type": "ForceOff"}, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert Operation.objects.count() == 1
    other = post(operator, RESET, {"reset_type": "ForceRestart"}, **{"Idempotency-Key": "k1"})
    assert problem(other)[:2] == (422, "idempotency-mismatch")
    elsewhere = post(operator, f"{API}/boards/demo/slots/3/reset", {"reset_type": "On"}, **{"Idempotency-Key": "k1"})
    assert problem(elsewhere)[:2] == (422, "idempotency-mismatch")


@pytest.mark.parametrize(
    ("slot", "body", "status", "code"),
    [
        (CM4, {"reset_type": "Explode"}, 400, "bad-request"),
        (CM4, {"reset_type": "ForceOff", "reason": "x" * 301}, 400, "invalid"),
        (CM4, {"reset_type": "ForceOff", "reason": "\x00"}, 400, "unstorable"),
        (CM4, {"reset_type": "ForceOff", "reason": "\ud800"}, 400, "unstorable"),
        (CM4, {"reset_type": ["ForceOff"]}, 400, "invalid"),
        (CM4, {"reset_type": "ForceOff", "accept_stranding": "perhaps"}, 400, "invalid"),
        (CM4, {}, 400, "invalid"),
        (CM4, [], 400, "invalid"),
        (CM4, "{not json", 400, "bad-request"),
        (CM4, "", 400, None),
        (1, {"reset_type": "ForceOff"}, 422, "controller-slot-protected"),
        (7, {"reset_type": "On"}, 409, "empty-slot"),
        (8, {"reset_type": "On"}, 404, "unknown-slot"),
        (CM4, {"reset_type": "On"}, 409, "already-in-state"),
        (CM4, {"reset_type": "GracefulShutdown"}, 422, "reset-type-unsupported"),
        (CM5, {"reset_type": "On"}, 422, "ambiguous-power-state"),
        (CM5, {"reset_type": "ForceOff"}, 422, "stranding-not-accepted"),
    ],
)
def test_a_bad_request_gets_one_clear_sentence_and_changes_nothing(operator, slot, body, status, code):
    believe(CM4, ON)
    before = list(Slot.objects.order_by("pk").values())
    answer = problem(post(operator, f"{API}/boards/demo/slots/{slot}/reset", body))
    assert answer[0] == status, answer
    assert code in (answer[1], None)
    assert not Operation.objects.exists()
    assert held() == []
    assert list(Slot.objects.order_by("pk").values()) == before


def test_a_busy_slot_is_409_and_names_its_holder(operator):
    believe(CM4, ON)
    post(operator, RESET, {"reset_type": "ForceOff"})
    status, code, sentence = problem(post(operator, RESET, {"reset_type": "ForceRestart"}))
    assert (status, code) == (409, "busy")
    assert "asked for by operator person at " in sentence


def test_a_viewer_gets_403_with_the_reason_and_the_refusal_is_on_record(viewer):
    assert problem(post(viewer, RESET, {"reset_type": "ForceOff"})) == (
        403,
        "not-permitted",
        "Switching slot 2 needs the role operator; viewer person is viewer.",
    )
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.outcome, entry.code) == (
        "power.reset",
        "demo/slot:2",
        "refused",
        "not-permitted",
    )


def test_nobody_gets_401_for_an_act_as_well(rows):
    assert problem(post(Client(), RESET, {"reset_type": "ForceOff"}))[:2] == (401, "not-signed-in")
    assert problem(post(Client(enforce_csrf_checks=True), RESET, {"reset_type": "ForceOff"}))[:2] == (
        401,
        "not-signed-in",
    )
    assert not Operation.objects.exists()


def test_a_session_acts_only_with_its_csrf_token(client_of, rows, make_person):
    believe(CM4, ON)
    client = Client(enforce_csrf_checks=True)
    make_person("olga", "operator")
    client.get("/login/")
    token = client.cookies["csrftoken"].value
    client.post("/login/", {"username": "olga", "password": PASSWORD, "csrfmiddlewaretoken": token})
    refused = problem(post(client, RESET, {"reset_type": "ForceOff"}))
    assert refused[:2] == (403, "csrf")
    assert not Operation.objects.exists()
    token = client.cookies["csrftoken"].value
    assert post(client, RESET, {"reset_type": "ForceOff"}, **{"X-CSRFToken": token}).status_code == 202


def test_a_broker_that_is_away_is_503_and_a_retry_may_use_the_same_key(operator, broker_away):
    believe(CM4, ON)
    answer = post(operator, RESET, {"reset_type": "ForceOff"}, **{"Idempotency-Key": "k1"})
    assert problem(answer)[:2] == (503, "broker-unavailable")
    assert held() == []
    broker_away.back()
    assert post(operator, RESET, {"reset_type": "ForceOff"}, **{"Idempotency-Key": "k1"}).status_code == 202


@pytest.mark.parametrize("name", ["b" * 3000, "nul%00byte", "..%2f..", "%F0%9F%92%A9"])
def test_a_board_of_any_name_is_only_not_found(operator, name):
    answer = post(operator, f"{API}/boards/{name}/slots/2/reset", {"reset_type": "On"})
    assert answer.status_code == 404
    assert operator.get(f"{API}/boards/{name}").status_code == 404


# Operations


def operation_of(client: Client) -> dict[str, Any]:
    believe(CM4, ON)
    return dict(post(client, RESET, {"reset_type": "ForceOff"}).json())


def test_an_operation_is_followed_with_its_plan_and_its_log_by_number(operator):
    made = operation_of(operator)
    row = Operation.objects.get()
    for text in ("one", "two", "three"):
        lifecycle.append_log(row, text)
    body = operator.get(f"{API}/operations/{made['id']}").json()
    assert {key: body[key] for key in made} == made
    assert body["plan"] == row.plan
    assert [(line["number"], line["text"], line["level"]) for line in body["log"]] == [
        (1, "one", "info"),
        (2, "two", "info"),
        (3, "three", "info"),
    ]
    later = operator.get(f"{API}/operations/{made['id']}?after=2").json()
    assert [line["number"] for line in later["log"]] == [3]


def test_an_operation_that_is_late_is_expired_before_anybody_wrote_so(operator):
    made = operation_of(operator)
    Operation.objects.update(expires_at=Operation.objects.get().created_at)
    assert operator.get(f"{API}/operations/{made['id']}").json()["state"] == "expired"


def test_cancelling_what_is_queued_is_202_and_it_is_cancelled(operator):
    made = operation_of(operator)
    answer = post(operator, f"{API}/operations/{made['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert held() == []
    assert problem(post(operator, f"{API}/operations/{made['id']}/cancel"))[:2] == (409, "ended")


def test_a_viewer_cancels_nothing(operator, client_of):
    made = operation_of(operator)
    answer = problem(post(client_of("viewer"), f"{API}/operations/{made['id']}/cancel"))
    assert answer[:2] == (403, "not-permitted")
    assert Operation.objects.get().state == OperationState.QUEUED


# The description


def test_the_description_loads_and_knows_every_path(viewer):
    body = viewer.get(f"{API}/openapi.json").json()
    assert set(body["paths"]) >= {
        f"{API}/boards",
        f"{API}/boards/{{board}}",
        f"{API}/boards/{{board}}/slots/{{number}}",
        f"{API}/boards/{{board}}/slots/{{number}}/reset",
        f"{API}/operations/{{operation_id}}",
        f"{API}/operations/{{operation_id}}/cancel",
    }
    assert viewer.get(f"{API}/docs").status_code == 200


# How much it costs


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(API + path).status_code == 200
    return len(captured)


@pytest.mark.parametrize(("path", "most"), [("/boards", 7), ("/boards/demo", 10), ("/boards/demo/slots/3", 7)])
def test_the_number_of_queries_is_small_and_does_not_grow_with_boards(viewer, path, most):
    alone = queries(viewer, path)
    cm5 = SomType.objects.get(name="CM5")
    for number in range(49):
        board = Board.objects.create(slug=f"lab-{number:02}", name=f"lab-{number:02}")
        for position in (2, 3):
            Som.objects.create(slot=Slot.objects.create(board=board, number=position), som_type=cm5)
    assert queries(viewer, path) == alone <= most
