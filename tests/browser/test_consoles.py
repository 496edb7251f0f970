"""Serial consoles in a real Chromium: people who share one, what a line may not do to them, and last night's panic.

And recordings: moments long after the last word, keys of the player, gaps, what one may not do to who plays it.
"""

import os
import re
import select
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.past import KESTREL, MERLIN, WREN, YESTERDAY, said_before
from tests.consoles.rig import Som
from tests.portal import Portal, wait_for
from tests.prepared import PEOPLE
from tests.simulated import SimulatedBoard

pytestmark = pytest.mark.browser
HERON = 2  # a simulated system
LINE = 4  # a line whose far end this test holds
CONSOLE, RECORDINGS = "/boards/demo/slots/{}/console/", "/boards/demo/slots/{}/recordings/"
ROWS = "() => [...document.querySelectorAll('.xterm-rows > div')].map(row => row.textContent.trimEnd())"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Som]:
    som = Som(tmp_path_factory.mktemp("line") / "uart")
    yield som
    som.close()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, far: Som) -> Iterator[Portal]:
    """A portal whose slot 4 has a line of ours, and whose other slots have a past."""
    folder = tmp_path_factory.mktemp("portal")
    board = SimulatedBoard(folder / "board", scale=10.0)
    board.uarts[LINE] = str(far.path)
    running = Portal(folder, board=board, people=PEOPLE)
    try:
        said_before(running)
        running.start()
        client = running.sign_in("alice")
        client.reset(HERON, "On")
        client.wait_state(HERON, "On")
        yield running
    finally:
        running.close()


def rows(page: Page) -> list[str]:
    return [row.replace("\xa0", " ").rstrip() for row in page.evaluate(ROWS)]


def shows(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows").first).to_contain_text(text)


def hides(page: Page, text: str) -> None:
    expect(page.locator(".xterm-rows").first).not_to_contain_text(text)


def take(page: Page) -> None:
    page.get_by_role("button", name="Take keyboard").click()
    expect(page.get_by_role("button", name="Release keyboard")).to_be_visible()


def arrived(far: Som, seconds: float = 0.4) -> bytes:
    """What was typed into our line until nothing more came for that time."""
    data = b""
    while select.select([far.far], [], [], seconds)[0]:
        data += os.read(far.far, 4096)
    return data


def typed(far: Som, count: int) -> bytes:
    """The next so many bytes that are typed into our line, or fewer if nothing comes for long."""
    data = b""
    while len(data) < count and select.select([far.far], [], [], 5.0)[0]:
        data += os.read(far.far, 4096)
    return data


# People


def test_one_types_one_watches_and_a_third_takes_over_and_the_loser_is_told_by_whom_and_why(visit, picture):
    olga, vera = visit(CONSOLE.format(HERON), "olga"), visit(CONSOLE.format(HERON), "vera", scheme="dark")
    shows(olga, "cm4-2 login:")
    expect(vera.locator("#keyboard")).to_have_attribute("aria-disabled", "true")
    expect(vera.locator("#keyboard")).to_have_attribute(
        "title", re.compile("You may watch this console, but not type.")
    )
    olga.locator("#term").click()
    olga.keyboard.type("x")
    expect(olga.locator("#notice")).to_contain_text("You are watching. Take the keyboard to type.")

    take(olga)
    olga.keyboard.type("root\rsecret\recho seven slots\r")

    for page in (olga, vera):
        shows(page, "root@cm4-2:~# echo seven slots")
    expect(vera.locator("ul[data-people]").first).to_contain_text("olga types")
    assert rows(vera) == rows(olga)
    assert "secret" not in "".join(rows(vera)), "the system does not echo a password"
    alice = visit(CONSOLE.format(HERON), "alice", scheme="dark")
    alice.get_by_role("button", name="Take over…").click()
    question = alice.get_by_role("dialog")
    expect(question).to_contain_text("Take the keyboard of slot 2 from olga?")
    expect(question.get_by_role("button", name="Keep watching")).to_be_focused()
    picture(alice, "console-take-over")
    question.get_by_label("Reason").fill("the disk is full")
    question.get_by_role("button", name="Take over").click()

    expect(alice.get_by_role("button", name="Release keyboard")).to_be_visible()
    expect(olga.locator("#notice")).to_have_text("alice took the keyboard from you: “the disk is full”")
    expect(olga.get_by_role("button", name="Take over…")).to_be_visible()
    alice.keyboard.type("echo mine\r")
    shows(olga, "echo mine")
    olga.keyboard.type("echo not mine\r")
    alice.keyboard.type("echo still mine\r")
    shows(olga, "echo still mine")
    assert "not mine" not in "".join(rows(olga))
    picture(alice, "console")
    alice.get_by_role("button", name="Release keyboard").click()
    expect(olga.get_by_role("button", name="Take keyboard")).to_be_visible()


def test_the_keyboard_gives_focus_back_and_a_letter_then_is_a_key_of_the_page(visit, portal):
    page = visit(CONSOLE.format(HERON), "olga")
    take(page)
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.press("Control+Shift+Escape")
    expect(page.locator("#keyboard")).to_be_focused()
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Consoles")).to_be_visible()


def test_who_may_no_longer_read_it_loses_the_open_page_and_its_text_is_not_shown_again(visit, portal):
    vera = visit(CONSOLE.format(7), "vera")
    expect(vera.locator("[data-status=link]")).to_have_text("Live")
    alice = visit("/boards/demo/slots/7/console/settings/", "alice")
    alice.get_by_label("May watch and read its recordings").select_option("operator")
    alice.get_by_role("button", name="Keep these settings").click()
    expect(alice.locator("#toasts")).to_contain_text("are kept")

    expect(vera.locator("#notice")).to_contain_text("You may no longer see this console.")
    vera.reload()
    expect(vera.get_by_role("heading", name="You may not read this console")).to_be_visible()
    expect(vera.locator(".term")).to_have_count(0)


# The stream


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"line {number:04}" for number in range(start, start + count)]


def test_a_reload_and_a_reconnect_in_the_middle_of_output_lose_nothing_and_repeat_nothing(visit, far):
    page = visit(CONSOLE.format(LINE), "olga")
    expect(page.locator("[data-status=link]")).to_have_text("Live")
    lines = numbered(36)
    for place, line in enumerate(lines):
        far.send(f"{line}\r\n".encode())
        if place == 10:
            page.reload(wait_until="commit")
        if place == 20:
            page.get_by_role("button", name="Reconnect").click()
        time.sleep(0.03)

    shows(page, lines[-1])
    assert [row for row in rows(page) if row.startswith("line")] == lines
    expect(page.locator("[data-status=missing]")).to_contain_text("nothing missing")


def test_a_web_server_that_is_killed_in_the_middle_of_output_costs_time_and_not_a_byte(visit, portal, far):
    page = visit(CONSOLE.format(LINE), "vera")
    expect(page.locator("[data-status=link]")).to_have_text("Live")
    page.get_by_role("button", name="Clear").click()
    lines = numbered(30, start=100)
    for place, line in enumerate(lines):
        far.send(f"{line}\r\n".encode())
        if place == 10:
            portal.kill("web")
        time.sleep(0.02)

    shows(page, lines[-1])
    assert [row for row in rows(page) if row.startswith("line 01")] == lines
    expect(page.locator("[data-status=link]")).to_have_text("Live")
    expect(page.locator("[data-status=missing]")).to_contain_text("nothing missing")
    expect(page.locator("#lost")).to_be_hidden()


def test_what_the_portal_says_of_the_line_is_drawn_over_it_and_no_byte_can_look_so(visit, portal, far, picture):
    page = visit(CONSOLE.format(LINE), "alice")
    take(page)
    page.locator("summary", has_text="Break").click()
    page.get_by_role("button", name=re.compile("Reboot at once…")).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("without syncing or unmounting")
    expect(question.get_by_role("button", name="Leave it alone")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    page.locator("summary", has_text="Break").click()
    page.get_by_role("button", name=re.compile("Sync disks")).click()
    mark = page.locator("#term .mark", has_text=re.compile("SysRq s", re.IGNORECASE))
    expect(mark).to_be_visible()
    assert typed(far, 1) == b"s", "and of what was only asked, nothing"
    words = mark.inner_text()
    far.send(f"\r\n\x1b[33m{words}\x1b[0m\r\n".encode())
    shows(page, words)
    expect(page.locator("#term .mark", has_text=words)).to_have_count(1)


ATTACK = (
    b"\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1b]1;owned\x07"
    b"\x1b]52;c;b3duZWQ=\x07\x1b]8;;https://evil.example/\x07press me\x1b]8;;\x07"
    b"\x1b[21t\x1b[20t\x1b[8;4;10t\x1b]4;0;#ffffff\x07\x1b]10;#0e1113\x07\x1b]11;?\x07"
    b"\x1bP$qm\x1b\\\x1b]50;?\x07\x1b_Ga=q\x1b\\\x1b]1337;File=inline=1:AAAA\x07 https://evil.example/plain\r\n"
)


def test_an_escape_sequence_changes_neither_title_nor_clipboard_makes_no_link_and_gets_no_answer(visit, portal, far):
    page = visit(CONSOLE.format(LINE), "olga")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('mine')")
    title, colour = page.title(), page.evaluate("getComputedStyle(document.querySelector('.xterm-rows')).color")
    arrived(far, 0.0)

    far.send(ATTACK + b"\x1b[c\x1b[6n" + b"the end of it\r\n")
    shows(page, "the end of it")
    assert page.title() == title
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    assert page.evaluate("getComputedStyle(document.querySelector('.xterm-rows')).color") == colour
    assert page.locator("#term a").count() == 0
    box = page.get_by_text("press me").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    expect(page.locator(".xterm-cursor-pointer")).to_have_count(0)
    assert arrived(far) == b"", "who watches answers nothing"
    take(page)
    far.send(ATTACK + b"\x1b[c")
    assert re.fullmatch(rb"\x1b\[\?[0-9;]+c", arrived(far)), "who types answers what a terminal is, and nothing else"


def test_several_lines_are_shown_before_they_are_typed(visit, portal, far, picture):
    page = visit(CONSOLE.format(LINE), "alice")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    take(page)
    arrived(far, 0.0)
    page.evaluate("navigator.clipboard.writeText('one word')")
    page.keyboard.press("Control+Shift+V")
    assert typed(far, 8) == b"one word"

    page.evaluate("navigator.clipboard.writeText('rm -r /srv/scratch\\nreboot\\u001b[A\\n')")
    page.keyboard.press("Control+Shift+V")
    question = page.get_by_role("dialog")
    expect(question.get_by_label("What will be sent")).to_have_value("rm -r /srv/scratch\nreboot[A\n")
    expect(question).to_contain_text("2 lines, 28 bytes")
    expect(question).to_contain_text("1 control character is left out")
    picture(page, "console-paste")
    question.get_by_role("button", name="Send nothing").click()
    page.locator("#term").click()
    page.keyboard.press("Control+Shift+V")
    assert arrived(far) == b"", "neither by the question nor by its no"
    question.get_by_role("button", name="Send it").click()
    assert typed(far, 28) == b"rm -r /srv/scratch\rreboot[A\r"


def test_a_phone_has_the_keys_that_its_keyboard_lacks(visit, portal, far, picture):
    page = visit(CONSOLE.format(LINE), "olga", size="phone", scheme="dark")
    expect(page.locator("[data-people-count]")).not_to_have_text("0")
    take(page)
    arrived(far, 0.0)
    page.get_by_role("button", name="Esc", exact=True).click()
    page.get_by_role("button", name="Up", exact=True).click()
    page.get_by_role("button", name="Tab", exact=True).click()
    page.get_by_role("button", name="Ctrl", exact=True).click()
    page.keyboard.type("c")
    page.keyboard.type("c")
    assert typed(far, 7) == b"\x1b\x1b[A\t\x03c"
    picture(page, "console-phone")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375, "nothing hangs out sideways"


def test_a_port_that_vanishes_is_said_in_the_page_and_in_the_stream(visit, portal, far):
    page = visit(CONSOLE.format(LINE), "olga")
    expect(page.locator("[data-status=link]")).to_have_text("Live")
    far.close()
    try:
        expect(page.locator("#trouble")).to_contain_text("The port is away")
        expect(page.locator("#term .mark").last).to_be_visible()
    finally:
        far.__init__(far.path)  # the same path, another device
    expect(page.locator("#trouble")).to_be_hidden()


# All of them


def test_all_consoles_are_seen_at_once_and_a_click_opens_one(visit, portal, far, picture):
    page = visit("/boards/demo/consoles/", "vera")
    far.send(b"\r\nhere is slot 4\r\n")
    expect(page.locator(".cell[data-slot='4'] .xterm-rows")).to_contain_text("here is slot 4")
    expect(page.locator(".cell[data-slot='2'] .xterm-rows")).to_contain_text("cm4-2")
    expect(page.get_by_role("region", name="Slot 1")).to_contain_text("No serial port recorded for slot 1.")
    picture(page, "console-grid")
    page.locator(".cell[data-slot='4'] .mini").click()
    expect(page.get_by_role("heading", name="Slot 4 osprey")).to_be_visible()
    page.goto(f"{portal.url}{CONSOLE.format(1)}")
    expect(page.get_by_role("heading", name="No serial port recorded for slot 1")).to_be_visible()
    expect(page.locator("pre").nth(1)).to_contain_text("[slots.1]")


def test_a_slots_page_shows_the_last_lines_and_keeps_them_when_it_is_read_again(visit, portal, far):
    page = visit(f"/boards/demo/slots/{LINE}/", "vera")
    far.send(b"\x1b[1mthe last\x1b[0m line of slot 4\r\n")
    expect(page.locator("#console-tail")).to_contain_text("the last line of slot 4")
    page.evaluate("htmx.ajax('GET', location.pathname, {source: '#slot', target: '#slot', swap: 'outerHTML'})")
    expect(page.locator("#console-tail")).to_contain_text("the last line of slot 4")
    expect(page.locator(".skel")).to_have_count(0)
    page.get_by_role("link", name="Open console").click()
    shows(page, "the last line of slot 4")


# What was


def test_the_panic_of_last_night_is_found_and_replayed_with_its_real_timing(visit, portal, picture):
    page = visit("/boards/demo/consoles/search/", "vera", scheme="dark")
    page.get_by_role("searchbox").fill("kernel PANIC - not syncing: out")
    page.get_by_role("button", name="Search").click()
    hit = page.get_by_role("listitem").filter(has_text="out of memory")
    expect(hit.locator("mark")).to_have_text("Kernel panic - not syncing: out")
    picture(page, "console-search")
    hit.get_by_role("link", name=re.compile("Slot 5 merlin")).click()

    shows(page, "Kernel panic - not syncing: out of memory")
    assert "Rebooting" not in "".join(rows(page)), "that came two seconds later"
    assert page.title() == "Recordings of slot 5 · NanoPortal"
    expect(page.locator("#stage-now")).to_have_text("here: Panic")
    picture(page, "console-recording")
    began = time.monotonic()
    page.get_by_role("button", name="Play", exact=True).click()
    shows(page, "Rebooting in 60 seconds")
    assert 1.0 < time.monotonic() - began < 6.0, "two seconds take two seconds"

    page.get_by_role("button", name="Login seen.").click()
    expect(page.locator(".xterm-rows")).not_to_contain_text("Kernel panic")
    shows(page, "merlin login:")
    page.get_by_role("button", name="16×").click()
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("button", name=re.compile("Quiet until")).click()
    shows(page, "Kernel panic")


def moment(seconds: float) -> str:
    return "?at=" + (YESTERDAY + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def test_a_moment_hours_after_the_last_word_shows_what_stood_there_then(visit):
    page = visit(RECORDINGS.format(KESTREL) + moment(8000), "vera", scheme="dark")
    shows(page, "kestrel login:")
    hides(page, "Kernel panic")
    expect(page.locator("#stage-now")).to_have_text("here: System up")


def test_keys_play_step_and_jump_from_one_event_to_the_next(visit, picture):
    page = visit(RECORDINGS.format(KESTREL) + moment(4000), "vera")
    shows(page, "kestrel login:")
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


def test_what_is_missing_is_drawn_on_the_timeline_and_said(visit, picture):
    page = visit(RECORDINGS.format(KESTREL), "vera", size="phone", scheme="dark")
    drawing = page.locator("#timeline")
    expect(drawing).to_have_attribute("aria-label", re.compile("panics: 1, gaps: 1$"))
    expect(drawing.locator(".gap")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Nobody listened for 9 s"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
    page.get_by_role("button", name="Panic seen.").click()
    shows(page, "Kernel panic")
    expect(page.locator("#term")).to_be_in_viewport()
    picture(page, "recordings-phone")


def test_a_recorded_attack_changes_neither_title_nor_clipboard_and_makes_no_link(visit):
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


def test_a_search_that_finds_nothing_says_so_and_a_hit_of_an_attack_is_text(visit):
    page = visit("/boards/demo/consoles/search/?q=no+such+words", "vera")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("searchbox").fill("evil.example/then")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("mark")).to_have_text("evil.example/then")
    expect(page.locator(".hits pre a")).to_have_count(0)
    page.get_by_role("link", name=re.compile("Slot 6 wren")).click()
    shows(page, "the end of it")
    hides(page, "after")


def test_a_recording_is_taken_away_as_text_and_as_asciicast_and_neither_can_act(visit, portal):
    page = visit(RECORDINGS.format(MERLIN), "vera")
    for name, ending in (("Text", ".txt"), ("Asciicast", ".cast")):
        with page.expect_download() as started:
            page.get_by_role("link", name=name).click()
        assert started.value.suggested_filename.endswith(ending)
        data = started.value.path().read_bytes()
        assert b"Kernel panic" in data
        assert b"owned" not in data


def test_a_rule_of_ones_own_shows_its_stage_on_console_and_slot(visit, portal, far):
    alice = visit("/boards/demo/consoles/stages/", "alice")
    alice.get_by_label("Stage").select_option("login")
    alice.get_by_label("Text").fill("All seven bells ring")
    alice.get_by_role("button", name="Add this rule").click()
    expect(alice.get_by_role("row", name=re.compile("All seven bells ring"))).to_be_visible()
    page = visit(CONSOLE.format(LINE), "vera")
    wait_for(lambda: rings(page, far), 15, "the daemon to go by the new rule")
    expect(page.locator("[data-status=stage]")).to_contain_text("login prompt")


def rings(page: Page, far: Som) -> bool:
    far.send(b"All seven bells ring\r\n")
    page.wait_for_timeout(100)
    return page.locator("[data-status=stage]").is_visible()
