"""Uploads and inspections of a whole portal, with whatever is in the way killed: nothing half made, nothing lost."""

import lzma
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flows.scene import Scene
from tests.images.rig import xz_noise

API = "/api/v1/images"
MIB = 1 << 20


@pytest.fixture(scope="module")
def packed() -> bytes:
    """48 MiB in xz whose inspection takes a good second."""
    return xz_noise(24) + lzma.compress(bytes(24 * MIB), preset=0)


def inspections(scene: Scene) -> list[int]:
    """The processes that inspect for this portal."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            mine = str(scene.data).encode() in (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"check_images" in words and mine:
            found.append(int(entry.name))
    return found


def import_file(scene: Scene, name: str, data: bytes) -> str:
    """Begin an import as an operator; its id."""
    folder = scene.data / "import"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    answer = scene.client.post(f"{API}/import", {"path": name})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def image(scene: Scene, image_id: str) -> dict[str, Any] | None:
    answer = scene.client.get(f"{API}/{image_id}")
    return dict(answer.json()) if answer.status_code == 200 else None


def stored(scene: Scene, image_id: str) -> Path:
    return scene.data / "images" / "library" / f"{image_id.replace('-', '')}.img"


def test_an_inspection_that_is_killed_begins_anew_and_keeps_the_whole_file(scene: Scene, packed: bytes):
    image_id = import_file(scene, "killed.img.xz", packed)
    scene.catch(lambda: inspections(scene), "an inspection")
    os.kill(inspections(scene)[0], signal.SIGKILL)

    scene.catch(lambda: image(scene, image_id), "the next inspection to end")

    assert stored(scene, image_id).read_bytes() == packed
    assert list((scene.data / "images" / "incoming").iterdir()) == []


def test_a_worker_that_is_killed_takes_its_inspection_with_it_and_the_next_one_ends_it(scene: Scene, packed: bytes):
    image_id = import_file(scene, "orphan.img.xz", packed + b"\0" * 4)  # another file; xz allows that padding
    scene.catch(lambda: inspections(scene), "an inspection")
    first = inspections(scene)[0]
    scene.portal.kill("worker")

    scene.catch(lambda: image(scene, image_id), "the next worker's inspection to end")

    scene.wait(lambda: first not in inspections(scene), "the first one to be gone", 2)  # it may just be leaving
    assert stored(scene, image_id).stat().st_size == len(packed) + 4


@pytest.mark.quiet  # it measures how quick
def test_power_is_as_quick_during_an_inspection(scene: Scene, packed: bytes):
    """The inspection is another process, and gives way."""
    image_id = import_file(scene, "beside.img.xz", packed + b"\0" * 8)
    scene.catch(lambda: inspections(scene), "an inspection")
    began = time.monotonic()
    scene.ask(2, "ForceRestart")
    low = scene.wait_edge(2, 0, began)
    assert low - began < 2.0
    scene.catch(lambda: image(scene, image_id), "the inspection to end")
