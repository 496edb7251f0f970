"""The broker goes away and comes back, while everything else stays up."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nanoportal import broker as embedded
from tests.flows.scene import Scene, running


class Broker:
    """A broker of our own, as REDIS_URL would name one: the portal does not bring it back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "b.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(embedded.command(self.folder, self.socket))
        while not embedded.answers(self.socket):
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def scene(tmp_path: Path, broker: Broker) -> Iterator[Scene]:
    with running(tmp_path / "scene", REDIS_URL=f"unix://{broker.socket}") as scene:
        yield scene


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
    scene.do(3, "PushPowerButton")
    assert scene.portal.children() == children, "nothing was restarted for it"
    scene.settled()
    assert scene.trace.levels(2, since) == [], "what was refused is not done later"
    assert scene.trace.levels(3, since) == [0, 1]

    broker.kill()
    assert scene.portal.stop() < 10, "a stop does not wait for it either"
    assert "was killed" not in scene.portal.log()


@pytest.mark.soak
def test_a_broker_that_hangs_is_as_good_as_away(scene: Scene, broker: Broker) -> None:
    scene.do(2, "ForceRestart")
    assert broker.process is not None
    since = time.monotonic()
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        assert_refused_within(scene, 8)
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)
    scene.do(3, "PushPowerButton")
    scene.settled()
    assert scene.trace.levels(2, since) == []
