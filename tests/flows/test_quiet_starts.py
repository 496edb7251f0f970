"""No start, stop or restart of the portal moves a line."""

import time

from tests.flows.scene import Scene


def restart_in_every_way(scene: Scene) -> None:
    """Kill the worker while it has nothing to do, stop the portal and start it again."""
    scene.kill("worker")
    scene.wait(lambda: "worker died" in scene.portal.log(), "the death to be noticed")
    scene.wait_healthy()
    scene.portal.stop()
    scene.start()


def test_lines_are_neither_moved_nor_written_on_a_cold_board_and_a_line_held_low_stays_low(own_scene: Scene) -> None:
    restart_in_every_way(own_scene)
    assert not own_scene.trace.writes(), "registers stay as they are after power-up"
    assert not own_scene.trace.edges()

    own_scene.do(2, "ForceOff")  # a CM4: held low from now on
    held = time.monotonic()
    restart_in_every_way(own_scene)
    assert own_scene.level(2) == 0
    assert not own_scene.trace.writes(held)
    assert not own_scene.trace.edges(since=held)
    assert own_scene.client.slot(2)["power"]["power_state"] == "Off"
    own_scene.do(2, "On")
    assert own_scene.trace.levels(2) == [0, 1], "released, not pulsed"
