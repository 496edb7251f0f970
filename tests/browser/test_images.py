"""Images and first-boot profiles in a real Chromium: uploads that are interrupted and go on, by the pages and by the
clients of others; what a profile may say."""

import hashlib
import lzma
import random
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.browser import tus_js
from tests.browser.uploading import MIB, SLOW, begin, choose_again, listed, send_at
from tests.images.rig import raw_image, xz_noise
from tests.portal import wait_for

pytestmark = pytest.mark.browser
API = "/api/v1/images"
CHUNK = 8 << 20
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
NETWORK = """network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: DE
      access-points:
        lab:
          password: correct horse
"""


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of 32 MiB with 20 that do not pack: two chunks and a half. With its checksum file."""
    path = tmp_path_factory.mktemp("images") / "2026-11-raspios-lite.img.xz"
    path.write_bytes(lzma.compress(raw_image(32)[: 2 * MIB]) + xz_noise(20) + lzma.compress(bytes(10 * MIB)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
    return path


def noise(path: Path, size_mib: int, more_bytes: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(random.Random(str(path)).randbytes(size_mib * MIB + more_bytes))
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


# Clients of the upload protocol that nobody here wrote: tuspy, and tus-js-client


@pytest.fixture
def client(portal):
    return portal.session_of("olga")


def tuspy(portal, client) -> TusClient:
    """tuspy with the session of a person."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
    return TusClient(f"{portal.url}{API}/uploads", headers={"Cookie": cookies, "X-CSRFToken": client.csrf()})


def kept(portal, client, url: str) -> bytes:
    """The image that an upload became, as it lies in the library."""
    image_id = url.rpartition("/")[2]
    wait_for(lambda: client.get(f"{API}/{image_id}").status_code == 200, 60, "the inspection to end")
    name = f"{image_id.replace('-', '')}.img"
    return (portal.data / "var" / "images" / "library" / name).read_bytes()


def test_tuspy_uploads_with_checksums_and_goes_on_where_the_killed_portal_was(portal, client, tmp_path):
    file = noise(tmp_path / "tuspy.img", 16, 12345)
    more: dict[str, Any] = {"chunk_size": CHUNK, "metadata": {"filename": file.name}, "upload_checksum": True}
    first = tuspy(portal, client).uploader(str(file), **more)
    first.upload(stop_at=CHUNK)
    portal.kill("web")
    wait_for(portal.healthy, 30, "the portal to be back")

    second = tuspy(portal, client).uploader(str(file), url=first.url, **more)
    assert second.offset == CHUNK
    second.upload()

    assert kept(portal, client, first.url) == file.read_bytes()


def test_tuspy_is_told_that_there_is_no_room(portal, client, tmp_path):
    file = tmp_path / "huge.img"
    with open(file, "wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(TusCommunicationError) as refused:
        tuspy(portal, client).uploader(str(file), chunk_size=CHUNK, metadata={"filename": file.name}).upload_chunk()
    assert refused.value.status_code == 422
    assert b"has room for" in refused.value.response_content


UPLOAD = """
([size, stopAfter, url]) => new Promise((resolve, reject) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 4) bytes[at] = (at / 4) % 251;
  const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
  const upload = new tus.Upload(new File([bytes], "tus-js.img"), {
    endpoint: "/api/v1/images/uploads",
    uploadUrl: url,
    chunkSize: 8 * 1024 * 1024,
    retryDelays: [0, 500, 1000, 2000, 4000],
    metadata: { filename: "tus-js.img" },
    headers: { "X-CSRFToken": token },
    onError: reject,
    onSuccess: () => resolve(upload.url),
    onChunkComplete: (_size, accepted) => {
      if (stopAfter && accepted >= stopAfter) upload.abort().then(() => resolve(upload.url));
    },
  });
  upload.start();
})
"""


def test_tus_js_client_uploads_stops_and_goes_on_after_a_reload(visit, portal, client):
    size = 2 * CHUNK + 4321
    page = visit("/account/", "olga")
    page.evaluate(tus_js.script())
    url = page.evaluate(UPLOAD, [size, CHUNK, None])
    upload = client.get(url.removeprefix(portal.url)).json()
    assert upload["received_bytes"] >= CHUNK
    assert upload["state"] == "receiving"

    page.reload()
    page.evaluate(tus_js.script())
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.headers["upload-offset"]) if one.method == "PATCH" else None)
    page.evaluate(UPLOAD, [size, 0, url])

    assert sent[0] == str(upload["received_bytes"])
    expected = bytearray(size)
    expected[::4] = bytes((at % 251) for at in range(len(expected[::4])))
    assert kept(portal, client, url) == bytes(expected)


# First-boot profiles: what is refused stays as it was typed, what is kept is masked


def write(page: Page, timezone: str) -> None:
    page.get_by_label("Name", exact=True).fill("Lab")
    page.get_by_label("Host name").fill("{board}-{slot}")
    page.get_by_label("Time zone").fill(timezone)
    page.get_by_label("User", exact=True).fill("anna")
    page.get_by_label("Password").fill("Kaese & Brot")
    page.get_by_label("SSH keys").fill(KEY)
    page.get_by_label("Network settings").fill(NETWORK)


def test_a_profile_is_refused_mended_kept_and_deleted(visit, picture):
    page = visit("/flashing/profiles/", "olga")
    expect(page.get_by_text("No profile yet")).to_be_visible()
    page.get_by_role("link", name="New profile").click()
    write(page, "Mars/Olympus")
    page.get_by_role("button", name="Keep this profile").click()
    refused = page.locator("#refused .refusal")
    expect(refused).to_contain_text("“Mars/Olympus” is no time zone")
    expect(page.get_by_label("Password")).to_have_value("Kaese & Brot")
    expect(page.get_by_label("Network settings")).to_have_value(NETWORK)
    expect(refused.get_by_text("not repeated here")).to_have_count(0)

    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("button", name="Keep this profile").click()
    expect(page.get_by_role("heading", level=1, name="Lab")).to_be_visible()
    expect(page.locator("#preview")).to_contain_text("hostname: lab-3")
    expect(page.locator("#preview")).not_to_contain_text("correct horse")
    expect(page.get_by_role("textbox", name="Network settings")).to_have_value("")
    picture(page, "flash-profile")
    page.get_by_label("Kind of system").select_option("custom-toml")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#preview h3")).to_have_text("custom.toml")

    phone = visit(page.url.removeprefix(page.url.split("/flashing")[0]), "vera", "phone", "dark")
    expect(phone.get_by_label("User", exact=True)).to_be_disabled()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    picture(phone, "flash-profile-phone")
    phone.get_by_label("Path").get_by_role("link").click()
    expect(phone.get_by_role("table")).to_contain_text("1 SSH key")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete profile").click()
    expect(page.get_by_text("No profile yet")).to_be_visible()
