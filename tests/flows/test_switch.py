"""A table that cuts its author off comes back by itself, whatever of the portal is dead meanwhile."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.flows.scene import Scene, running

SWITCH = "/api/v1/boards/demo/switch"
CONTROLLER, SLOT_2, UPLINK = 7, 6, 8  # switch ports
SECONDS = 60  # of the portal's time: 6 s


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A portal whose administrator has scanned the switch and given slots 2 and 3 a VLAN of their own."""
    with running(tmp_path_factory.mktemp("switch"), scale=10.0) as scene:
        for port in (SLOT_2, 5, UPLINK):
            scene.board("link", port, 1000)
        start_closed(scene)
        ended(scene, post(scene, "/scan")["id"])
        home = {
            "management_vid": 1,
            "vlans": [
                {"vid": 1, "name": "management", "untagged": [1, 4, "uplink"]},
                {"vid": 10, "name": "lab", "untagged": [2, 3]},
            ],
        }
        change = commit(scene, home, ["uplink-changes", "controller-changes", "pages-change"])
        until(scene, "awaiting")
        assert post(scene, "/confirm", status=200)["number"] == 1
        ended(scene, change["operation"]["id"])
        yield scene


def start_closed(scene: Scene) -> None:
    """Resets the switch into a table that is closed: closing 4,096 entries is tried elsewhere and takes its time."""
    scene.board("assume", "table-reset", "closed")
    scene.board("fault", "switch-resets", 0, 1)
    scene.client.get(f"{SWITCH}/ports")  # any look at the chip sets it off
    scene.wait(lambda: scene.board("state")["links"][str(UPLINK)] == 1000, "the switch to be up again")


def post(scene: Scene, path: str, body: Any = None, status: int = 202) -> Any:
    answer = scene.client.post(f"{SWITCH}{path}", body)
    assert answer.status_code == status, answer.text
    return answer.json()


def known(scene: Scene) -> dict[str, Any]:
    return dict(scene.client.get(SWITCH).json())


def commit(scene: Scene, table: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A change as far as its commit, to be undone after six seconds."""
    answer = scene.client.http.put(
        f"{SWITCH}/vlans", json=table, headers={"X-CSRFToken": scene.client.csrf(), "If-Match": "*"}
    )
    assert answer.status_code == 200, answer.text
    plan = post(scene, "/plan", status=200)
    wish = {"fingerprint": plan["fingerprint"], "overrides": overrides, "revert_after_seconds": SECONDS}
    return dict(post(scene, "/commit", wish))


def until(scene: Scene, state: str) -> None:
    query = "SELECT state FROM switch_vlanchange ORDER BY number DESC LIMIT 1"
    scene.wait(lambda: [row["state"] for row in scene.rows(query)] == [state], f"the change to be {state}", 60)


def ended(scene: Scene, operation: str) -> None:
    assert scene.wait_ended(operation, 60)["state"] == "succeeded", scene.rows.log(operation)


def reach(scene: Scene, port: int) -> set[str]:
    """Behind what a frame without a tag leaves the switch."""
    return {one["behind"] for one in scene.board("frame", port, "--untagged")}


def cut(scene: Scene) -> None:
    """A table without the uplink in the management VLAN, forced, up to where the uplink is cut off."""
    table = scene.client.get(f"{SWITCH}/vlans").json()
    table["vlans"][0]["untagged"], table["vlans"][1]["untagged"] = [1, 4], [2, 3, "uplink"]
    commit(scene, {key: table[key] for key in ("management_vid", "vlans")}, ["uplink-cut", "uplink-changes"])
    until(scene, "awaiting")
    assert "slot 1" not in reach(scene, UPLINK)


def assert_as_before(scene: Scene) -> None:
    assert "slot 1" in reach(scene, UPLINK)
    assert reach(scene, SLOT_2) == {"slot 3"}


def test_it_comes_back_while_the_web_process_and_the_broker_are_dead(switch: Scene) -> None:
    cut(switch)
    with ExitStack() as dead:
        for name in ("web", "broker"):
            dead.enter_context(switch.stopped(name))
        until(switch, "rolled-back")
        assert_as_before(switch)
    switch.wait_healthy()
    assert known(switch)["change"] is None


def test_it_comes_back_when_the_worker_is_killed_and_lives_again(switch: Scene) -> None:
    cut(switch)
    switch.kill("worker")
    until(switch, "rolled-back")
    assert_as_before(switch)
    switch.wait_healed("worker")
    state = known(switch)
    assert (state["change"], state["drift"], state["revision"]) == (None, [], 1)


def test_it_comes_back_when_the_whole_portal_is_killed_and_started_again(switch: Scene) -> None:
    cut(switch)
    switch.kill("supervisor", "web", "worker")
    switch.portal.start()
    until(switch, "rolled-back")
    assert_as_before(switch)
