"""kill -9 of other parts, alone and together, and Ctrl-C, each in the middle of a press of eight seconds."""

import signal
import time
from pathlib import Path

import pytest

from tests.flows.scene import Scene, running

pytestmark = pytest.mark.quiet

SLOT = 6  # an LM3H: its button is held for 8 s to force it off


OTHERS = ("web", "consoled", "broker")


@pytest.fixture
def scene(unhurried: Scene) -> Scene:
    unhurried.silence()
    return unhurried


def begin_hold(scene: Scene, slot: int = SLOT) -> tuple[str, float]:
    """Begin to force a slot off; returns the operation and the moment at which its line went low."""
    if scene.client.state(slot)[0] == "Off":
        scene.do(slot, "On")
    since = time.monotonic()
    operation = scene.ask(slot, "ForceOff", accept_stranding=True)
    return operation, scene.wait_edge(slot, 0, since)


def assert_held_to_the_end(scene: Scene, slot: int, low: float) -> None:
    """The line was low for as long as planned, once, and hardly longer."""
    planned_seconds = 8.0 / scene.portal.scale
    fell, rose = scene.trace.edges(slot, low)
    assert planned_seconds - 0.01 < rose["t"] - fell["t"] < planned_seconds + 0.5


def assert_interrupted(scene: Scene, operation: str) -> None:
    row = scene.wait_ended(operation)
    assert (row["state"], row["code"]) == ("interrupted", "interrupted")
    assert scene.rows.audit(operation) == ["requested", "interrupted"]
    assert scene.client.slot(SLOT)["power"]["power_state"] == "Unknown"
    scene.settled()
    scene.verify_audit()


def test_a_press_goes_on_and_the_portal_heals_when_web_console_daemon_and_broker_are_killed(scene: Scene) -> None:
    worker = scene.portal.children()["worker"]
    operation, low = begin_hold(scene)
    scene.kill(*OTHERS)
    assert scene.level(SLOT) == 0
    scene.wait_healed(*OTHERS)
    assert scene.wait_ended(operation)["state"] == "succeeded"
    assert_held_to_the_end(scene, SLOT, low)
    scene.do(2, "ForceRestart")
    assert scene.portal.children()["worker"] == worker, "it found its new broker by itself"


@pytest.mark.soak
@pytest.mark.parametrize("name", OTHERS)
def test_a_press_goes_on_and_the_portal_heals_when_one_of_them_is_killed(scene: Scene, name: str) -> None:
    operation, low = begin_hold(scene)
    scene.kill(name)
    scene.wait_healed(name)
    assert scene.wait_ended(operation)["state"] == "succeeded"
    assert_held_to_the_end(scene, SLOT, low)
    scene.do(2, "ForceRestart")


def test_a_press_is_released_within_two_seconds_when_worker_and_broker_are_killed_together(scene: Scene) -> None:
    operation, low = begin_hold(scene)
    killed = scene.kill("worker", "broker")
    assert scene.wait_edge(SLOT, 1, killed) - killed < 2.0
    scene.wait_healed("worker")
    assert_interrupted(scene, operation)
    assert scene.trace.levels(SLOT, low) == [0, 1]
    scene.do(2, "ForceRestart")


def test_the_next_start_releases_what_a_killed_portal_left_pressed_before_anything_else(scene: Scene) -> None:
    operation, _ = begin_hold(scene)
    scene.kill("supervisor", "worker")
    assert scene.level(SLOT) == 0
    started = time.monotonic()
    scene.portal.start(ready=False)
    scene.wait_edge(SLOT, 1, started)
    assert not scene.portal.children(), "nothing else had been started by then"
    scene.wait_healthy()
    assert_interrupted(scene, operation)
    assert len(scene.trace.writes(started)) == 1
    assert [(edge["line"], edge["level"]) for edge in scene.trace.edges(since=started)] == [(SLOT, 1)]


def test_a_worker_finishes_its_press_when_the_supervisor_is_killed_and_the_next_start_takes_over(
    scene: Scene,
) -> None:
    operation, low = begin_hold(scene)
    scene.kill("supervisor")
    scene.portal.start()
    assert scene.wait_ended(operation)["state"] == "succeeded"
    assert_held_to_the_end(scene, SLOT, low)
    scene.do(2, "ForceRestart")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_stop_in_the_middle_of_a_press_finishes_it_and_neither_it_nor_the_next_start_moves_another_line(
    scene: Scene, number: int
) -> None:
    scene.do(2, "ForceOff")  # a CM4: held low from now on
    operation, low = begin_hold(scene)
    assert scene.portal.stop(number) < 10
    assert_held_to_the_end(scene, SLOT, low)
    assert scene.rows.operation(operation)["state"] == "succeeded"
    stopped = time.monotonic()
    scene.start()
    scene.settled()
    assert not scene.trace.writes(stopped)
    assert scene.level(2) == 0
    assert not scene.trace.edges(2, low)
    assert scene.client.slot(2)["power"]["power_state"] == "Off"
    scene.do(2, "On")
    assert scene.trace.levels(2, low) == [1], "released, not pulsed"


@pytest.mark.soak
def test_in_real_time_a_stop_at_the_beginning_of_a_press_of_eight_seconds_takes_less_than_ten(tmp_path: Path) -> None:
    with running(tmp_path, scale=1.0) as scene:
        _, low = begin_hold(scene)
        assert scene.portal.stop() < 10
        assert_held_to_the_end(scene, SLOT, low)
        scene.start()


@pytest.mark.soak
def test_in_real_time_a_killed_worker_has_its_press_released_within_two_seconds(tmp_path: Path) -> None:
    with running(tmp_path, scale=1.0) as scene:
        operation, _ = begin_hold(scene)
        killed = scene.kill("worker")
        assert scene.wait_edge(SLOT, 1, killed) - killed < 2.0
        scene.wait_healed("worker")
        assert_interrupted(scene, operation)
