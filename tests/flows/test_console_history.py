"""What a real Linux says at night is recorded with nobody watching, found by a search, and downloaded."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.consoles.test_export import check_cast, output
from tests.flows.scene import Scene
from tests.portal import wait_for
from tests.simulated import SimulatedBoard

LINUX = 2
API = "/api/v1/boards/demo"

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("history")
    scene = Scene(folder, board=SimulatedBoard(folder / "board", scale=10.0, peers={LINUX: "linux"}))
    try:
        scene.start()
        yield scene
    finally:
        scene.close()


def get(scene: Scene, path: str) -> Any:
    answer = scene.client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def evidence(scene: Scene) -> str:
    found = [row["value"] for row in get(scene, f"/slots/{LINUX}")["power"]["evidence"] if row["kind"] == "stage"]
    return found[0] if found else ""


def test_a_boot_that_nobody_watched_is_evidence_found_by_a_search_and_replayed(scene: Scene) -> None:
    scene.do(LINUX, "On")
    wait_for(lambda: "login prompt seen; boot took" in evidence(scene), 60, "a login prompt as evidence")
    assert evidence(scene) in scene.client.get(f"/boards/demo/slots/{LINUX}/").text
    assert "Login prompt seen" in scene.client.get(f"/boards/demo/slots/{LINUX}/history/").text

    recording = get(scene, f"/slots/{LINUX}/recordings")
    assert [marker["detail"]["stage"] for marker in recording["markers"]] == ["kernel", "login"]
    (hit,) = get(scene, "/recordings/search?q=BOOTING linux on physical")["hits"]
    assert hit["slot"] == LINUX
    replayed = get(scene, f"/slots/{LINUX}/recordings/data?from={hit['at']}".replace("+", "%2B"))
    assert replayed["records"]

    text = scene.client.get(f"{API}/slots/{LINUX}/recordings/download").text
    events = check_cast(scene.client.get(f"{API}/slots/{LINUX}/recordings/download?format=cast").content)
    assert "Run /init as init process\n" in text
    assert output(events).replace("\r\n", "\n").startswith("[    0.000000] Booting Linux on physical CPU")
    assert events[-1][0] > 0.5, "with its real timing"


def test_a_daemon_that_is_killed_leaves_the_recording_whole_and_the_next_goes_on(scene: Scene) -> None:
    wait_for(lambda: "login prompt" in evidence(scene), 60, "a login prompt as evidence")
    before = scene.client.get(f"{API}/slots/{LINUX}/recordings/download").text
    scene.portal.kill("consoled")
    wait_for(scene.portal.healthy, 30, "the daemon to be back")
    scene.do(LINUX, "ForceRestart")
    wait_for(lambda: said(scene).count("Run /init as init process") == 2, 60, "another boot in the recording")
    assert said(scene).startswith(before.rstrip("\n"))


def said(scene: Scene) -> str:
    return scene.client.get(f"{API}/slots/{LINUX}/recordings/download").text
