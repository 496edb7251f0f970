"""A board that several share: a slot is taken, queued for and overridden; somebody is invited, gets one slot for a day,
and finds nothing else; why not is said, and who did what."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.portal import Portal, wait_for

pytestmark = pytest.mark.browser
SLOT, BOOK = "/boards/demo/slots/3/", "/boards/demo/reservations/"
Visit, Picture = Callable[..., Page], Callable[[Page, str], None]
NEW_PASSWORD = "a kestrel in slot seven"
NOT_THERE = 4  # the command line's exit code
REVOKED, NO_SUCH_SLOT = 4403, 4404  # codes with which sockets close


def invited(page: Page, name: str, role: str, where: str, until: str = "") -> str:
    """Invite somebody; the link that they are given."""
    page.get_by_role("link", name="Invite").click()
    form = page.get_by_role("region", name="By a link")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Role").select_option(role)
    form.get_by_label("On").select_option(where)
    form.get_by_label("Until").fill(until)
    form.get_by_role("button", name="Invite").click()
    return page.get_by_label("Shown only now").input_value()


def token_of(page: Page, url: str, *scopes: str) -> str:
    """Make a token for those scopes; its text, shown once."""
    page.goto(f"{url}/account/tokens/")
    page.get_by_label("Name").fill("laptop")
    for scope in scopes:
        page.locator(f"input[name=scopes][value={scope}]").check()
    page.get_by_role("button", name="Make token").click()
    return page.get_by_label("Shown only now").input_value()


class Script:
    """What somebody's programs do with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._headers = {"Authorization": f"Bearer {token}"}

    def _post(self, path: str, body: object) -> int:
        return httpx.post(f"{self._url}/api/v1/{path}", json=body, headers=self._headers, timeout=20).status_code

    def power(self, slot: int, reset_type: str) -> int:
        return self._post(f"boards/demo/slots/{slot}/reset", {"reset_type": reset_type})

    def flash(self, slot: int) -> int:
        target = {"slot": slot, "method": "rpiboot", "medium": "eMMC", "typed": f"slot {slot}"}
        return self._post("boards/demo/flash-runs", {"image_id": str(UUID(int=1)), "targets": [target]})

    def console(self, slot: int) -> ClientConnection:
        address = self._url.replace("http", "ws", 1)
        return connect(f"{address}/ws/consoles/demo/{slot}/", additional_headers=self._headers)

    def end_of_console(self, slot: int) -> int | None:
        """The code with which the socket closes, which showed nothing before but why."""
        with self.console(slot) as console:
            said, code = until_closed(console)
        assert {json.loads(message)["type"] for message in said} == {"refused"}
        return code

    def client(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line."""
        environment = {**os.environ, "NANOPORTAL_URL": self._url, "NANOPORTAL_TOKEN": self._token}
        command = [str(Path(sys.executable).with_name("nanoportal")), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)


def until_closed(console: ClientConnection) -> tuple[list[str | bytes], int | None]:
    """What came until the socket closed, and the code with which it did."""
    said = []
    with suppress(ConnectionClosed):
        while True:
            said.append(console.recv(timeout=10))
    return said, console.close_code


@pytest.fixture
def newcomer(chromium: Browser):
    """`newcomer(link)`: a browser in which somebody has chosen a password by their link."""
    contexts = []

    def come(link: str) -> Page:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.goto(link)
        page.get_by_label("Password").fill(NEW_PASSWORD)
        page.get_by_label("Again").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Keep it and sign in").click()
        expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
        return page

    yield come
    for context in contexts:
        context.close()


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


def test_a_board_is_shared_by_people_who_each_have_their_part_of_it(visit, newcomer, picture, portal):
    """One slot for a day; nothing of any other slot at any door; a reservation, a flash refused, the glass broken, a
    token revoked under an open console, the right taken back; and who did what, afterwards."""
    alice = visit("/people/")
    tomorrow = alice.evaluate("new Date(Date.now() + 86400000).toISOString().slice(0, 16)")
    link = invited(alice, "carol", "operator", "demo/slot:3", until=tomorrow)
    alice.goto(f"{portal.url}/people/")
    other = invited(alice, "dave", "viewer", "*")
    carol, dave = newcomer(link), newcomer(other)

    expect(dave.locator(".slotlink")).to_have_count(7)
    expect(carol.locator(".slotlink")).to_have_count(1)
    assert carol.goto(f"{portal.url}/boards/demo/slots/4/").status == 404
    carol.goto(f"{portal.url}/boards/demo/slots/3/")
    expect(carol.locator("#why-not")).to_have_count(0)
    expect(carol.locator("[data-acts]:not([aria-disabled=true])").first).to_be_visible()
    expect(carol.get_by_role("link", name="Switch", exact=True)).to_have_count(0)

    token = token_of(carol, portal.url, "read", "power", "console", "flash", "reserve")
    script = Script(portal.url, token)
    assert [script.power(3, "Frobnicate"), script.power(4, "ForceOff")] == [400, 404]
    refused = script.client("power", "off", "4")
    assert refused.returncode == NOT_THERE, refused.stderr
    assert script.end_of_console(4) == NO_SUCH_SLOT
    assert script.flash(3) == 403
    answer = script.client("reserve", "3", "--for", "2h", "--purpose", "swap the SSD")
    assert answer.returncode == 0, answer.stderr

    with script.console(3) as console:
        assert json.loads(console.recv(timeout=10))["may_type"]
        alice.goto(f"{portal.url}/boards/demo/slots/3/")
        expect(alice.locator("#reservation")).to_contain_text("carol has it until")
        alice.get_by_role("button", name="Break glass…").click()
        alice.get_by_label("Reason").fill("The fan is on fire.")
        alice.get_by_role("button", name="Break the glass").click()
        carol.goto(f"{portal.url}/boards/demo/slots/3/")
        expect(carol.locator("#notices")).to_contain_text("alice overrode your reservation of slot 3 of demo")

        carol.goto(f"{portal.url}/account/tokens/")
        carol.get_by_role("button", name="Revoke laptop").click()
        revoked_at = time.monotonic()
        assert until_closed(console)[1] == REVOKED
        assert time.monotonic() - revoked_at < 3
    assert script.power(3, "ForceOff") == 401

    alice.goto(f"{portal.url}/people/?who=carol&act=flash&where=demo/slot:3")
    why = "Flashing slot 3 needs the role flasher there; carol is operator on slot 3."
    expect(alice.locator("#answer")).to_contain_text(why)
    picture(alice, "people")
    alice.get_by_role("link", name="Change carol").click()
    picture(alice, "person")
    alice.get_by_role("button", name="Take away operator on slot 3 of demo").click()
    expect(alice.get_by_text("carol is no longer operator on slot 3 of demo")).to_be_visible()
    later = carol.context.new_page()  # the open one goes by itself
    assert later.goto(f"{portal.url}/boards/demo/").status == 404
    later.goto(f"{portal.url}/account/rights/")
    expect(later.get_by_text("No board yet")).to_be_visible()
    expect(later.locator("body[data-events]")).to_have_count(0)  # nothing to listen to, so no connection is lost

    alice.goto(f"{portal.url}/audit/?actor=carol")
    picture(alice, "audit-of-carol")
    assert acts_on(alice) >= {
        ("Invitation taken up", "person carol", "", "Done"),
        ("Page or data asked for", "demo, slot 4", "", "Refused"),
        ("API token made", "person carol", "", "Done"),
        ("Power command", "demo, slot 4", "", "Refused"),
        ("Console opened", "demo, uart 4", "", "Refused"),
        ("Flash asked for", "demo", "", "Refused"),
        ("Slot reserved", "demo, slot 3", "“swap the SSD”", "Done"),
        ("Console opened", "demo, uart 3", "", "Done"),
        ("API token revoked", "person carol", "", "Done"),
    }
    alice.goto(f"{portal.url}/audit/?actor=alice")
    assert acts_on(alice) >= {
        ("Glass broken: reservation overridden", "demo, slot 3", "“The fan is on fire”", "Done"),
        ("Right taken away", "person carol", "", "Done"),
    }


def acts_on(page: Page) -> set[tuple[str, ...]]:
    """Act, target, reason and outcome of every entry that the page shows."""
    names = ("Act", "Target", "Reason", "Outcome")
    rows = page.locator(".entries tbody tr").all()
    return {tuple(row.locator(f"[data-h={name}]").inner_text().strip() for name in names) for row in rows}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_people_fit_a_phone(visit, picture, portal, scheme):
    phone = visit("/people/", size="phone", scheme=scheme)
    for path in ("/people/", "/people/new/", "/people/groups/", "/people/1/", "/account/rights/"):
        phone.goto(f"{portal.url}{path}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 375, path
    phone.set_viewport_size({"width": 1024, "height": 800})
    phone.goto(f"{portal.url}/people/")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 1024, "a wide table scrolls in its panel"
    phone.set_viewport_size({"width": 375, "height": 812})
    phone.goto(f"{portal.url}/people/")
    if scheme == "dark":
        picture(phone, "people-phone-dark")
