"""Signing in as people do: with a password, a code, a passkey; and seeing where one is signed in."""

import re
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import WIDTHS
from tests.prepared import PASSWORD

pytestmark = pytest.mark.browser


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
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#connection")).to_have_attribute("data-connection", "live")

    page.goto(f"{localhost}/account/")
    expect(page.get_by_role("row").filter(has_text="this one")).to_contain_text("passkey")
    page.get_by_role("button", name="Remove laptop").click()
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
