"""From a click in a real Chromium to an edge on the simulated board's line, and back to the page by evidence."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_click_becomes_an_edge_and_the_page_shows_on_once_it_is_observed(chromium, portal, sign_in):
    page = chromium.new_context().new_page()
    page.goto(portal.url)
    sign_in(page, "alice")
    bay = page.locator("#slot-2")
    expect(bay.locator(".badge")).to_have_text("Unknown")
    bay.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Slot 2 heron")).to_be_visible()
    before = len(portal.board.levels(2))

    page.get_by_role("button", name="Power on").click()

    expect(page.locator("#operation")).to_contain_text("Power on slot 2")
    expect(page.locator("#power")).to_have_text("On")
    expect(page.locator("#state")).to_contain_text("Observed since")
    assert portal.board.levels(2)[before:] == [0, 1], "one pulse, low then high"
    assert portal.board.power(2) == "On"
    page.get_by_role("link", name="demo", exact=True).last.click()
    expect(bay.locator(".badge")).to_have_text("On")
    page.context.close()
