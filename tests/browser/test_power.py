"""From a click in a real Chromium to an edge on the simulated board's line, and back to the page by evidence."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
KESTREL = "/boards/demo/slots/3/"


def power_badge(page: Page, state: str) -> None:
    expect(page.locator("#power")).to_have_text(state)


def test_a_click_becomes_an_edge_and_the_page_shows_on_once_it_is_observed(chromium, portal, sign_in, picture):
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(portal.url)
    sign_in(page, "alice")
    bay = page.locator("#slot-2")
    expect(bay.locator(".badge")).to_have_text("Unknown")
    bay.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Slot 2 heron")).to_be_visible()
    before = len(portal.board.levels(2))

    page.get_by_role("button", name="Power on").click()

    expect(page.locator("#operation")).to_contain_text("Power on slot 2")
    power_badge(page, "On")
    expect(page.locator("#state")).to_contain_text("Observed since")
    assert portal.board.levels(2)[before:] == [0, 1], "one pulse, low then high"
    assert portal.board.power(2) == "On"
    page.get_by_role("main").get_by_role("link", name="demo", exact=True).click()
    expect(bay.locator(".badge")).to_have_text("On")
    page.context.close()


def test_a_double_click_acts_once(visit, portal):
    page = visit("/boards/demo/slots/5/")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    before = len(portal.board.levels(5))

    page.get_by_role("button", name="Power on").dblclick()

    power_badge(page, "On")
    assert len(sent) == 1
    assert re.search(r"key=[0-9a-f]{32}-On", sent[0]), "a repeated request would be recognised"
    assert portal.board.levels(5)[before:] == [0, 1]
    page.goto(f"{portal.url}/boards/demo/slots/5/history/")
    expect(page.get_by_role("link", name="Power on slot 5")).to_have_count(1)


def test_who_finds_a_slot_busy_learns_by_whom_and_may_end_it(visit, portal):
    """A CM5 whose system hangs keeps a shutdown waiting: long enough to meet it."""
    client = portal.sign_in("alice")
    client.reset(3, "PushPowerButton")
    client.wait_state(3, "On")
    portal.board.ctl("os", "3", "hang")
    olga = visit(KESTREL, "olga")
    olga.get_by_role("button", name="Restart…").click()
    question = olga.get_by_role("dialog")
    expect(question).to_contain_text("No operation holds it")
    operation = client.reset(3, "GracefulShutdown", reason="swap SSD").json()["id"]

    question.get_by_role("button", name="Restart slot 3").click()

    refusal = question.get_by_role("alert")
    expect(refusal).to_contain_text("busy: Shut down slot 3, asked for by alice")
    expect(refusal).to_contain_text("code busy")
    olga.keyboard.press("Escape")
    expect(olga.locator("#why-not")).to_contain_text("Busy: Shut down slot 3, asked for by alice")
    expect(olga.get_by_role("button", name="Restart…")).to_have_attribute("aria-disabled", "true")
    expect(olga.locator("#operation")).to_contain_text("gives up in")
    olga.get_by_role("button", name="Stop waiting").click()
    expect(olga.locator("#operation")).to_contain_text("Cancelled by olga")
    assert client.operation(operation)["state"] == "cancelled"
    portal.board.ctl("mains-cycle")
    client.wait_state(3, "Unknown")


def test_forcing_a_cm5_off_needs_its_name_typed_and_shows_what_that_costs(visit, portal, picture):
    client = portal.sign_in("alice")
    client.reset(3, "PushPowerButton")
    client.wait_state(3, "On")
    page = visit(KESTREL)
    before = len(portal.board.levels(3))
    expect(page.locator("#about-ForceOff")).to_contain_text("Strands this CM5.")

    page.get_by_role("button", name="Force off…").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("does not start again until the whole board loses power")
    expect(question.get_by_role("button", name="Leave it running")).to_be_focused()
    go = question.get_by_role("button", name="Hold 8 s and strand slot 3")
    expect(go).to_be_disabled()
    picture(page, "force-off")
    question.get_by_label("Type the slot’s name").fill("osprey")
    expect(go).to_be_disabled()
    question.get_by_label("Type the slot’s name").fill("kestrel")
    question.get_by_label("Reason").fill("it hangs")
    go.click()

    expect(question).to_be_hidden()
    power_badge(page, "Latched off")
    expect(page.locator("#latched")).to_contain_text("ignores its button until the whole board loses power")
    expect(page.locator("#not-offered")).to_contain_text("Power on")
    expect(page.get_by_role("button", name="Power on")).to_have_count(0)
    assert portal.board.levels(3)[before:] == [0, 1]
    assert held_seconds(portal, 3) * portal.scale >= 8.0
    page.goto(f"{portal.url}/audit/")
    expect(page.get_by_role("row", name=re.compile("Force off slot 3 “it hangs” Done"))).to_be_visible()


def held_seconds(portal, line: int) -> float:
    """How long the last press of `line` was, by the board's own clock."""
    edges = [entry for entry in portal.board.trace() if entry.get("line") == line and "level" in entry]
    return float(edges[-1]["t"] - edges[-2]["t"])


def test_everything_can_be_done_by_keyboard(visit, portal):
    """From the board to slot 2 by its number, a question answered with Escape, then with Enter."""
    portal.sign_in("alice").reset(2, "On")  # it may be on already; then this is refused
    portal.sign_in("alice").wait_state(2, "On")
    page = visit("/")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Slot 2 heron")).to_be_visible()
    before = len(portal.board.levels(2))
    tab_to(page, "act-ForceRestart")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(page.locator("#act-ForceRestart")).to_be_focused()
    assert portal.board.levels(2)[before:] == []

    page.keyboard.press("Enter")
    expect(question.get_by_role("button", name="Leave it running")).to_be_focused()
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Force restart slot 2")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#operation")).to_contain_text("Force restart slot 2Done")
    power_badge(page, "On")
    assert portal.board.levels(2)[before:] == [0, 1]


def tab_to(page: Page, element: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == element:
            return
    pytest.fail(f"Tab never came to #{element}")
