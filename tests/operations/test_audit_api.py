"""The audit log over REST, and as files that leave by page, API and command."""

import csv
import io
import json
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.models import User
from operations import audit, exporting, searching, verifying
from operations.models import AuditEntry
from operations.reading import recording
from operations.roles import Actor
from tests.operations.rig import say

API = "/api/v1/audit"
OLGA = Actor("olga", "operator", address="10.0.0.9", credential="token", token="ab12cd34 ci")


def client(name: str, role: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_user(name, role=role))
    return client


@pytest.fixture
def administrator_client(db) -> Client:
    return client("alice", "administrator")


@pytest.fixture
def viewer_client(db) -> Client:
    return client("vera", "viewer")


@pytest.fixture
def story(db, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        say(
            "power.reset", actor=OLGA, target="b1/slot:3", reason="swap", before={"power": "On"}, after={"power": "Off"}
        )
        say("sign-in", actor=OLGA, target="portal")


def found(client: Client, query: str = "") -> list[int]:
    answer = client.get(f"{API}?{query}")
    assert answer.status_code == 200, answer.content
    return [entry["seq"] for entry in answer.json()["entries"]]


def post(client: Client, path: str, **body: str):
    return client.post(f"{API}/{path}", json.dumps(body), content_type="application/json")


def test_entries_are_listed_newest_first_and_filtered(administrator_client, story):
    assert found(administrator_client) == [2, 1]
    assert found(administrator_client, "text=swap") == [1]
    assert found(administrator_client, "target=b1&actor=olga") == [1]
    assert found(administrator_client, "action=sign-in") == [2]
    assert found(administrator_client, "from=2999-01-01") == []
    assert found(administrator_client, "before=2") == [1]


def test_an_entry_has_what_was_before_and_after_and_by_what_somebody_was_known(administrator_client, story):
    entry = administrator_client.get(f"{API}/1").json()
    assert entry == {
        **entry,
        "seq": 1,
        "actor": "olga",
        "words": "Power command",
        "address": "10.0.0.9",
        "credential": "token",
        "token": "ab12cd34 ci",
        "before": {"power": "On"},
        "after": {"power": "Off"},
        "mac": AuditEntry.objects.get(seq=1).mac,
    }


def test_an_entry_leads_to_its_operation_and_to_what_the_console_said(administrator_client, db):
    operation = UUID(int=7)
    say("power.reset", actor=OLGA, target="b1/slot:3", operation_id=operation)
    say("power.reset", actor=OLGA, target="b1")
    found = administrator_client.get(f"{API}/1").json()
    at = f"at={AuditEntry.objects.get(seq=1).at.isoformat().replace('+00:00', 'Z')}"
    assert found["operation"] == str(operation)
    assert found["recording"] == f"/boards/b1/slots/3/recordings/?{at}"
    html = administrator_client.get("/audit/?open=1").content.decode()
    assert f'href="/operations/{operation}' in html
    assert f'href="{found["recording"]}"' in html
    assert administrator_client.get(f"{API}/2").json()["recording"] is None
    assert recording(Actor("ned", "", 9), AuditEntry.objects.get(seq=1)) is None


def test_others_read_what_was_done_to_what_they_see_but_not_from_where_and_how(viewer_client, story):
    assert found(viewer_client) == [1]
    entry = viewer_client.get(f"{API}/1").json()
    assert entry["before"] == {"power": "On"}
    assert [entry[name] for name in ("address", "credential", "token", "detail", "mac")] == [None] * 5
    assert viewer_client.get(f"{API}/2").status_code == 404
    assert "10.0.0.9" not in viewer_client.get("/audit/?open=1").content.decode()
    assert AuditEntry.objects.get(seq=1).mac not in viewer_client.get("/audit/?open=1").content.decode()


def test_pages_go_on_where_the_last_one_ended(administrator_client, story, monkeypatch):
    monkeypatch.setattr(searching, "PER_PAGE", 1)
    answer = administrator_client.get(API).json()
    assert (answer["entries"][0]["seq"], answer["older"]) == (2, 2)
    answer = administrator_client.get(f"{API}?before=2").json()
    assert (answer["entries"][0]["seq"], answer["older"]) == (1, None)


@pytest.mark.parametrize("query", ["before=x", "before=-1", "text=" + "x" * 300, "operation=" + "x" * 50])
def test_what_cannot_be_asked_is_refused_in_words(administrator_client, query):
    answer = administrator_client.get(f"{API}?{query}")
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "detail"}


def test_an_entry_that_is_not_there_is_not_found(administrator_client, story):
    for number in (77, 2**63):
        assert administrator_client.get(f"{API}/{number}").status_code in (400, 404)


def test_a_verification_goes_on_with_its_cursor_until_the_verdict(administrator_client, story, monkeypatch):
    monkeypatch.setattr(verifying, "CHUNK", 1)
    monkeypatch.setattr(verifying, "WALK_SECONDS", 1e-9)
    answer = post(administrator_client, "verify").json()
    assert (answer["done"], answer["whole"], answer["checked"], answer["of"]) == (False, None, 1, 2)
    while not answer["done"]:
        answer = post(administrator_client, "verify", cursor=answer["cursor"]).json()
    assert (answer["whole"], answer["checked"], answer["broken_at"], answer["cursor"]) == (True, 2, None, "")
    assert verifying.last_check().checked == 2


def test_a_cursor_that_somebody_made_up_is_refused(administrator_client, story):
    answer = post(administrator_client, "verify", cursor="WzIsIjAiLDBd:1:x")
    assert answer.status_code == 400
    assert "cursor" in answer.json()["message"]


def test_only_administrators_verify_and_export_and_a_no_is_on_record(viewer_client, story):
    for path in ("verify", "export"):
        assert post(viewer_client, path).status_code == 403
        assert AuditEntry.objects.filter(action=f"audit.{path}", outcome="refused", actor="vera").count() == 1
    assert viewer_client.post("/audit/export", {"format": "csv"}).status_code == 403


# Files


def text_of(answer) -> str:
    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    assert answer.status_code == 200
    return async_to_sync(whole)().decode()


def test_the_page_and_the_api_give_the_same_file_as_the_command(administrator_client, story, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 1)
    wanted = "".join(exporting.pieces(AuditEntry.objects.filter(actor="olga"), "jsonl"))
    assert wanted.count("\n") == 2
    page = administrator_client.post("/audit/export", {"format": "jsonl", "actor": "olga"})
    assert page["Content-Disposition"].startswith('attachment; filename="audit-')
    assert text_of(page) == wanted
    assert text_of(administrator_client.post(f"{API}/export?actor=olga&format=jsonl")) == wanted


def test_an_export_is_on_record_with_its_filters(administrator_client, story):
    administrator_client.post("/audit/export", {"format": "csv", "target": "b1"})
    entry = json.loads(AuditEntry.objects.get(action="audit.export").text)
    assert entry["actor"] == "alice"
    assert entry["detail"] == {"format": "csv", "filters": {"target": "b1"}}


def test_a_form_of_file_that_there_is_not_is_refused(administrator_client, story):
    answer = administrator_client.post(f"{API}/export?format=xlsx")
    assert answer.status_code == 400
    assert answer.json()["message"] == "xlsx is no form of an export; there are jsonl, csv."
    assert not AuditEntry.objects.filter(action="audit.export", outcome="done").exists()


def test_a_sheet_has_before_and_after_and_no_formula(administrator_client, db):
    say("board.edit", target="b1", reason="=1+1", before={"name": "a"}, after={"name": "=cmd|' /C calc'!A0"})
    say("board.edit", target="@b1", detail={"message": '+HYPERLINK("x")', "title": "-2+3"})
    rows = list(csv.DictReader(io.StringIO("".join(exporting.pieces(AuditEntry.objects.all(), "csv")), newline="")))
    assert rows[0]["reason"] == "'=1+1"
    assert json.loads(rows[0]["after"]) == {"name": "=cmd|' /C calc'!A0"}
    assert (rows[1]["target"], rows[1]["message"], rows[1]["title"]) == ("'@b1", '\'+HYPERLINK("x")', "'-2+3")
    assert {cell[:1] for row in rows for cell in row.values()} & set("=+-@\t\r") == set()


def test_what_was_exported_is_verified_by_the_command(story, data_dir):
    file = data_dir / "all.jsonl"
    file.write_text("".join(exporting.pieces(AuditEntry.objects.all(), "jsonl")))
    with open(file) as lines:
        place = verifying.verify_lines(lines, verifying.Place())
    assert (place.last, place.mac) == (2, AuditEntry.objects.get(seq=2).mac)
    assert audit.head_file().parent == data_dir
