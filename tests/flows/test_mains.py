"""The whole board loses power: what was known is known no more."""

import time

import pytest

from tests.flows.scene import Scene

pytestmark = pytest.mark.quiet


def test_after_a_loss_of_power_all_is_unknown_no_latch_is_left_and_what_ran_is_interrupted(scene: Scene) -> None:
    scene.power_up()
    scene.do(2, "On")
    scene.do(3, "ForceOff", accept_stranding=True)
    scene.wait(lambda: scene.client.slot(3)["power"]["latched"], "the latch")
    assert scene.board("state")["slots"]["3"]["latched"]
    refused = scene.client.reset(3, "PushPowerButton")
    assert (refused.status_code, refused.json()["code"]) == (409, "latched-off")

    entries = "SELECT text FROM operations_auditentry WHERE action = 'board.power-lost'"
    before = len(scene.rows(entries))
    since = time.monotonic()
    running = scene.ask(6, "ForceOff")
    scene.wait_edge(6, 0, since)
    scene.board("mains-cycle")
    row = scene.wait_ended(running)
    assert (row["state"], row["message"]) == ("interrupted", "The board lost power. It is not repeated.")
    slots = [scene.client.slot(number)["power"] for number in range(2, 7)]
    assert [slot["power_state"] for slot in slots] == ["Unknown"] * 5
    assert not any(slot["latched"] for slot in slots)
    assert scene.client.get("/api/v1/boards/demo").json()["power_lost_at"]
    scene.settled()
    (entry,) = scene.rows(entries)[before:]
    assert '"interrupted":1' in entry["text"]

    scene.do(3, "PushPowerButton")
    scene.client.wait_state(3, "On")
    assert scene.portal.board.power(3) == "On"
    scene.board("mains-cycle")  # and the next loss is noticed as well
    scene.wait(lambda: scene.client.slot(3)["power"]["power_state"] == "Unknown", "the second loss to be noticed")
