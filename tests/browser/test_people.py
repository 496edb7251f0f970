"""A board that several share: how they sign in, with a password, a code, a passkey; a slot is taken, queued for and
overridden; somebody is invited, gets one slot for a day, and finds nothing else; why not is said, and who did what."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import WIDTHS
from tests.browser.programs import Script, invited, token_of, until_closed
from tests.portal import Portal, wait_for
from tests.prepared import PASSWORD

pytestmark = pytest.mark.browser
SLOT, BOOK = "/boards/demo/slots/3/", "/boards/demo/reservations/"
Visit, Picture = Callable[..., Page], Callable[[Page, str], None]
NEW_PASSWORD = "a kestrel in slot seven"
NOT_THERE = 4  # the command line's exit code
REVOKED, NO_SUCH_SLOT = 4403, 4404  # codes with which sockets close


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
        carol.get_by_role("button", name="Revoke… laptop").click()
        carol.get_by_role("button", name="Revoke token").click()
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


@pytest.fixture
def localhost(portal) -> str:
    """Where browsers allow passkeys without https."""
    return f"http://localhost:{portal.port}"


@pytest.fixture
def context(chromium) -> Iterator[BrowserContext]:
    opened = chromium.new_context(viewport={"width": WIDTHS["desktop"][0], "height": WIDTHS["desktop"][1]})
    yield opened
    opened.close()


@pytest.fixture
def page(context) -> Iterator[Page]:
    """A page that fails the test when it breaks its content security policy, or when a script of it fails."""
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
    yield opened
    assert not complaints


@pytest.fixture
def security_key(context, page):
    """A virtual authenticator that checks its owner without asking; call it to answer no or yes from then on."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    made = session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )

    def verify(is_owner: bool) -> None:
        about = {"authenticatorId": made["authenticatorId"], "isUserVerified": is_owner}
        session.send("WebAuthn.setUserVerified", about)

    return verify


def sign_out(page: Page) -> None:
    page.locator("summary[aria-label^=Account]").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name=re.compile("Sign in"))).to_be_visible()


def password_step(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


# What Chromium says then; its virtual authenticator works all the same.
AT_A_CERTIFICATE_CLICKED_AWAY = """() => {
  navigator.credentials.get = async () => {
    throw new DOMException("WebAuthn is not supported on sites with TLS certificate errors.", "NotAllowedError");
  };
}"""


def test_a_passkey_is_made_signs_in_without_a_password_and_is_removed(page, security_key, localhost, picture):
    password_step(page, f"{localhost}/account/", "olga")
    page.get_by_label("Name of the new passkey").fill("laptop")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.locator(".toast:visible")).to_contain_text("The passkey laptop signs you in from now on")
    expect(page.get_by_role("listitem").filter(has_text="laptop")).to_contain_text("on localhost; not used yet")
    picture(page, "account")
    sign_out(page)
    picture(page, "sign-in")

    security_key(False)  # somebody else's finger
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-said]")).to_contain_text("No passkey was used")
    security_key(True)
    page.evaluate(AT_A_CERTIFICATE_CLICKED_AWAY)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-said]")).to_contain_text("until it trusts the portal's certificate")
    page.evaluate("delete navigator.credentials.get")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#connection")).to_have_attribute("data-connection", "live")

    page.goto(f"{localhost}/account/")
    expect(page.get_by_role("row").filter(has_text="this one")).to_contain_text("passkey")
    page.get_by_role("button", name="Remove… laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.locator(".toast:visible")).to_contain_text("The passkey is removed")
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-said]")).to_contain_text("This passkey does not sign in here")


def test_at_an_address_the_page_says_why_there_are_no_passkeys(page, portal):
    password_step(page, f"{portal.url}/account/", "olga")
    expect(page.get_by_text("Passkeys work only under a name, not at the address 127.0.0.1")).to_be_visible()
    expect(page.get_by_role("button", name="Make a passkey")).to_have_count(0)


def test_codes_are_turned_on_asked_for_and_a_recovery_code_stands_in(page, localhost, picture):
    password_step(page, f"{localhost}/account/", "vera")
    page.get_by_role("link", name="Turn on codes").click()
    drawn = page.get_by_alt_text("QR code of the secret below").evaluate("image => image.naturalWidth")
    assert drawn > 100, "the picture is shown"
    picture(page, "codes")
    secret = page.locator("code.wrap").inner_text()
    app = pyotp.TOTP(secret)
    page.get_by_label("Code").fill(app.now())
    page.get_by_role("button", name="Turn on codes").click()
    recovery = page.locator("#recovery-codes code").all_inner_texts()
    assert len(set(recovery)) == 10
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)

    password_step(page, f"{localhost}/account/", "vera")
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".error")).to_contain_text("the portal's clock says")
    page.get_by_label("Code").fill(recovery[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("9 recovery codes left")).to_be_visible()


def test_a_session_in_another_browser_is_seen_and_ended_and_its_page_goes_to_the_sign_in(page, visit, localhost):
    elsewhere = visit("/", "olga")
    password_step(page, f"{localhost}/account/", "olga")
    theirs = page.get_by_role("row").filter(has=page.get_by_role("button", name=re.compile("^End the session")))
    expect(theirs.first).to_be_visible()
    page.get_by_role("button", name="End all others").click()
    expect(page.locator(".toast:visible")).to_contain_text("ended")
    expect(elsewhere).to_have_url(re.compile("/login/"))


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_the_pages_fit_and_can_be_used_by_keys(visit, picture, size, scheme):
    page = visit("/account/", "alice", size=size, scheme=scheme)
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(too_wide) <= 0
    if size == "phone":
        picture(page, f"account-{size}-{scheme}")
    page.goto(page.url + "codes/")
    assert page.evaluate(too_wide) <= 0
    page.goto(page.url.replace("/account/codes/", "/account/confirm/"))
    assert page.evaluate(too_wide) <= 0
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/$"))
