"""The switch in a real Chromium: VLANs made by keyboard, previewed, committed, kept; one that undoes itself; slots kept
apart; rates and addresses. What that does to frames is asked of the simulated chip before and after each step.
"""

import json
import math
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.portal import Portal

pytestmark = pytest.mark.browser
SWITCH = "/boards/demo/switch/"
SLOT_2, SLOT_4, SLOT_5, UPLINK = 6, 4, 3, 8  # the switch's ports
EVERYBODY = [(f"slot {slot}", []) for slot in range(1, 8)] + [("switch", []), ("uplink", [])]
#: What goes where in the first story's VLANs.
BUILD, OUTSIDE = [("slot 5", []), ("uplink", ["20"])], [("slot 1", []), ("switch", [])]
CLOSING_MS = 300_000  # the first change closes 4,096 entries, one after the other


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


def start_closed(portal: Portal) -> None:
    """Resets the switch into a table that lets nothing pass, which is what closing all of its entries makes of it."""
    portal.board.ctl("assume", "table-reset", "closed")
    portal.board.ctl("fault", "switch-resets", 0, 1)
    client = portal.session_of("alice")
    deadline = time.monotonic() + 60
    client.get("/api/v1/boards/demo/switch/ports")  # any look at the chip sets it off
    while portal.board.ctl("state")["links"][str(UPLINK)] != 1000:
        assert time.monotonic() < deadline, "the switch did not come back"
        time.sleep(0.1)


@pytest.mark.parametrize("from_reset", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_vlans_are_made_by_keyboard_and_kept(visit, picture, portal, from_reset):
    """From a closed table; and, which takes minutes, as a chip is at its first start, open for every VID."""
    for port in range(1, 9):
        portal.board.ctl("link", port, 1000)
    if not from_reset:
        start_closed(portal)
    before = leaves(portal, SLOT_4)
    assert before == ([one for one in EVERYBODY if one[0] != "slot 4"] if from_reset else [])
    page = visit(SWITCH)
    expect(page.get_by_text("The switch was not read yet")).to_be_visible()
    picture(page, "switch-first")
    page.get_by_role("button", name="Read the whole table").click()
    expect(page.get_by_text("Before the first change")).to_have_count(0, timeout=CLOSING_MS)
    expect(page.get_by_text("What the switch holds was not set up here")).to_be_visible()
    assert leaves(portal, SLOT_4) == before, "it only reads"

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

    assert leaves(portal, SLOT_4) == before, "a draft writes nothing"
    commit(page, "a lab and a build VLAN", overrides=3)
    waiting = page.get_by_role("alert")
    expect(waiting).to_contain_text("Change 1 is applied and read back, but not confirmed.", timeout=CLOSING_MS)
    picture(page, "switch-confirm")
    assert (leaves(portal, SLOT_4), leaves(portal, UPLINK)) == (BUILD, OUTSIDE)
    page.get_by_role("button", name="Keep change 1").click()
    expect(page.get_by_text("Running table is revision 1 (alice)")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert (leaves(portal, SLOT_4), leaves(portal, UPLINK)) == (BUILD, OUTSIDE)
    assert leaves(portal, UPLINK, "--vid", "20") == [("slot 4", []), ("slot 5", [])]


def test_a_change_that_cuts_the_uplink_is_undone_by_itself(visit, picture, portal):
    page = visit(SWITCH)
    assert leaves(portal, UPLINK) == OUTSIDE
    cell(page, 1, "uplink").focus()
    page.keyboard.press("-")
    expect(cell(page, 1, "uplink")).to_have_text("–")
    engineer = visit(SWITCH, "nora")
    engineer.get_by_role("button", name="Preview").click()
    expect(engineer.get_by_role("dialog")).to_contain_text("needs the role administrator; nora is network engineer.")
    expect(engineer.get_by_role("dialog").get_by_role("button", name="Commit")).to_have_count(0)

    commit(page, "what happens without the uplink?", overrides=4, within="1 minute")
    waiting = page.get_by_role("alert")
    expect(waiting).to_contain_text("Change 2 is applied")
    assert leaves(portal, UPLINK) == [], "nobody comes in from outside any more"
    assert leaves(portal, SLOT_4) == BUILD, "and nothing else has changed"
    expect(engineer.get_by_role("alert")).to_contain_text("Only alice, who committed it, can keep it.")
    expect(engineer.get_by_role("button", name="Keep change 2")).to_have_count(0)

    undone = page.locator("#undone")
    expect(undone).to_contain_text("Rolled back", timeout=60_000)
    picture(page, "switch-undone")
    assert (leaves(portal, UPLINK), leaves(portal, SLOT_4)) == (OUTSIDE, BUILD)
    expect(page.get_by_text("Running table is revision 1 (alice)")).to_be_visible()
    page.get_by_role("button", name="Discard draft").click()
    expect(cell(page, 1, "uplink")).to_have_text("U")


def test_slots_are_kept_apart_and_mirrored_on_a_page_of_their_own(visit, picture, portal):
    lab = [("slot 3", []), ("slot 6", []), ("slot 7", []), ("uplink", ["10"])]
    assert leaves(portal, SLOT_2) == lab
    page = visit(f"{SWITCH}isolation/")
    page.locator("#pair-2-3").focus()
    page.keyboard.press("Space")
    expect(page.locator("#pair-3-2")).to_have_text("✕")
    expect(page.locator("#pair-2-3")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#pair-4-3")).to_be_focused()
    page.get_by_role("button", name="Change the mirror").click()
    page.get_by_label("Copies go to").select_option("slot 5")
    page.get_by_label("What comes in from slot 2").check()
    page.get_by_role("dialog").get_by_role("button", name="Keep in the draft").click()
    expect(page.locator("#pending")).to_contain_text("Slot 5 gets copies of what enters at slot 2")
    picture(page, "switch-isolation")
    page.get_by_role("link", name="Ports", exact=True).click()
    page.locator("#port-4").click()
    page.get_by_label("Link", exact=True).select_option("100 Mb/s full duplex only")
    page.get_by_role("dialog").get_by_role("button", name="Keep in the draft").click()
    expect(page.locator("#pending li")).to_have_count(3)
    assert leaves(portal, SLOT_2) == lab

    page.get_by_role("link", name="Review and commit").click()
    commit(page, "2 and 3 do not know each other", overrides=0)
    apart = [("slot 5", []), *lab[1:]]
    expect(page.get_by_role("alert")).to_contain_text("Change 3 is applied", timeout=CLOSING_MS)
    assert leaves(portal, SLOT_2) == apart
    page.get_by_role("button", name="Keep change 3").click()
    expect(page.get_by_text("Running table is revision 2 (alice)")).to_be_visible()
    assert leaves(portal, SLOT_2) == apart
    page.get_by_role("link", name="Ports", exact=True).click()
    expect(page.locator("#ports tbody tr").nth(3)).to_contain_text("100 Mb/s", timeout=60_000)


def keep_an_hour(portal: Portal) -> None:
    """Rates of an hour, with a gap of five minutes in it, as if the worker had read them."""
    now, rows = datetime.now(UTC), []
    for place in (*range(40, 121), *range(150, 350)):
        flow = [
            [int(9e5 * port * (1 + math.sin(place / (9 + port)))), int(4e5 * (1 + math.cos(place / 20))), 0, 0]
            for port in range(1, 9)
        ]
        at = (now - timedelta(seconds=10 * (360 - place))).replace(tzinfo=None)
        rows.append((place, at.isoformat(" "), json.dumps(flow)))
    with closing(sqlite3.connect(portal.data / "var" / "portal.sqlite3", timeout=20)) as database, database:
        database.executemany(
            "INSERT OR REPLACE INTO switch_trafficsample (board_id, place, at, seconds, ports) "
            "SELECT id, ?, ?, 10, ? FROM slots_board",
            rows,
        )


def test_rates_are_live_and_have_an_hour_behind_them(visit, picture, portal):
    keep_an_hour(portal)
    page = visit(f"{SWITCH}ports/")
    slot_4 = page.locator("#ports tbody tr").nth(3)
    expect(slot_4.get_by_role("img")).to_have_attribute("aria-label", re.compile("at most .* came in"))
    assert slot_4.locator("polyline:not(.out)").count() == 2, "a line before the gap and one after it"
    before = slot_4.locator("td").nth(2).inner_text()
    for _ in range(20):
        leaves(portal, SLOT_4)
    expect(slot_4.locator("td").nth(2)).not_to_have_text(before, timeout=60_000)
    picture(page, "switch-ports")


def test_addresses_say_when_they_were_seen_and_where_they_went(visit, picture, portal):
    for port, mac in ((SLOT_2, "e4:5f:01:00:00:02"), (SLOT_4, "e4:5f:01:00:00:04"), (UPLINK, "3c:52:82:00:00:01")):
        leaves(portal, port, "--src", mac)
    page = visit(f"{SWITCH}addresses/")
    line = page.locator("#addresses tbody tr", has_text="e4:5f:01:00:00:04")
    expect(line).to_contain_text(re.compile(r"\d+ s ago|within the last"), timeout=60_000)
    expect(line.get_by_role("rowheader")).to_have_text("4")
    picture(page, "switch-addresses")
    leaves(portal, SLOT_5, "--src", "e4:5f:01:00:00:04")
    expect(line).to_contain_text("moved here", timeout=60_000)
    expect(line.get_by_role("rowheader")).to_have_text("5")


def test_a_watcher_on_a_phone_sees_the_grid_and_nothing_to_press(visit, picture):
    phone = visit(SWITCH, "vera", "phone", "dark")
    expect(
        phone.get_by_text("You watch. Changing VLANs needs the role network engineer; vera is viewer.")
    ).to_be_visible()
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
    for name, heading in (("Mirror and isolation", "Isolation, running"), ("Reset", "After a reset")):
        phone.get_by_role("link", name=name, exact=True).click()
        expect(phone.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    phone.get_by_role("link", name="Revisions", exact=True).click()
    expect(phone.get_by_role("table")).to_contain_text("a lab and a build VLAN")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
