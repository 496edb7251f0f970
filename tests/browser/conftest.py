"""A whole portal per module and a real Chromium: what a person does, and what the board's lines do then."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

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
    """A running portal with alice (administrator), bob (operator), olga (flasher), nora (network engineer) and
    vera (viewer)."""
    running = Portal(tmp_path_factory.mktemp("portal"), people=PEOPLE)
    try:
        running.start()
        yield running
    finally:
        running.close()


class Visits:
    """Browsers of a module's portal, each kept with what it has fetched, and the pages that a test has open in them."""

    def __init__(self, chromium: Browser, portal: Portal) -> None:
        self._chromium, self._portal = chromium, portal
        self._browsers: dict[tuple[str, str, str], BrowserContext] = {}
        self._complaints: list[str] = []

    def __call__(self, path: str, name: str = "alice", size: str = "desktop", scheme: str = "light") -> Page:
        browser = self._browser(name, size, scheme)
        client = self._portal.session_of(name)
        browser.clear_cookies()
        browser.add_cookies([{"name": k, "value": v, "url": self._portal.url} for k, v in client.http.cookies.items()])
        page = browser.new_page()
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("console", self._heard)
        page.goto(self._portal.url + path)
        expect(page.locator("#connection")).to_have_attribute("data-connection", "live")
        return page

    def end_test(self) -> None:
        """Close the pages, of which nothing stays behind for the next test but what its browser has fetched."""
        for browser in self._browsers.values():
            for page in browser.pages:  # shown with a failed test
                print(page.url, page.locator(".refusal, .toast, #lost:not([hidden])").all_inner_texts())
            for page in [page for page in browser.pages if page.url.startswith(self._portal.url)][:1]:
                page.evaluate("localStorage.clear()")
            for page in browser.pages:
                page.close()
            browser.clear_permissions()
        complaints, self._complaints = self._complaints, []
        assert not complaints

    def close(self) -> None:
        for browser in list(self._browsers.values()):
            browser.close()

    def _browser(self, name: str, size: str, scheme: str) -> BrowserContext:
        if (name, size, scheme) not in self._browsers:
            width, height = WIDTHS[size]
            self._browsers[name, size, scheme] = browser = self._chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            browser.on("close", lambda: self._browsers.pop((name, size, scheme), None))
        return self._browsers[name, size, scheme]

    def _heard(self, line: ConsoleMessage) -> None:
        if "Content Security Policy" in line.text:
            self._complaints.append(line.text)


@pytest.fixture(scope="module")
def _visits(chromium: Browser, portal: Portal) -> Iterator[Visits]:
    visits = Visits(chromium, portal)
    yield visits
    visits.close()


@pytest.fixture
def visit(_visits: Visits, portal: Portal) -> Iterator[Visits]:
    """`visit(path, name)`: a page of the portal in a browser of that person's, signed in. A page that breaks its
    content security policy, or whose scripts fail, fails the test."""
    yield _visits
    print(portal.log()[-1500:])
    _visits.end_test()


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
