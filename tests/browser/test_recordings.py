"""Recordings in a real Chromium: moments long after the last word, keys of the player, gaps, and what a recording may
not do to who plays it."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from consoles.markers import DAEMON_AWAY, STAGE, Marker
from consoles.recordings.writer import RecordingWriter
from tests.portal import Portal
from tests.prepared import PEOPLE

pytestmark = pytest.mark.browser
WREN, MERLIN = 6, 5
RECORDINGS = "/boards/demo/slots/{}/recordings/"
YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1, hours=2)
ATTACK = (
    b"\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1b]52;c;b3duZWQ=\x07\x1b]8;;https://evil.example/\x07press me\x1b]8;;\x07"
    b"\x1b[21t\x1b[8;4;10t\x1b]11;?\x07\x1bP$qm\x1b\\\x1b_Ga=q\x1b\\ https://evil.example/plain\r\nthe end of it\r\n"
)


def at(seconds: float) -> datetime:
    return YESTERDAY + timedelta(seconds=seconds)


def record(portal: Portal, slot: int, said: list[tuple[float, bytes | Marker]]) -> None:
    directory = portal.data / "var" / "consoles" / "demo" / str(slot)
    writer = RecordingWriter(directory, 2**26, timedelta(days=30), lambda: YESTERDAY)
    for seconds, what in said:
        if isinstance(what, Marker):
            writer.mark(what)
        else:
            writer.append(what, at(seconds).timestamp())
    writer.close()


def stage(seconds: float, name: str) -> tuple[float, Marker]:
    return seconds, Marker(STAGE, at(seconds), f"{name.capitalize()} seen.", {"stage": name})


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal whose slot 5 panicked yesterday after hours of silence, and whose slot 6 printed an attack."""
    running = Portal(tmp_path_factory.mktemp("portal"), people=PEOPLE)
    booted: list[tuple[float, bytes | Marker]] = [
        (0, b"U-Boot 2023.01 (Jan 01 2026)\r\n"),
        stage(0, "boot-loader"),
        (2, b"[    0.000000] Linux version 6.1.0\r\n"),
        stage(2, "kernel"),
        (12, b"\r\nmerlin login: "),
        stage(12, "login"),
        (5000, Marker(DAEMON_AWAY, at(5000), "Nobody listened for 9 s: an unknown number of bytes is missing here.")),
        (9000, b"\r\n[ 8988.0] Kernel panic - not syncing: out of memory\r\n"),
        stage(9000, "panic"),
        (9002, b"[ 8990.0] Rebooting in 60 seconds..\r\n"),
    ]
    try:
        record(running, MERLIN, booted)
        record(running, WREN, [(0, b"before\r\n"), (1, ATTACK), (2, b"after\r\n")])
        running.start()
        yield running
    finally:
        running.close()


def shows(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows").first).to_contain_text(text)


def hides(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows").first).not_to_contain_text(text)


def moment(seconds: float) -> str:
    return "?at=" + at(seconds).isoformat().replace("+00:00", "Z")


def test_a_moment_hours_after_the_last_word_shows_what_stood_there_then(visit: Callable[..., Page]) -> None:
    page = visit(RECORDINGS.format(MERLIN) + moment(8000), "vera", scheme="dark")
    shows(page, "merlin login:")
    hides(page, "Kernel panic")
    expect(page.locator("#stage-now")).to_have_text("here: System up")


def test_keys_play_step_and_jump_from_one_event_to_the_next(visit: Callable[..., Page], picture) -> None:
    page = visit(RECORDINGS.format(MERLIN) + moment(4000), "vera")
    shows(page, "merlin login:")
    page.keyboard.press("n")
    expect(page.locator("#term")).to_contain_text("Nobody listened for 9 s")
    page.keyboard.press("n")
    shows(page, "Kernel panic")
    hides(page, "Rebooting")
    expect(page.locator("#stage-now")).to_have_text("here: Panic")
    page.get_by_role("button", name="1 d").click()
    picture(page, "recordings")
    page.locator("#term").click()
    page.keyboard.press("ArrowRight")
    shows(page, "Rebooting")
    page.get_by_label("Moment").focus()
    page.keyboard.press("ArrowLeft")
    hides(page, "Rebooting")
    page.keyboard.press("Home")
    shows(page, "U-Boot")
    hides(page, "Linux version")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    shows(page, "Linux version")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("p")
    page.keyboard.press("p")
    hides(page, "Linux version")
    shows(page, "U-Boot")


def test_what_is_missing_is_drawn_on_the_timeline_and_said(visit: Callable[..., Page], picture) -> None:
    page = visit(RECORDINGS.format(MERLIN), "vera", size="phone", scheme="dark")
    drawing = page.locator("#timeline")
    expect(drawing).to_have_attribute("aria-label", re.compile("panics: 1, gaps: 1$"))
    expect(drawing.locator(".gap")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Nobody listened for 9 s"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
    page.get_by_role("button", name="Panic seen.").click()
    shows(page, "Kernel panic")
    expect(page.locator("#term")).to_be_in_viewport()
    picture(page, "recordings-phone")


def test_a_recorded_attack_changes_neither_title_nor_clipboard_and_makes_no_link(visit: Callable[..., Page]) -> None:
    page = visit(RECORDINGS.format(WREN) + moment(0), "vera")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('mine')")
    title = page.title()
    shows(page, "before")
    page.keyboard.press(" ")
    shows(page, "after")
    shows(page, "the end of it")
    assert page.title() == title
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    assert page.locator("#term a").count() == 0
    box = page.get_by_text("press me").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    expect(page.locator(".xterm-cursor-pointer")).to_have_count(0)


def test_a_search_that_finds_nothing_says_so_and_a_hit_of_an_attack_is_text(visit: Callable[..., Page]) -> None:
    page = visit("/boards/demo/consoles/search/?q=no+such+words", "vera")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("searchbox").fill("evil.example/plain")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("mark")).to_have_text("evil.example/plain")
    expect(page.locator(".hits pre a")).to_have_count(0)
    page.get_by_role("link", name=re.compile("Slot 6 wren")).click()
    shows(page, "the end of it")
    hides(page, "after")
