"""In a browser: somebody is invited, gets one slot for a day, and finds nothing else; why not is said."""

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
NEW_PASSWORD = "a kestrel in slot seven"


def invited(page: Page, name: str, role: str, where: str) -> str:
    """Invite somebody; the link that they are given."""
    page.get_by_role("link", name="Invite").click()
    form = page.get_by_role("region", name="By a link")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Role").select_option(role)
    form.get_by_label("On").select_option(where)
    form.get_by_role("button", name="Invite").click()
    return page.get_by_label("Shown only now").input_value()


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


def test_whoever_is_given_one_slot_finds_that_slot_and_loses_it_again(visit, newcomer, picture, portal):
    alice = visit("/people/")
    link = invited(alice, "carol", "operator", "demo/slot:3")
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

    alice.goto(f"{portal.url}/people/?who=carol&act=flash&where=demo/slot:3")
    why = "Flashing slot 3 needs the role flasher there; carol is operator on slot 3."
    expect(alice.locator("#answer")).to_contain_text(why)
    picture(alice, "people")

    alice.get_by_role("link", name="Change carol").click()
    picture(alice, "person")
    alice.get_by_role("button", name="Take away operator on slot 3 of demo").click()
    expect(alice.get_by_text("carol is no longer operator on slot 3 of demo")).to_be_visible()
    expect(carol.get_by_role("heading", name="Not here")).to_be_visible()  # the open page goes by itself
    assert carol.goto(f"{portal.url}/boards/demo/").status == 404
    carol.goto(f"{portal.url}/account/rights/")
    expect(carol.get_by_text("No board yet")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_people_fit_a_phone(visit, picture, portal, scheme):
    phone = visit("/people/", size="phone", scheme=scheme)
    for path in ("/people/", "/people/new/", "/people/groups/", "/people/1/", "/account/rights/"):
        phone.goto(f"{portal.url}{path}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 375, path
    phone.goto(f"{portal.url}/people/")
    if scheme == "dark":
        picture(phone, "people-phone-dark")
