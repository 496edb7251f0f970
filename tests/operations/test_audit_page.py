"""The audit log as a page: filters, an opened entry, the verdict on the chain, and operations beside it."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from operations import verifying
from operations.models import AuditEntry
from operations.reading import ACTS, read, recent
from operations.roles import Actor
from tests.architecture.source import APPS
from tests.operations.rig import new_operation, say
from tests.slots.pages import page, text_of


def person(role: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_user(role, role=role))
    return client


@pytest.fixture
def viewer_client(db) -> Client:
    return person("viewer")


@pytest.fixture
def story(db, django_capture_on_commit_callbacks) -> None:
    """Three acts: one of alice's on slot 3, a refusal of vera's, a change of the board."""
    alice, vera = Actor("alice", "administrator"), Actor("vera", "viewer")
    operation = uuid4()
    with django_capture_on_commit_callbacks(execute=True):
        say(
            "power.reset", actor=alice, target="b1/slot:3", operation_id=operation, detail={"title": "Force off slot 3"}
        )
        say(
            "power.reset",
            actor=vera,
            target="b1/slot:2",
            outcome="refused",
            code="not-permitted",
            detail={"message": "No."},
        )
        say("board.edit", actor=alice, reason="moved", detail={"before": {"name": "a"}, "after": {"name": "b"}})


def rows(html: str) -> list[str]:
    """The entries that are shown, as text."""
    return [text_of(row) for row in re.findall(r"<tr(?! class=\"detail\").*?</tr>", html, re.DOTALL)[1:]]


def test_the_newest_entry_comes_first_in_words(viewer_client, story):
    shown = rows(page(viewer_client, "/audit/"))
    for row, words in zip(
        shown,
        [
            ("alice b1 Board settings changed", "moved", "Done"),
            ("vera b1, slot 2 Power command Refused",),
            ("alice b1, slot 3 Force off slot 3 Done",),
        ],
        strict=True,
    ):
        assert [part for part in words if part not in row] == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("actor=alice", 2),
        ("action=power.reset", 2),
        ("outcome=refused", 1),
        ("target=b1/slot:3", 1),
        ("target=b1", 3),
        ("actor=alice&action=board.edit", 1),
        ("actor=nobody-such", 0),
        ("text=not-permitted", 1),
        ("text=b1/slot:3+force", 1),
        ("text=slot:3+moved", 0),
        ("text=%2B%2B", 0),
        ("from=1999-12-31&to=1999-12-31", 0),
        ("from=1999-12-31", 3),
        ("on=1999-12-31", 0),
        ("on=yesterday", 0),
        ("operation=not-an-id", 0),
    ],
)
def test_filters_narrow_what_is_shown(viewer_client, story, query, count):
    html = page(viewer_client, f"/audit/?{query}")
    assert len(rows(html)) == count
    assert ("No entry fits these filters" in html) == (count == 0)
    assert "Clear filters" in html


def test_a_day_and_an_operation_are_filters_too(viewer_client, story):
    today = timezone.now().date()
    assert len(rows(page(viewer_client, f"/audit/?on={today}"))) == 3
    assert len(rows(page(viewer_client, f"/audit/?on={today - timedelta(days=1)}"))) == 0
    operation = AuditEntry.objects.exclude(operation_id=None).get().operation_id
    assert len(rows(page(viewer_client, f"/audit/?operation={operation}"))) == 1


def test_an_empty_log_says_so(viewer_client):
    assert "Nothing on record yet" in page(viewer_client, "/audit/")


def test_an_entry_opens_in_place_with_the_signed_text(story):
    client = person("administrator")
    html = page(client, "/audit/?open=2", **{"HX-Request": "true", "HX-Target": "entries"})
    assert "<html" not in html
    shown = text_of(html)
    assert "Refused because No. code not-permitted" in shown
    assert "&quot;target&quot;: &quot;b1/slot:2&quot;" in html
    assert AuditEntry.objects.get(seq=2).mac in html
    changed = text_of(page(client, "/audit/?open=3"))
    assert "Field Before After name a b" in changed


def test_what_people_wrote_is_shown_as_text_and_never_as_markup(viewer_client):
    say("board.edit", target="b1", reason="<script>alert(1)</script>", detail={"message": "<b>bold</b>"})
    html = page(viewer_client, "/audit/?open=1")
    assert "<script>alert" not in html
    assert "<b>bold" not in html


def test_entries_come_in_pages_that_keep_the_filters(viewer_client, db):
    for _ in range(120):
        say("board.edit")
    html = page(viewer_client, "/audit/?action=board.edit")
    assert "Entries 120 to 71; 120 fit" in text_of(html)
    assert 'href="?action=board.edit&amp;before=71"' in html
    assert 'rel="prev"' not in html
    html = page(viewer_client, "/audit/?action=board.edit&before=71")
    assert "Entries 70 to 21;" in text_of(html)
    assert 'href="?action=board.edit&amp;after=70"' in html
    assert "Entries 20 to 1;" in text_of(page(viewer_client, "/audit/?action=board.edit&before=21"))
    assert "Entries 70 to 21;" in text_of(page(viewer_client, "/audit/?action=board.edit&after=20"))
    assert "Entries 120 to 71;" in text_of(page(viewer_client, "/audit/?action=board.edit&after=100"))


def test_a_page_of_entries_that_cannot_be_is_the_newest_one(viewer_client, story):
    for asked in ("before=x", "after=99999999999999999999999", "before=-1", "before="):
        assert len(rows(page(viewer_client, f"/audit/?{asked}"))) == 3


def test_the_chain_is_verified_on_the_page_by_an_administrator_only(viewer_client, story):
    assert viewer_client.post("/audit/verify").status_code == 403
    shown = page(viewer_client, "/audit/")
    assert "needs the role administrator" in shown
    assert 'id="verify"' not in shown
    assert 'id="export"' not in shown
    verdict = text_of(person("administrator").post("/audit/verify").content.decode())
    assert re.match(r"Chain of \d+ entries verified", verdict)


def test_a_broken_chain_names_the_entry_and_stays_on_the_page(story, monkeypatch):
    verdict = verifying.Verdict(1, 2, "entry 2 was changed")
    monkeypatch.setattr(verifying, "go_on", lambda place, entries=0: verdict)
    client = person("administrator")
    shown = text_of(client.post("/audit/verify").content.decode())
    assert shown.startswith("The chain is broken at entry 2. Entry 2 was changed.")
    assert "The chain is broken at entry 2." in text_of(page(client, "/audit/"))


def test_a_long_chain_is_verified_in_steps_that_go_on_by_themselves(story, monkeypatch):
    monkeypatch.setattr(verifying, "CHUNK", 2)
    monkeypatch.setattr(verifying, "WALK_SECONDS", 1e-9)
    client = person("administrator")
    answers = [client.post("/audit/verify").content.decode()]
    while "<form" in answers[-1]:
        assert len(answers) < 9, "it does not end"
        assert 'hx-trigger="load, submit"' in answers[-1]
        answers.append(client.post("/audit/verify", {"on": "1"}).content.decode())
    assert len(answers) > 2
    assert re.match(r"Chain of \d+ entries verified", text_of(answers[-1]))


def test_every_act_that_is_recorded_has_words(settings):
    apps = [settings.BASE_DIR / app for app in APPS]
    sources = [path.read_text() for app in apps for path in app.rglob("*.py")]
    recorded = {name for text in sources for name in re.findall(r'audit\.record\(\s*"([a-z.-]+)"', text)}
    begun = {name for text in sources for name in re.findall(r'begin_act\(\s*request, "([a-z.-]+)"', text)}
    assert (recorded | begun) - set(ACTS) == set()


def test_recent_acts_show_each_operation_once_with_what_became_of_it(db):
    operation = new_operation("b1/slot:3")
    say("power.reset", target="b1/slot:3", outcome="requested", operation_id=operation.pk)
    say("board.edit", target="b2")
    (act,) = recent(["b1", "b1/slot:3"])
    assert act.outcome == "queued"
    type(operation).objects.update(state="succeeded")
    say("power.reset", target="b1/slot:3", outcome="done", operation_id=operation.pk)
    (act,) = recent(["b1", "b1/slot:3"])
    assert act.outcome == "done"


def test_a_cancel_is_told_with_what_it_cancelled(db):
    say("operation.cancel", target="b1/slot:3", detail={"title": "Force off slot 3"})
    act = read(AuditEntry.objects.get())
    assert (act.words, act.place) == ("Cancel: Force off slot 3", "b1, slot 3")


def test_a_patrol_finds_a_broken_chain_and_every_page_of_an_administrator_says_so(story, data_dir, monkeypatch, caplog):
    monkeypatch.setattr(verifying, "PATROL_ENTRIES", 2)
    client = person("administrator")
    (data_dir / "audit.head").write_text(f"9 {'0' * 64}\n")
    patrol = verifying.Patrol()
    patrol.look()
    assert "tampered" not in page(client, "/account/")
    for _ in range(4):
        patrol.look()
    shown = text_of(page(client, "/account/"))
    assert "The audit log is broken at entry" in shown
    assert "DATA/audit.head remembers entry 9" in shown
    assert "the audit log is broken" in caplog.text
    assert "broken" not in text_of(page(person("viewer"), "/account/"))


def test_a_patrol_that_found_everything_whole_takes_the_banner_away_and_rests(story):
    verifying.remember(verifying.Verdict(1, 2, "entry 2 was changed"))
    client = person("administrator")
    assert "The audit log is broken" in page(client, "/account/")
    patrol = verifying.Patrol()
    patrol.look()
    patrol.look()
    assert "The audit log is broken" not in page(client, "/account/")
    verifying.remember(verifying.Verdict(1, 2, "entry 2 was changed"))
    patrol.look()
    assert verifying.last_check().broken_at == 2, "it rests"


def test_a_group_called_like_a_slot_is_read_as_a_name(db):
    say("group.add", actor=Actor("alice", "administrator"), target="group:b1/slot:3")
    shown = read(AuditEntry.objects.get())
    assert (shown.place, shown.console) == ("group b1/slot:3", None)
