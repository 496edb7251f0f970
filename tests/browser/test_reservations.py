"""Two people and one slot: taking it, queueing, breaking the glass, and being told."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.portal import Portal, wait_for

pytestmark = pytest.mark.browser
SLOT, BOOK = "/boards/demo/slots/3/", "/boards/demo/reservations/"
Visit, Picture = Callable[..., Page], Callable[[Page, str], None]


def reserve(page: Page, purpose: str, button: str = "#reserve") -> None:
    page.locator(button).click()
    page.get_by_label("What for").fill(purpose)
    page.locator("#reserve-go").click()
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_slot_is_taken_queued_for_and_overridden_and_everybody_sees_it_at_once(
    visit: Visit, picture: Picture
) -> None:
    olga, bob, board = visit(SLOT, "olga"), visit(SLOT, "bob"), visit("/boards/demo/", "bob", "desktop", "dark")
    reserve(olga, "swap the SSD")
    expect(board.locator("#slot-3 .held")).to_be_visible()
    expect(olga.locator("#reservation")).to_contain_text("Yours until")
    expect(olga.locator(".page-h")).to_contain_text("Yours until")

    expect(bob.locator("#reservation")).to_contain_text("olga has it until")
    expect(bob.locator("#why-not")).to_contain_text("olga has reserved slot 3 until")
    expect(bob.locator("#reserve")).to_have_text(re.compile("Queue"))
    reserve(bob, "flash Debian")
    expect(bob.locator("#reservation")).to_contain_text("bob (you), 2 h")
    expect(olga.locator("#reservation")).to_contain_text("flash Debian")
    picture(olga, "slot-reserved")

    alice = visit(SLOT, "alice")
    alice.get_by_role("button", name="Break glass…").click()
    expect(alice.get_by_role("button", name="Leave it to olga")).to_be_focused()
    alice.get_by_label("Reason").fill("The fan is on fire.")
    picture(alice, "break-glass")
    alice.get_by_role("button", name="Break the glass").click()
    expect(alice.locator("#reservation")).to_contain_text("Yours until")

    expect(olga.locator("#notices")).to_contain_text("alice overrode your reservation of slot 3 of demo")
    expect(olga.locator("#why-not")).to_contain_text("alice has reserved slot 3")
    picture(olga, "notice")
    olga.get_by_role("button", name="Put away").click()
    expect(olga.locator("#notices .banner")).to_have_count(0)
    olga.goto(olga.url)
    expect(olga.locator("#notices .banner")).to_have_count(0)

    alice.get_by_role("button", name="Give back").click()
    expect(bob.locator("#reservation")).to_contain_text("Yours until")
    expect(bob.locator("#notices")).to_contain_text("Slot 3 of demo is yours until")
    bob.get_by_role("button", name="Give back").click()
    expect(bob.locator("#reservation")).to_contain_text("Nobody has it now")


def test_a_planned_time_comes_by_itself_and_takes_the_keyboard_that_somebody_has(visit: Visit, portal: Portal) -> None:
    page = visit("/boards/demo/slots/6/console/", "bob")
    page.locator("#keyboard").click()
    expect(page.locator("#keyboard")).to_have_text("Release keyboard")
    olga = portal.session_of("olga")
    begin = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    wish = {"purpose": "class b", "seconds": 600, "starts_at": begin}
    made = olga.post("/api/v1/boards/demo/slots/6/reservations", wish).json()
    assert made["state"] == "planned", made
    path = f"/api/v1/reservations/{made['id']}"

    wait_for(lambda: olga.get(path).json()["state"] == "active", 20, "the worker to see that the time has come")
    expect(page.locator("#keyboard")).to_have_attribute("title", re.compile("olga has reserved slot 6 until"))
    expect(page.locator("#keyboard")).to_have_attribute("aria-disabled", "true")
    assert olga.http.delete(path, headers={"X-CSRFToken": olga.csrf()}).json()["state"] == "ended"
    expect(page.locator("#keyboard")).to_have_attribute("aria-disabled", "false")


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_the_calendar_shows_who_has_what_and_takes_a_plan_in_the_readers_own_time(
    visit: Visit, picture: Picture, size: str, scheme: str
) -> None:
    number = 4 if size == "desktop" else 5
    page = visit(BOOK, "olga", size, scheme)
    page.locator(f"#reserve-{number}").click()
    page.get_by_label("What for").fill("class b, exercise 4")
    page.locator("#r-from").fill(page.evaluate("new Date(Date.now() + 86400000).toISOString().slice(0, 16)"))
    page.locator("#id_seconds").select_option("28800")
    page.locator("#reserve-go").click()
    row = page.locator("#reservations tbody tr", has_text=f"Slot {number}")
    expect(row).to_contain_text("olga (you)")
    expect(page.locator(".calsvg .res.mine").first).to_be_visible()
    picture(page, "reservations" if size == "desktop" else "reservations-phone")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(wide), "nothing scrolls sideways"
    row.get_by_role("button", name="Give up").click()
    expect(row).to_have_count(0)
