"""An image from a person's disk into the library, in a real Chromium: uploaded, reloaded half-way, gone on with."""

import hashlib
import lzma
import random
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.uploading import MIB, SLOW, begin, choose_again, listed, send_at
from tests.images.rig import raw_image, xz_noise

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of 32 MiB with 20 that do not pack: two chunks and a half. With its checksum file."""
    path = tmp_path_factory.mktemp("images") / "2026-11-raspios-lite.img.xz"
    path.write_bytes(lzma.compress(raw_image(32)[: 2 * MIB]) + xz_noise(20) + lzma.compress(bytes(10 * MIB)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
    return path


def noise(path: Path, size_mib: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(random.Random(str(path)).randbytes(size_mib * MIB))
    return path


def test_an_upload_survives_a_reload_half_way_and_ends_in_the_library(visit, portal, image_file, picture):
    page = visit("/images/", "olga")
    expect(page.locator("#library")).to_contain_text("No image yet")
    send_at(page, SLOW)
    row = begin(page, image_file, image_file.with_name(image_file.name + ".sha256"))
    expect(row).to_contain_text(re.compile(r"Receiving\s*(9|1\d)\.?\d* MB of 21.2 MB"))
    expect(row).to_contain_text(re.compile(r"MB/s"))
    picture(page, "upload")

    page.reload()

    expect(row).to_contain_text("Waiting for its file")
    expect(row).to_contain_text("8.39 MB of 21.2 MB")
    sent: list[int] = []
    page.on("request", lambda one: sent.append(int(one.headers["upload-offset"])) if one.method == "PATCH" else None)
    send_at(page, -1)
    choose_again(page, image_file)

    listed(page, "2026-11-raspios-lite")
    expect(page.locator("#uploads")).to_be_hidden()
    assert sent == [8 * MIB, 16 * MIB], "from the last chunk that the portal has, each once"
    expect(page.locator("#room")).to_contain_text("1 image, 21.2 MB of")
    picture(page, "images")
    page.get_by_role("link", name="2026-11-raspios-lite").click()
    expect(page.get_by_role("main")).to_contain_text("as was given")
    expect(page.get_by_role("row", name=re.compile("bootfs"))).to_contain_text("boot partition")
    expect(page.get_by_role("main")).to_contain_text("33.6 MB (33554432 bytes)")
    picture(page, "image")


def test_a_file_with_the_same_name_that_is_another_is_not_mixed_in(visit, portal, tmp_path):
    page = visit("/images/", "olga")
    send_at(page, SLOW)
    row = begin(page, noise(tmp_path / "pi.img", 12))
    expect(row).to_contain_text("Receiving")
    page.reload()
    expect(row).to_contain_text("Waiting for its file")

    choose_again(page, noise(tmp_path / "other" / "pi.img", 11))

    expect(page.locator("#toasts")).to_contain_text("This is another file than the pi.img that was begun")
    expect(row).to_contain_text("Waiting for its file")
    page.get_by_role("button", name="Give up the upload of pi.img").click()
    expect(page.locator("#uploads")).to_be_hidden()
    assert list((portal.data / "var" / "images" / "incoming").iterdir()) == []


def test_an_upload_goes_on_by_itself_when_the_portal_comes_back(visit, portal, tmp_path):
    page = visit("/images/", "olga")
    send_at(page, SLOW)
    row = begin(page, noise(tmp_path / "back-again.img", 20))
    expect(row).to_contain_text(re.compile(r"Receiving\s*(9|1\d)\.?\d* MB of 21 MB"))

    portal.kill("web")

    expect(row).to_contain_text("The portal cannot be reached.")
    send_at(page, -1)
    listed(page, "back-again")


def test_an_upload_can_be_paused_and_go_on(visit, portal, tmp_path):
    page = visit("/images/", "olga")
    send_at(page, SLOW)
    row = begin(page, noise(tmp_path / "paused.img", 12))
    page.get_by_role("button", name="Pause the upload of paused.img").click()
    expect(row).to_contain_text("Paused")
    send_at(page, -1)
    page.get_by_role("button", name="Go on with the upload of paused.img").click()
    listed(page, "paused")


def test_a_refused_image_says_why_to_everybody_until_it_is_put_away(visit, portal, image_file, tmp_path, picture):
    cut = tmp_path / "cut.img.xz"
    cut.write_bytes(image_file.read_bytes()[: 3 * MIB])
    olga, vera = visit("/images/", "olga"), visit("/images/", "vera")
    begin(olga, cut)

    for page in (olga, vera):
        expect(page.locator("#uploads")).to_contain_text("Nothing was kept.", timeout=60_000)
        expect(page.locator("#uploads")).to_contain_text("code image-truncated")
    picture(olga, "upload-refused")
    expect(vera.get_by_role("button", name="Dismiss")).to_have_count(0)
    olga.locator("#uploads").get_by_role("button", name="Dismiss").click()
    expect(olga.locator("#uploads")).to_be_hidden()


def test_the_pages_have_room_on_a_phone(visit, portal):
    page = visit("/images/", "olga", size="phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("#library").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
