"""VLANs in a real Chromium: made by keyboard in the grid, previewed, committed, kept; and one that undoes itself."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.portal import Portal

pytestmark = pytest.mark.browser
SWITCH = "/boards/demo/switch/"
SLOT_4, UPLINK = 4, 8  # the switch's ports
CLOSING_MS = 120_000  # the first change closes 4,096 entries, one after the other


def cell(page: Page, vid: int, place: object) -> Any:
    return page.locator(f"#cell-{vid}-{place}")


def leaves(portal: Portal, port: int, *more: str) -> list[tuple[str, list[str]]]:
    """Where a broadcast that comes in at a port of the simulated switch leaves it, and with which tags."""
    return sorted((one["behind"], one["tags"]) for one in portal.board.ctl("frame", port, *more))


def commit(page: Page, reason: str, overrides: int, within: str = "10 minutes") -> None:
    """From the draft to the committed change, overriding what is asked for."""
    page.get_by_role("button", name="Preview").click()
    dialog = page.get_by_role("dialog")
    boxes = dialog.get_by_label("Do it nevertheless")
    expect(boxes).to_have_count(overrides)
    for box in boxes.all():
        box.check()
    dialog.get_by_label("Undo by itself").select_option(within)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Commit").click()


def test_vlans_are_made_by_keyboard_and_kept(visit, picture, portal):
    for port in range(1, 9):
        portal.board.ctl("link", port, 1000)
    page = visit(SWITCH)
    expect(page.get_by_text("The switch was not read yet")).to_be_visible()
    picture(page, "switch-first")
    page.get_by_role("button", name="Read the whole table").click()
    expect(page.get_by_text("Before the first change")).to_have_count(0, timeout=CLOSING_MS)
    expect(page.get_by_text("What the switch holds was not set up here")).to_be_visible()

    page.locator("#patterns > summary").click()
    page.get_by_role("button", name="Management plus lab").click()
    page.get_by_role("button", name="Make it the draft").click()
    expect(cell(page, 10, 4)).to_have_text("U")
    page.get_by_role("button", name="Add VLAN").click()
    page.get_by_label("VID").fill("20")
    page.get_by_label("Name").fill("build")
    page.get_by_role("dialog").get_by_role("button", name="Add VLAN").click()
    expect(cell(page, 20, 4)).to_be_visible()

    cell(page, 10, 3).focus()
    for key in ("ArrowRight", "ArrowDown", "u", "ArrowRight", "u", "End", "t"):
        page.keyboard.press(key)
    expect(cell(page, 20, "uplink")).to_have_text("T")
    expect(cell(page, 20, 4)).to_have_text("U")
    expect(cell(page, 20, 5)).to_have_text("U")
    expect(cell(page, 10, 4)).to_have_text("–")
    expect(cell(page, 20, "uplink")).to_be_focused()
    assert page.locator('.vgrid .vc[tabindex="0"]').count() == 1
    expect(page.locator("#plan")).to_contain_text("VLAN 20 (build)")
    picture(page, "switch-draft")

    commit(page, "a lab and a build VLAN", overrides=3)
    waiting = page.get_by_role("alert")
    expect(waiting).to_contain_text("Change 1 is applied and read back, but not confirmed.", timeout=CLOSING_MS)
    picture(page, "switch-confirm")
    page.get_by_role("button", name="Keep change 1").click()
    expect(page.get_by_text("Running table is revision 1 (alice)")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert leaves(portal, SLOT_4) == [("slot 5", []), ("uplink", ["20"])]
    assert ("slot 1", []) in leaves(portal, UPLINK)


def test_a_change_that_cuts_the_uplink_is_undone_by_itself(visit, picture, portal):
    page = visit(SWITCH)
    cell(page, 1, "uplink").focus()
    page.keyboard.press("-")
    expect(cell(page, 1, "uplink")).to_have_text("–")
    operator = visit(SWITCH, "olga")
    operator.get_by_role("button", name="Preview").click()
    expect(operator.get_by_role("dialog")).to_contain_text("This needs the role administrator; olga is operator.")
    expect(operator.get_by_role("dialog").get_by_role("button", name="Commit")).to_have_count(0)

    commit(page, "what happens without the uplink?", overrides=4, within="1 minute")
    waiting = page.get_by_role("alert")
    expect(waiting).to_contain_text("Change 2 is applied")
    assert leaves(portal, UPLINK) == [], "nobody comes in from outside any more"
    expect(operator.get_by_role("alert")).to_contain_text("Only alice, who committed it, can keep it.")
    expect(operator.get_by_role("button", name="Keep change 2")).to_have_count(0)

    undone = page.locator("#undone")
    expect(undone).to_contain_text("Rolled back", timeout=60_000)
    picture(page, "switch-undone")
    assert ("slot 1", []) in leaves(portal, UPLINK)
    expect(page.get_by_text("Running table is revision 1 (alice)")).to_be_visible()
    page.get_by_role("button", name="Discard draft").click()
    expect(cell(page, 1, "uplink")).to_have_text("U")


def test_a_watcher_on_a_phone_sees_the_grid_and_nothing_to_press(visit, picture):
    phone = visit(SWITCH, "vera", "phone", "dark")
    expect(phone.get_by_text("You watch. This needs the role operator; vera is viewer.")).to_be_visible()
    expect(phone.locator(".vgrid button")).to_have_count(0)
    expect(phone.get_by_role("img", name="VLANs on the board")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    picture(phone, "switch-phone")
    phone.get_by_role("link", name="Ports", exact=True).click()
    expect(phone.locator("#ports tbody tr")).to_have_count(8, timeout=60_000)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    phone.get_by_role("link", name="Addresses", exact=True).click()
    expect(phone.locator("#addresses table, #addresses .empty")).to_be_visible(timeout=60_000)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    phone.get_by_role("link", name="Revisions", exact=True).click()
    expect(phone.get_by_role("table")).to_contain_text("a lab and a build VLAN")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
