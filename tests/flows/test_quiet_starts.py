"""No start, stop or restart of the portal moves a line."""

import time

from tests.flows.scene import Scene


def restart_in_every_way(scene: Scene) -> None:
    """Kill the worker while it has nothing to do, stop the portal and start it again."""
    scene.kill("worker")
    scene.wait_healed("worker")
    scene.portal.stop()
    scene.start()


def test_lines_are_neither_moved_nor_written_on_a_cold_board_and_a_line_held_low_stays_low(scene: Scene) -> None:
    scene.power_up()
    cold = time.monotonic()
    scene.kill("worker")
    scene.wait_healed("worker")
    assert not scene.trace.writes(cold), "registers stay as they are after power-up"
    assert not scene.trace.edges(since=cold)

    scene.do(2, "ForceOff")  # a CM4: held low from now on
    held = time.monotonic()
    restart_in_every_way(scene)
    assert scene.level(2) == 0
    assert not scene.trace.writes(held)
    assert not scene.trace.edges(since=held)
    assert scene.client.slot(2)["power"]["power_state"] == "Off"
    scene.do(2, "On")
    assert scene.trace.levels(2, cold) == [0, 1], "released, not pulsed"
