"""Uploads by hand in a browser, for the tests that need an image in the library."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

MIB = 1 << 20
SLOW = 6 * MIB  # bytes per second: a chunk takes longer than a person needs to reload


def send_at(page: Page, bytes_per_second: int) -> None:
    """How fast the browser's network takes what it sends; -1 for as fast as it can."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    session.send("Network.emulateNetworkConditions", conditions)


def begin(page: Page, *files: Path) -> Locator:
    """Begin an upload by hand; its row."""
    page.get_by_role("button", name="Upload image…").click()
    page.locator("#u-files").set_input_files([str(file) for file in files])
    page.get_by_role("dialog").get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    return page.locator("#uploads li").filter(has_text=files[0].name)


def listed(page: Page, name: str) -> None:
    """Wait for the image in the list; with the pointer elsewhere, since nothing moves under it."""
    page.mouse.move(1, 1)
    expect(page.locator("#library")).to_contain_text(name, timeout=60_000)


def choose_again(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Choose the file again").click()
    chosen.value.set_files(str(file))
