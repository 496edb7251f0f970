"""A whole portal per module and a real Chromium: what a person does, and what the board's lines do then."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.portal import Portal
from tests.prepared import PASSWORD, PEOPLE

pytestmark = pytest.mark.browser
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = {"phone": (375, 812), "desktop": (1440, 900)}

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for each module and not for the session: as long as Playwright runs, its event loop counts as running, and
    no asynchronous test could begin."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A running portal with alice (administrator), olga (flasher), nora (network engineer) and vera (viewer)."""
    running = Portal(tmp_path_factory.mktemp("portal"), people=PEOPLE)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def visit(chromium: Browser, portal: Portal) -> Iterator[Callable[..., Page]]:
    """`visit(path, name)`: a page of the portal in a browser of its own, signed in as that person. A page that breaks
    its content security policy, or whose scripts fail, fails the test."""
    contexts, complaints = [], []

    def open_page(path: str, name: str = "alice", size: str = "desktop", scheme: str = "light") -> Page:
        width, height = WIDTHS[size]
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        client = portal.session_of(name)
        context.add_cookies([{"name": k, "value": v, "url": portal.url} for k, v in client.http.cookies.items()])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None
        )
        page.goto(portal.url + path)
        expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:  # shown with a failed test
            print(page.url, page.locator(".refusal, .toast, #lost:not([hidden])").all_inner_texts())
        context.close()
    print(portal.log()[-1500:])
    assert not complaints


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keep a screenshot for the documentation, when SCREENSHOTS=1 asks for it."""

    def keep(page: Page, name: str) -> None:
        if os.environ.get("SCREENSHOTS") == "1":
            IMAGES.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=IMAGES / f"{name}.png", caret="initial")  # hiding it would need an inline style

    return keep


@pytest.fixture
def sign_in() -> Callable[[Page, str], None]:
    def by_hand(page: Page, name: str) -> None:
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()

    return by_hand
