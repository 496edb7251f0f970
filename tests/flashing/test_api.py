"""Flashing and first-boot profiles over REST."""

import json
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from flashing.models import FlashJob, FlashRun, Phase, Profile
from operations.lifecycle import append_log
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Slot
from tests.flashing import rig
from tests.images.rig import person

API = "/api/v1"


class Api:
    """Requests as a script sends them, with a session."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> dict:
        return self._said(self.client.get(f"{API}{path}"), status)

    def send(
        self, path: str, body: dict | None = None, status: int = 202, method: str = "POST", **headers: str
    ) -> dict:
        answer = self.client.generic(
            method, f"{API}{path}", json.dumps(body or {}), content_type="application/json", headers=headers
        )
        return self._said(answer, status)

    def _said(self, answer, status: int) -> dict:  # type: ignore[no-untyped-def]
        assert answer.status_code == status, answer.content
        return json.loads(answer.content) if answer.content else {}


@pytest.fixture
def olga(board) -> Api:
    Slot.objects.filter(number__in=(2, 3)).update(power_state="Off")
    return Api(person("olga", "flasher"))


@pytest.fixture
def vera(board) -> Api:
    return Api(person("vera", "viewer"))


def aim(name: str, **more: object) -> dict:
    return {"method": "file", "medium": "file", "typed": name, **more}


def wish(image, **more: object) -> dict:
    return {"image_id": str(image.pk), **more}


def test_the_ways_to_a_slot_say_which_can_be_taken_and_why_not_the_others(olga):
    methods = {one["method"]: one for one in olga.get("/boards/demo/slots/3/flash-methods")["methods"]}
    assert methods["rpiboot"]["available"] is True
    assert methods["rpiboot"]["media"] == ["eMMC"]
    assert methods["network"]["available"] is False
    assert "Slot 3 is Off" in methods["network"]["words"]


def test_one_slot_is_flashed_and_the_same_key_is_the_same_run(olga, image):
    body = wish(image) | aim("kestrel", method="rpiboot", medium="eMMC")
    run = olga.send("/boards/demo/slots/3/flash", body, **{"Idempotency-Key": "k1"})
    assert [(job["slot"], job["method"], job["phase"], job["contents"]) for job in run["jobs"]] == [
        (3, "rpiboot", "waiting", "untouched")
    ]
    assert run["jobs"][0]["operation"]["state"] == "queued"
    assert run["jobs"][0]["id"] == run["jobs"][0]["operation"]["id"]
    assert olga.send("/boards/demo/slots/3/flash", body, **{"Idempotency-Key": "k1"})["id"] == run["id"]
    assert FlashRun.objects.count() == 1


def test_several_slots_are_one_run(olga, image):
    targets = [aim("heron", slot=2), aim("kestrel", slot=3)]
    run = olga.send("/boards/demo/flash-runs", wish(image, targets=targets, reason="new release"))
    assert [job["slot"] for job in run["jobs"]] == [2, 3]
    assert (run["image_sha256"], run["actor"]) == (image.sha256, "olga")
    assert {entry.reason for entry in AuditEntry.objects.filter(action="flash.request")} == {"new release"}


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"typed": "heron"}, 400, "not-confirmed"),
        ({"medium": "NVMe", "method": "rpiboot"}, 400, "unknown-medium"),
        ({"method": "telepathy"}, 400, "unknown-method"),
        ({"image_id": str(uuid.uuid4())}, 404, "unknown-image"),
        ({"unverified_reason": "hurry"}, 403, "not-permitted"),
        ({"profile_id": 99}, 404, "no-profile"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code_and_claims_nothing(olga, image, more, status, code):
    body = wish(image) | aim("kestrel") | more
    assert olga.send("/boards/demo/slots/3/flash", body, status)["code"] == code
    assert not FlashRun.objects.exists()


def test_a_viewer_reads_runs_and_changes_none(olga, vera, image):
    run = olga.send("/boards/demo/slots/3/flash", wish(image) | aim("kestrel"))
    job = run["jobs"][0]["id"]
    assert vera.get(f"/flash-runs/{run['id']}")["jobs"][0]["id"] == job
    assert vera.get("/flash-runs?board=demo")["count"] == 1
    vera.send("/boards/demo/slots/2/flash", wish(image) | aim("heron"), 403)
    vera.send(f"/flash-jobs/{job}/holding", status=403)
    vera.send(f"/flash-jobs/{job}/retry", {"typed": "kestrel"}, 403)
    vera.send(f"/operations/{job}/cancel", status=403)


def test_numbers_beyond_any_database_are_no_fault(olga, image):
    run = olga.send("/boards/demo/slots/3/flash", wish(image) | aim("kestrel"))
    assert olga.get(f"/flash-runs?board=demo&offset={10**30}", 400)["code"] == "invalid"
    assert olga.get(f"/flash-runs/{run['id']}?after={10**30}")["log"] == []


def test_the_log_of_a_run_is_read_on_from_the_last_number(olga, image):
    run = olga.send("/boards/demo/flash-runs", wish(image, targets=[aim("heron", slot=2), aim("kestrel", slot=3)]))
    row = FlashRun.objects.get()
    append_log(rig.job(row, 2).operation, "one")
    append_log(rig.job(row, 3).operation, "two")
    log = olga.get(f"/flash-runs/{run['id']}")["log"]
    assert [(line["slot"], line["text"]) for line in log] == [(2, "one"), (3, "two")]
    append_log(rig.job(row, 2).operation, "three")
    on = olga.get(f"/flash-runs/{run['id']}?after={log[-1]['number']}")["log"]
    assert [line["text"] for line in on] == ["three"]


def test_that_boot_is_held_can_be_said_only_while_it_is_waited_for(olga, image):
    run = olga.send("/boards/demo/slots/3/flash", wish(image) | aim("kestrel", method="rpiboot", medium="eMMC"))
    job = run["jobs"][0]["id"]
    assert olga.send(f"/flash-jobs/{job}/holding", status=409)["code"] == "not-waiting"
    Operation.objects.filter(pk=job).update(state=OperationState.RUNNING, started_at=timezone.now())
    FlashJob.objects.filter(operation=job).update(phase=Phase.BOOT_MODE, hands_step=1)
    assert olga.send(f"/flash-jobs/{job}/holding")["hands_step"] == 1
    assert FlashJob.objects.get(operation=job).press_asked_by == "olga"


def test_a_job_is_cancelled_as_an_operation_and_tried_again_as_a_new_run(olga, image):
    run = olga.send("/boards/demo/slots/3/flash", wish(image) | aim("kestrel"))
    job = run["jobs"][0]["id"]
    assert olga.send(f"/operations/{job}/cancel")["state"] == "cancelled"
    assert olga.send(f"/flash-jobs/{job}/retry", {"typed": "wren"}, 400)["code"] == "not-confirmed"
    again = olga.send(f"/flash-jobs/{job}/retry", {"typed": "kestrel"})
    assert again["id"] != run["id"]
    assert [one["id"] for one in olga.get("/flash-runs?board=demo")["runs"]] == [again["id"], run["id"]]


def test_secrets_of_a_profile_go_in_and_never_come_out(olga, vera):
    said = {"name": "lab-node", "hostname_template": "{board}-{slot}", "user": "pi", "password": "correct horse"}
    made = olga.send("/flash-profiles", said, 201)
    shown = vera.get(f"/flash-profiles/{made['id']}")
    assert shown == vera.get("/flash-profiles")["profiles"][0]
    assert (shown["has_password"], shown["has_network"]) == (True, False)
    assert "correct horse" not in json.dumps(shown)
    assert "password" not in shown


def test_a_profile_is_changed_its_secrets_kept_and_deleted(olga):
    made = olga.send("/flash-profiles", {"name": "lab-node", "user": "pi", "password": "correct horse"}, 201)
    path = f"/flash-profiles/{made['id']}"
    changed = olga.send(path, {"name": "lab-node", "user": "pi", "timezone": "Europe/Berlin"}, 200, "PUT")
    assert (changed["timezone"], changed["has_password"]) == ("Europe/Berlin", True)
    assert (
        olga.send(path, {"name": "lab-node", "timezone": "Europe/Berlin", "password": ""}, 200, "PUT")["has_password"]
        is False
    )
    olga.send(path, status=204, method="DELETE")
    assert not Profile.objects.exists()


def test_a_viewer_cannot_change_profiles(olga, vera):
    made = olga.send("/flash-profiles", {"name": "lab-node", "timezone": "Europe/Berlin"}, 201)
    vera.send("/flash-profiles", {"name": "mine"}, 403)
    vera.send(f"/flash-profiles/{made['id']}", {"name": "mine"}, 403, "PUT")
    vera.send(f"/flash-profiles/{made['id']}", status=403, method="DELETE")


def test_the_description_names_every_address_of_flashing(olga):
    paths = olga.get("/openapi.json")["paths"]
    said = [path.removeprefix(API) for path in paths if "flash" in path]
    assert sorted(said) == [
        "/boards/{board}/flash-runs",
        "/boards/{board}/slots/{number}/flash",
        "/boards/{board}/slots/{number}/flash-methods",
        "/boards/{board}/slots/{number}/flash-network",
        "/boards/{board}/slots/{number}/flash-network/disks",
        "/boards/{board}/slots/{number}/flash-network/trust",
        "/flash-jobs/{job_id}/holding",
        "/flash-jobs/{job_id}/retry",
        "/flash-profiles",
        "/flash-profiles/{profile_id}",
        "/flash-runs",
        "/flash-runs/{run_id}",
        "/flash-runs/{run_id}/cancel",
    ]
