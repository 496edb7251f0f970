"""What counts in the end: an image that was uploaded, flashed and told a slot's own name is booted from that slot's
storage by a boot loader that nobody here wrote, and says so in the console."""

import io
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest
from tusclient.client import TusClient

from tests.bootable import make_bootable
from tests.console import Console
from tests.flows.flashes import Flashes
from tests.flows.scene import Scene
from tests.simulated import SimulatedBoard

CM4 = 2
CLOUD_INIT = {"user-data": b"#cloud-config\n# the image's own\n", "meta-data": b"instance-id: image\n"}

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("boots")
    scene = Scene(folder, board=SimulatedBoard(folder / "board", scale=10.0, peers={CM4: "u-boot"}))
    try:
        scene.start()
        yield scene
    finally:
        scene.close()


def upload(scene: Scene, image: Path) -> str:
    """Packed, by tuspy; the image's id once it is in the library."""
    cookies = "; ".join(f"{name}={value}" for name, value in scene.client.http.cookies.items())
    headers = {"Cookie": cookies, "X-CSRFToken": scene.client.csrf()}
    client = TusClient(f"{scene.portal.url}/api/v1/images/uploads", headers=headers)
    packed = io.BytesIO(lzma.compress(image.read_bytes(), preset=1))
    uploader = client.uploader(file_stream=packed, chunk_size=8 << 20, metadata={"filename": "lab.img.xz"})
    uploader.upload()
    image_id = str(uploader.url).rstrip("/").rpartition("/")[2]
    scene.wait(lambda: scene.client.get(f"/api/v1/images/{image_id}").status_code == 200, "the image")
    return image_id


def make_profile(scene: Scene) -> int:
    form = {
        "name": "Lab",
        "hostname_template": "{board}-{slot}",
        "user": "anna",
        "ssh_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk",
    }
    answer = scene.client.http.post("/flashing/profiles/new", data=form | {"csrfmiddlewaretoken": scene.client.csrf()})
    assert answer.status_code == 302, answer.text
    return int(scene.rows("SELECT id FROM flashing_profile")[0]["id"])


def test_a_real_boot_loader_boots_what_the_portal_flashed_under_the_slots_own_name(
    scene: Scene, tmp_path: Path
) -> None:
    flashes = Flashes(scene)
    image_id = upload(scene, make_bootable(tmp_path / "lab.img", CLOUD_INIT))
    target = {"slot": CM4, "method": "rpiboot", "medium": "eMMC", "typed": flashes.name(CM4)}
    flashes.make_off(CM4)
    wish = {"image_id": image_id, "profile_id": make_profile(scene), "targets": [target]}
    answer = scene.client.post("/api/v1/boards/demo/flash-runs", wish)
    assert answer.status_code == 202, answer.text
    job = str(answer.json()["jobs"][0]["id"])
    flashes.hold_boot(CM4, job)
    ended = flashes.wait_ended(job)
    assert (ended["state"], ended["contents"], ended["hostname"]) == ("succeeded", "image", f"demo-{CM4}")

    with Console(scene.client, CM4) as console:
        console.skip_history()
        scene.do(CM4, "On")
        console.until("flashed storage speaks")
        console.until(f"hostname: demo-{CM4}")
        assert b"anna@desk" in console.until("anna@desk")
    scene.do(CM4, "ForceOff", accept_stranding=True)
