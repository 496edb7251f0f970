"""From an image on a person's disk to SOMs that boot it under their new names, in a real Chromium."""

import hashlib
import lzma
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.bootable import make_bootable
from tests.browser.uploading import MIB, SLOW, begin, choose_again, listed, send_at
from tests.portal import Portal

pytestmark = pytest.mark.browser
HERON, KESTREL = 2, 3  # a CM4 and a CM5
NAME = "2026-11-cloud-server"
CLOUD_INIT = {"user-data": b"#cloud-config\n", "meta-data": b"instance-id: as-published\n"}
Visit = Callable[..., Page]


@pytest.fixture(scope="module", params=[(96, 14), pytest.param((1024, 64), marks=pytest.mark.soak)])
def image_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed disk image that boots, of so many MiB, of which so many do not pack; with its checksum file."""
    size, random_size = request.param
    folder = tmp_path_factory.mktemp("image")
    noise = random.Random(4).randbytes(random_size * MIB)
    raw = make_bootable(folder / "raw", {**CLOUD_INIT, "noise.bin": noise}, size_mib=size)
    path = folder / f"{NAME}.img.xz"
    path.write_bytes(lzma.compress(raw.read_bytes(), preset=0))
    raw.unlink()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
    return path


def slow_disks(portal: Portal, mb_per_second: float) -> None:
    for slot in (HERON, KESTREL):
        portal.board.ctl("fault", "disk-slow", slot, mb_per_second)


def upload(page: Page, file: Path) -> None:
    """Bring an image in, with a reload half-way."""
    send_at(page, SLOW)
    row = begin(page, file, file.with_name(f"{file.name}.sha256"))
    expect(row).to_contain_text(re.compile(r"Receiving\s*(9|1\d)\.?\d* MB of"))
    page.reload()
    expect(row).to_contain_text("Waiting for its file")
    send_at(page, -1)
    choose_again(page, file)
    listed(page, NAME)


def make_profile(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/flashing/profiles/new")
    page.get_by_label("Name", exact=True).fill("lab-node")
    page.get_by_label("Host name").fill("{board}-{slot}")
    page.get_by_label("User", exact=True).fill("lab")
    page.get_by_label("Password", exact=True).fill("a password of seven words is enough here")
    page.get_by_role("button", name=re.compile("Keep|Make|Create")).click()
    expect(page.get_by_role("main")).to_contain_text("lab-node")


def choose_all(page: Page, portal: Portal, picture: Callable[[Page, str], None]) -> None:
    """Through the wizard, from the image's page to its review."""
    page.goto(f"{portal.url}/images/")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("link", name="Flash…").click()
    page.get_by_label("2 heron").check()
    page.get_by_label("3 kestrel").check()
    picture(page, "flash-slots")
    page.get_by_role("button", name="Next: method").click()
    expect(page.locator("#to-2-rpiboot-1")).to_be_checked()
    picture(page, "flash-method")
    page.get_by_role("button", name="Next: first boot").click()
    page.get_by_label("lab-node").check()
    expect(page.get_by_role("main")).to_contain_text("slot 2 becomes demo-2, slot 3 becomes demo-3")
    picture(page, "flash-first-boot")
    page.get_by_role("button", name="Next: review").click()
    expect(page.get_by_role("main")).to_contain_text("All that is on these media now is lost.")


def confirm(page: Page, picture: Callable[[Page, str], None]) -> None:
    page.get_by_label("Type heron to go on").fill("heron")
    page.get_by_label("Type kestrel to go on").fill("wren")
    page.get_by_role("button", name="Flash 2 slots").click()
    expect(page.locator("#refused")).to_contain_text("Type kestrel to confirm")
    page.get_by_label("Type kestrel to go on").fill("kestrel")
    picture(page, "flash-review")
    page.get_by_role("button", name="Flash 2 slots").click()
    page.wait_for_url("**/flashing/runs/*/")


def lend_hands(page: Page, portal: Portal, slot: int, picture: Callable[[Page, str], None] | None = None) -> None:
    """Hold BOOT as the page says, by simulated hands, have the line pressed, and let go of it."""
    expect(page.locator("#h-hands")).to_contain_text(f"Slot {slot}")
    expect(page.locator("#usb-words")).to_contain_text("a cable alone cannot be seen")
    if picture:
        picture(page, "flash-hands")
    page.get_by_role("button", name="Simulated hands").click()
    page.get_by_role("button", name=f"I am holding BOOT: press slot {slot}’s line").click()
    # In this fast a world the step in which they let go of it may be over before anybody reads it.
    portal.board.wait_for(lambda: portal.board.slot(slot)["boot"] in ("boot-rom", "usb-storage"))
    portal.board.ctl("boot-button", slot, "release")


def end_of(page: Page, slot: int, outcome: str) -> None:
    expect(page.locator(f"#target-{slot}")).to_have_attribute("data-outcome", outcome, timeout=60_000)


def log_numbers(page: Page) -> list[str]:
    return page.locator("#flash-log-lines > li > span:first-child").all_inner_texts()


def test_two_soms_get_an_image_and_boot_under_their_new_names(
    visit: Visit, portal: Portal, image_file: Path, picture: Callable[[Page, str], None]
):
    page = visit("/images/", "olga")
    upload(page, image_file)
    make_profile(page, portal)
    for slot in (HERON, KESTREL):
        portal.session_of("alice").mark_off(slot)
    slow_disks(portal, 0.5)

    choose_all(page, portal, picture)
    confirm(page, picture)
    run = page.url
    lend_hands(page, portal, HERON, picture)
    lend_hands(page, portal, KESTREL)

    for slot in (HERON, KESTREL):
        expect(page.locator(f"#target-{slot}")).to_contain_text(re.compile(r"Writing\s*[\d.]+ MB of [\d.]+ [MG]B"))
        expect(page.locator(f"#target-{slot} .eta")).to_contain_text(re.compile(r"\d+:\d\d left"))
    picture(page, "flash-writing")
    before = log_numbers(page)
    page.reload()
    assert log_numbers(page)[: len(before)] == before, "the log goes on where it was"
    page.get_by_role("button", name="Cancel slot 2").click()
    end_of(page, HERON, "cancelled")
    expect(page.locator("#target-2")).to_contain_text("Contents unknown")
    expect(page.locator("#target-3")).to_have_attribute("data-outcome", "running")
    picture(page, "flash-cancelled")

    page.get_by_role("button", name="Retry… slot 2").click()
    page.get_by_label("Type heron to go on").fill("heron")
    portal.board.ctl("clear")
    page.get_by_role("button", name="Flash slot 2 again").click()
    page.wait_for_url(lambda url: "/flashing/runs/" in url and url != run)
    lend_hands(page, portal, HERON)
    end_of(page, HERON, "succeeded")
    expect(page.locator("#target-2")).to_contain_text("Verified")
    page.goto(run)
    end_of(page, KESTREL, "succeeded")
    picture(page, "flash-done")

    portal.session_of("olga").reset(HERON, "On")
    page.goto(f"{portal.url}/boards/demo/slots/{HERON}/console/")
    expect(page.locator(".xterm-rows").first).to_contain_text("demo-2 login:", timeout=30_000)
    picture(page, "flash-booted")
