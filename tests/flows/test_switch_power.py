"""What a switch gets by itself: it is read when it is met, and after a loss of power what was confirmed comes back."""

from typing import Any

import pytest

from tests.flows import test_switch as switch
from tests.flows.scene import Scene, running

SLOT_2, SLOT_3, UPLINK = 6, 5, 8  # switch ports
PATIENCE_SECONDS = 180.0  # reading and closing 4,096 entries, on a machine with other work too


def said(scene: Scene) -> dict[str, Any]:
    return dict(scene.client.get(f"{switch.SWITCH}/recovery").json())


@pytest.mark.soak
def test_a_switch_is_read_by_itself_and_set_up_again_after_a_loss_of_power(tmp_path) -> None:
    with running(tmp_path, scale=10.0, NANOPORTAL_SWITCH_SCAN="auto") as scene:
        for port in (SLOT_2, SLOT_3, UPLINK):
            scene.board("link", port, 1000)
        scene.wait(lambda: switch.known(scene)["scan"] == 1, "the switch to be read by itself", PATIENCE_SECONDS)
        home = {
            "management_vid": 1,
            "vlans": [{"vid": 1, "untagged": [1, 4, "uplink"]}, {"vid": 10, "untagged": [2, 3]}],
        }
        switch.commit(scene, home, ["uplink-changes", "controller-changes", "pages-change"])
        scene.wait(lambda: switch.known(scene)["change"]["state"] == "awaiting", "the change", PATIENCE_SECONDS)
        switch.post(scene, "/confirm", status=200)
        token = {"X-CSRFToken": scene.client.csrf()}
        url = f"{switch.SWITCH}/recovery"
        assert scene.client.http.put(url, json={"restores_by_itself": True}, headers=token).status_code == 200
        assert switch.reach(scene, SLOT_2) == {"slot 3"}

        scene.board("mains-cycle")
        scene.wait(lambda: said(scene)["is_due"], "the reset to be noticed", PATIENCE_SECONDS)
        scene.wait(lambda: not said(scene)["is_due"], "the revision to be back", PATIENCE_SECONDS)
        (change,) = scene.rows("SELECT state, restores FROM switch_vlanchange ORDER BY number DESC LIMIT 1")
        assert (change["state"], change["restores"]) == ("restored", 1)
        for port in (SLOT_2, SLOT_3, UPLINK):
            scene.board("link", port, 1000)
        scene.wait(lambda: switch.reach(scene, SLOT_2) == {"slot 3"}, "slots 2 and 3 to hear each other alone")
        assert switch.known(scene)["drift"] == []
