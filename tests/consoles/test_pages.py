"""The pages of consoles: who sees what, what an empty board says, and what settings and rules become."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse
from django.test import Client

from consoles.models import ConsolePort, StageRule
from consoles.recordings.writer import RecordingWriter
from consoles.services import history
from operations import restrictions
from operations.models import AuditEntry, Restriction
from slots.models import Board, Slot
from slots.services import catalogue, parts
from tests.slots.pages import person, text_of

BOARD = "/boards/demo/"
SLOT = f"{BOARD}slots/3/"
PAGES = [
    f"{BOARD}consoles/",
    f"{SLOT}console/",
    f"{SLOT}console/panel",
    f"{SLOT}recordings/",
    f"{SLOT}console/settings/",
]
PAGES += [f"{BOARD}consoles/search/", f"{BOARD}consoles/stages/", f"{SLOT}recordings/data"]
NIGHT = datetime(2026, 11, 22, 3, 12, 44, tzinfo=UTC)


@pytest.fixture(autouse=True)
def board(db, settings, tmp_path) -> Iterator[Board]:
    """The demo board's rows, with a serial port at slot 3 only."""
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    (settings.BOARDS_DIR / "demo.toml").write_text("\n".join(lines))
    parts.forget()
    row = catalogue.sync_boards()[0]
    Slot.objects.filter(board=row, number=3).update(uart=True)
    yield row
    parts.forget()


@pytest.fixture
def vera() -> Client:
    return person("viewer")


@pytest.fixture
def alice() -> Client:
    return person("administrator")


def record(text: bytes, at: datetime = NIGHT, slot: int = 3) -> None:
    writer = RecordingWriter(history.directory("demo", slot), 2**24, timedelta(days=9999), lambda: at)
    writer.append(text, at.timestamp())
    writer.close()


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


# Who sees what


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_every_page_and_nobody_else_does(vera, path):
    assert vera.get(path).status_code == 200
    assert Client().get(path).headers["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("path", PAGES[1:5])
def test_a_console_that_asks_for_more_says_so_and_shows_no_text(vera, administrator, path):
    record(b"secret words\r\n")
    restrictions.restrict("demo/uart:3", "console.read", "operator", administrator)
    answer = vera.get(path)
    said = text_of(answer.content.decode())
    assert "secret words" not in said
    assert "needs the role operator; vera is viewer." in said or path.endswith("settings/")
    assert 'id="term"' not in answer.content.decode()
    assert "secret words" not in page(vera, f"{BOARD}consoles/search/?q=secret")
    assert vera.get(f"{SLOT}recordings/data").status_code == 403
    assert vera.get(f"{SLOT}recordings/download?format=text").status_code == 403
    assert "secret words" in page(person("operator"), f"{BOARD}consoles/search/?q=secret+words")


def test_what_is_not_there_is_not_found(vera):
    for path in ("/boards/atlantis/consoles/", f"{BOARD}slots/8/console/", f"{BOARD}slots/2/console/settings/"):
        assert vera.get(path).status_code == 404, path
    assert vera.get(f"{SLOT}recordings/?at=yesterday").status_code == 400


def test_styles_within_are_let_in_on_pages_with_a_terminal_and_scripts_nowhere(vera):
    for path in PAGES:
        policy = vera.get(path).headers["Content-Security-Policy"]
        has_terminal = path in (PAGES[0], PAGES[1], PAGES[3])
        assert ("style-src 'self' 'unsafe-inline'" in policy) == has_terminal, path
        assert "script-src 'self';" in policy


# Empty, and away


def test_a_slot_and_a_board_without_a_port_say_how_to_map_one(vera, board):
    said = text_of(page(vera, f"{BOARD}slots/2/console/"))
    assert "No serial port recorded for slot 2" in said
    assert "/dev/serial/by-path" in said
    assert "[slots.2]" in said
    Slot.objects.update(uart=False)
    assert "No serial port recorded The board file says" in text_of(page(vera, f"{BOARD}consoles/"))
    assert "tab-console" not in page(vera, f"{BOARD}slots/2/")


def test_a_page_that_is_made_while_the_daemon_is_away_says_so(vera):
    assert "The console daemon is away" in text_of(page(vera, f"{SLOT}console/panel"))
    assert "0 of 1 port open" in text_of(page(vera, f"{BOARD}consoles/"))


def test_consoles_are_one_key_and_one_touch_away(vera):
    html = page(vera, "/audit/")
    assert re.search(rf'<a href="{BOARD}consoles/" data-key="c"', html)
    assert html.count(f'href="{BOARD}consoles/"') == 2, "the navigation and the bar of phones"


# Recordings


def test_a_search_leads_to_the_moment_and_what_a_line_says_is_text(vera):
    record(b"<b>Kernel panic</b> - not \x1b]0;title\x07syncing\r\n")
    html = page(vera, f"{BOARD}consoles/search/?q=kernel+PANIC")
    assert "&lt;b&gt;<mark>Kernel panic</mark>&lt;/b&gt; - not syncing" in html
    link = re.search(rf'href="({SLOT}recordings/\?at=[^"]+)"', html)
    assert link
    opened = page(vera, link[1].replace("&amp;", "&"))
    assert f'<script id="at-data" type="application/json">{NIGHT.timestamp()}' in opened
    found = vera.get(f"{SLOT}recordings/data", {"from": NIGHT.isoformat()}).json()
    assert found["next"] is None
    assert [one["t"] for one in found["records"]] == [NIGHT.timestamp()]


async def whole(answer: StreamingHttpResponse) -> bytes:
    return b"".join([chunk async for chunk in answer.streaming_content])


def test_a_download_holds_nothing_that_acts(vera):
    record(b"\x1b]52;c;aGk=\x07plain \x1b[31mred\x1b[0m\r\n")
    answer = vera.get(f"{SLOT}recordings/download?format=text")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="demo-slot3.txt"'
    assert b"plain red" in async_to_sync(whole)(answer)
    assert AuditEntry.objects.get(action="console.downloaded").actor == "vera"


# Settings and rules

SETTINGS = {
    "baud": "921600",
    "recording": "on",
    "quota_mib": "8",
    "retention_days": "7",
    "read": "viewer",
    "write": "console-operator",
}


def test_settings_are_kept_and_on_record(alice):
    answer = alice.post(f"{SLOT}console/settings/", SETTINGS)
    assert answer.status_code == 302, answer.content
    port = ConsolePort.objects.get()
    assert (port.baud, port.recording, port.quota_mib, port.retention_days) == (921600, True, 8, 7)
    assert not Restriction.objects.exists(), "the usual roles are no restriction"
    assert AuditEntry.objects.filter(action="console.settings", target="demo/uart:3").count() == 1


def test_who_may_is_set_and_taken_back_without_touching_the_port(alice):
    before = {**SETTINGS, "baud": "", "quota_mib": "64", "retention_days": "30"}
    alice.post(f"{SLOT}console/settings/", {**before, "read": "operator", "write": "administrator"})
    assert dict(Restriction.objects.values_list("action", "least_role")) == {
        "console.read": "operator",
        "console.write": "administrator",
    }
    alice.post(f"{SLOT}console/settings/", before)
    assert not Restriction.objects.exists()
    assert not AuditEntry.objects.filter(action="console.settings").exists()


def test_settings_that_make_no_sense_are_said_in_place(alice):
    answer = alice.post(f"{SLOT}console/settings/", {**SETTINGS, "quota_mib": "0"})
    assert answer.status_code == 400
    assert "greater than or equal to 1" in text_of(answer.content.decode())
    assert not ConsolePort.objects.exists()


@pytest.mark.parametrize("path", [f"{SLOT}console/settings/", f"{BOARD}consoles/stages/"])
def test_an_operator_reads_settings_and_may_not_change_them(path):
    olga = person("operator")
    assert "needs the role administrator; olga is operator." in text_of(page(olga, path))
    assert olga.post(path, {**SETTINGS, "stage": "login", "match": "contains", "text": "x"}).status_code == 403
    assert not ConsolePort.objects.exists()
    assert not StageRule.objects.filter(shipped=False).exists()


def test_a_rule_is_added_changed_switched_off_and_removed(alice):
    stages = f"{BOARD}consoles/stages/"
    alice.post(stages, {"stage": "login", "match": "ends", "text": "name:", "som_type": ""})
    rule = StageRule.objects.get(shipped=False)
    assert "name:" in page(alice, stages)
    own = f"{stages}{rule.pk}/"
    alice.post(own, {"stage": "login", "match": "ends", "text": "your name:", "som_type": ""})
    rule.refresh_from_db()
    assert rule.text == "your name:"
    alice.post(own, {"do": "off"})
    rule.refresh_from_db()
    assert not rule.enabled
    alice.post(own, {"do": "remove"})
    assert not StageRule.objects.filter(pk=rule.pk).exists()


def test_a_shipped_rule_can_be_switched_off_and_nothing_else(alice):
    rule = StageRule.objects.filter(shipped=True).first()
    assert rule is not None
    own = f"{BOARD}consoles/stages/{rule.pk}/"
    assert alice.post(own, {"do": "remove"}).status_code == 409
    alice.post(own, {"do": "off"})
    rule.refresh_from_db()
    assert not rule.enabled
