"""No start, stop or restart of the portal moves a line; its stop and start are in test_parts_killed.py."""

import time

from tests.flows.scene import Scene


def test_a_worker_that_dies_and_comes_back_leaves_every_line_alone(scene: Scene) -> None:
    scene.power_up()
    cold = time.monotonic()
    scene.kill("worker")
    scene.wait_healed("worker")
    assert not scene.trace.writes(cold), "registers stay as they are after power-up"
    assert not scene.trace.edges(since=cold)
