"""The broker goes away and comes back, while everything else stays up."""

import time

import pytest

from tests.flows.broker import Broker
from tests.flows.scene import Scene

pytestmark = pytest.mark.quiet


def assert_refused_within(scene: Scene, seconds: float) -> None:
    """A command is refused in words, and neither done nor kept for later."""
    began = time.monotonic()
    answer = scene.client.reset(2, "ForceRestart")
    assert time.monotonic() - began < seconds
    assert (answer.status_code, answer.json()["code"]) == (503, "broker-unavailable")
    assert "Nothing was switched" in answer.json()["message"]
    (row,) = scene.rows("SELECT state, code FROM operations_operation ORDER BY created_at DESC LIMIT 1")
    assert tuple(row) == ("failed", "broker-unavailable")
    assert scene.rows.claims() == []


def test_commands_are_refused_at_once_while_the_broker_is_away_and_work_again_when_it_is_back(
    scene: Scene, broker: Broker
) -> None:
    children = scene.portal.children()
    scene.client.state(2)
    broker.kill()
    since = time.monotonic()
    assert_refused_within(scene, 3)
    health = scene.client.get("/healthz")
    assert health.status_code == 503
    assert health.json()["components"]["broker"] == "down"
    assert health.json()["components"]["database"] == "ok"
    assert scene.client.get("/boards/demo/").status_code == 200, "pages are still there"

    broker.start()
    scene.wait_healthy()
    scene.do(5, "ForceRestart")
    assert scene.portal.children() == children, "nothing was restarted for it"
    scene.settled()
    assert scene.trace.levels(2, since) == [], "what was refused is not done later"
    assert scene.trace.levels(5, since) == [0, 1]


@pytest.mark.soak
def test_a_broker_that_hangs_is_as_good_as_away(scene: Scene, broker: Broker) -> None:
    scene.do(2, "ForceRestart")
    since = time.monotonic()
    with broker.hung():
        assert_refused_within(scene, 8)
    scene.do(3, "PushPowerButton")
    scene.settled()
    assert scene.trace.levels(2, since) == []


@pytest.mark.soak
def test_a_stop_does_not_wait_for_a_broker_that_is_away(scene: Scene, broker: Broker) -> None:
    broker.kill()
    took_seconds = scene.portal.stop()
    broker.start()
    assert took_seconds < 10
    assert "was killed" not in scene.portal.log()
