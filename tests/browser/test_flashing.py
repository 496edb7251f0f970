"""From an image on a person's disk to SOMs that boot it under their new names, in a real Chromium."""

import hashlib
import lzma
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.bootable import make_bootable
from tests.browser.uploading import MIB, SLOW, begin, choose_again, listed, send_at
from tests.portal import Portal, wait_for
from tests.prepared import PEOPLE
from tests.simulated import SimulatedBoard

pytestmark = [pytest.mark.browser, pytest.mark.qemu]
HERON, KESTREL, OSPREY = 2, 3, 4  # a CM4 and two CM5
NAME = "2026-11-cloud-server"
CLOUD_INIT = {"user-data": b"#cloud-config\n", "meta-data": b"instance-id: as-published\n"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal on whose board heron boots with a real boot loader; kestrel's system is played."""
    folder = tmp_path_factory.mktemp("portal")
    board = SimulatedBoard(folder / "board", scale=10.0, peers={HERON: "u-boot"})
    running = Portal(folder, board=board, people=PEOPLE)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module", params=[(64, 14), pytest.param((1024, 64), marks=pytest.mark.soak)])
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
    page.get_by_label("SSH keys").fill(KEY)
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
    picture(page, "flash-review")
    page.get_by_label("Type kestrel to go on").fill("wren")
    page.get_by_role("button", name="Flash 2 slots").click()
    expect(page.locator("#refused")).to_contain_text("Type kestrel to confirm")
    page.get_by_label("Type kestrel to go on").fill("kestrel")
    page.get_by_role("button", name="Flash 2 slots").click()
    page.wait_for_url("**/flashing/runs/*/")


def lend_hands(page: Page, portal: Portal, slot: int, picture: Callable[[Page, str], None] | None = None) -> None:
    """Hold BOOT as the page says, by simulated hands, have the line pressed, and let go of it."""
    expect(page.locator("#h-hands")).to_contain_text(f"Slot {slot}", timeout=30_000)
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


def boot_after_mains(portal: Portal, slot: int) -> None:
    """What the page asked for: only a board without power brings a CM5 out of its download mode. Then its button."""
    client = portal.session_of("olga")
    portal.board.ctl("mains-cycle")
    wait_for(lambda: client.get("/api/v1/boards/demo").json()["power_lost_at"], 20, "the loss of power to be noticed")
    client.wait_operation(client.reset(slot, "PushPowerButton").json()["id"])


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
    page.goto(f"{portal.url}/boards/demo/flashing/")
    expect(page.locator("#runs")).to_contain_text("1 done, 1 stopped")
    picture(page, "flash-runs")

    portal.session_of("olga").reset(HERON, "On")
    page.goto(f"{portal.url}/boards/demo/slots/{HERON}/console/")
    screen = page.locator(".xterm-rows").first
    expect(screen).to_contain_text("flashed storage speaks", timeout=30_000)
    expect(screen).to_contain_text(re.compile(r"hostname: \"?demo-2"))
    picture(page, "flash-booted")
    boot_after_mains(portal, KESTREL)
    page.goto(f"{portal.url}/boards/demo/slots/{KESTREL}/console/")
    expect(page.locator(".xterm-rows").first).to_contain_text("demo-3 login:", timeout=30_000)


def image_in_library(portal: Portal) -> str:
    """Any image; one that is imported if this test runs alone."""
    client = portal.session_of("alice")
    if not (found := client.get("/api/v1/images").json()["images"]):
        offered = portal.data / "var" / "import"
        offered.mkdir()
        make_bootable(offered / "small.img", CLOUD_INIT)
        client.post("/api/v1/images/import", {"path": "small.img"})
        found = wait_for(lambda: client.get("/api/v1/images").json()["images"], 30, "the image to be imported")
    return str(found[0]["id"])


@pytest.fixture
def waiting(portal: Portal) -> Iterator[str]:
    """The path of a run that waits for hands at slot 4; it is cancelled afterwards."""
    client = portal.session_of("alice")
    client.mark_off(OSPREY)
    target = {"slot": OSPREY, "method": "rpiboot", "medium": "eMMC", "typed": "osprey"}
    wish = {"image_id": image_in_library(portal), "targets": [target]}
    run = client.post("/api/v1/boards/demo/flash-runs", wish).json()
    job = run["jobs"][0]["id"]
    wait_for(lambda: client.operation(job)["progress"].startswith("waiting for somebody"), 30, "hands to be asked for")
    yield f"/boards/demo/flashing/runs/{run['id']}/"
    client.post(f"/api/v1/operations/{job}/cancel")
    client.wait_operation(job)


def fits(page: Page) -> bool:
    """Whether nothing makes the page wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_on_a_phone_hands_are_told_the_same_and_nothing_is_too_wide(visit, portal, waiting, picture):
    phone = visit(waiting, "olga", "phone", "dark")
    expect(
        phone.get_by_role("img", name=re.compile("Adapter in slot 4: BOOT button at its upper edge"))
    ).to_be_visible()
    expect(phone.get_by_role("button", name="I am holding BOOT")).to_be_visible()
    assert fits(phone)
    picture(phone, "flash-hands-phone-dark")
    image = portal.session_of("alice").get("/api/v1/images").json()["images"][0]["id"]
    chosen = f"slot=2&slot=5&image={image}&to-2=rpiboot%2FeMMC&to-5=disk%2Fdisk&profile=none"
    for step in ("", "image/", "method/", "first-boot/", "review/"):
        phone.goto(f"{portal.url}/boards/demo/flashing/new/{step}?{chosen}")
        assert fits(phone), step
        if step == "method/":
            picture(phone, "flash-method-phone-dark")
    phone.goto(f"{portal.url}/boards/demo/flashing/")
    assert fits(phone)


def test_who_has_the_button_under_the_finger_keeps_it_while_the_page_goes_on(visit, waiting):
    page = visit(waiting, "olga")
    button = page.get_by_role("button", name="I am holding BOOT")
    button.focus()
    with page.expect_response(lambda answer: waiting in answer.url and answer.ok, timeout=10_000):
        page.wait_for_timeout(100)  # it is read again by itself
    expect(button).to_be_focused()
    left = page.locator("[data-left]").inner_text()
    expect(page.locator("[data-left]")).not_to_have_text(left)


def test_a_viewer_watches_hands_without_a_button(visit, waiting, picture):
    page = visit(waiting, "vera", scheme="dark")
    expect(page.locator("#why-not")).to_contain_text("needs the role flasher")
    expect(page.locator("#usb-words")).to_contain_text("a cable alone cannot be seen")
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    picture(page, "flash-hands-dark")


def test_skipping_a_slot_before_anything_was_written_leaves_it_as_it_was(visit, waiting):
    page = visit(waiting, "olga")
    page.get_by_role("button", name="Skip slot 4").click()
    end_of(page, OSPREY, "cancelled")
    expect(page.locator("#target-4")).to_contain_text("Untouched")
    expect(page.get_by_role("button", name="Retry… slot 4")).to_be_visible()
