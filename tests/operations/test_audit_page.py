"""The audit log as a page: filters, an opened entry, the verdict on the chain, and operations beside it."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from operations import audit
from operations.models import AuditEntry
from operations.reading import ACTS, read, recent
from operations.roles import Actor
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
def story(db) -> None:
    """Three acts: one of alice's on slot 3, a refusal of vera's, a change of the board."""
    alice, vera = Actor("alice", "administrator"), Actor("vera", "viewer")
    operation = uuid4()
    say("power.reset", actor=alice, target="b1/slot:3", operation_id=operation, detail={"title": "Force off slot 3"})
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
        ("target=slot:3", 1),
        ("target=b1", 3),
        ("actor=alice&action=board.edit", 1),
        ("actor=nobody-such", 0),
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


def test_an_entry_opens_in_place_with_the_signed_text(viewer_client, story):
    html = page(viewer_client, "/audit/?open=2", **{"HX-Request": "true", "HX-Target": "entries"})
    assert "<html" not in html
    shown = text_of(html)
    assert "Refused because No. code not-permitted" in shown
    assert "&quot;target&quot;: &quot;b1/slot:2&quot;" in html
    assert AuditEntry.objects.get(seq=2).mac in html
    changed = text_of(page(viewer_client, "/audit/?open=3"))
    assert "Field Before After name a b" in changed


def test_what_people_wrote_is_shown_as_text_and_never_as_markup(viewer_client):
    say("board.edit", target="b1", reason="<script>alert(1)</script>", detail={"message": "<b>bold</b>"})
    html = page(viewer_client, "/audit/?open=1")
    assert "<script>alert" not in html
    assert "<b>bold" not in html


def test_entries_come_in_pages_that_keep_the_filters(viewer_client, db):
    for _ in range(51):
        say("board.edit")
    html = page(viewer_client, "/audit/?action=board.edit")
    assert "1 to 50 of 51 entries" in html
    assert 'href="?action=board.edit&amp;page=2"' in html
    assert len(rows(page(viewer_client, "/audit/?action=board.edit&page=2"))) == 1


def test_the_chain_is_verified_on_the_page_by_an_administrator_only(viewer_client, story):
    assert viewer_client.post("/audit/verify").status_code == 403
    assert "This needs the role administrator" in page(viewer_client, "/audit/")
    verdict = text_of(person("administrator").post("/audit/verify").content.decode())
    assert re.match(r"Chain of \d+ entries verified", verdict)


def test_a_broken_chain_names_the_entry(story, monkeypatch):
    verdict = audit.Verdict(1, 2, "entry 2 was changed")
    monkeypatch.setattr(audit, "verify", lambda: verdict)
    shown = text_of(person("administrator").post("/audit/verify").content.decode())
    assert shown.startswith("The chain is broken at entry 2. Entry 2 was changed.")


def test_every_act_that_is_recorded_has_words(settings):
    apps = [settings.BASE_DIR / app for app in ("accounts", "consoles", "operations", "slots")]
    sources = [path.read_text() for app in apps for path in app.rglob("*.py")]
    recorded = {name for text in sources for name in re.findall(r'audit\.record\(\s*"([a-z.-]+)"', text)}
    begun = {name for text in sources for name in re.findall(r'begin_act\(request, "([a-z.-]+)"', text)}
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
