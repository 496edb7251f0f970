"""Never late, never twice: whatever happens to workers, messages and requests."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime

import pytest

from tests.flows.broker import Broker
from tests.flows.scene import Scene

pytestmark = pytest.mark.quiet

EXPIRY_SECONDS = 60.0


@pytest.fixture(scope="module")
def _unknown(_fast: Scene) -> None:
    """Nothing is known of the SOMs when the first test begins."""
    _fast.ready()
    _fast.silence()
    _fast.power_up()


@pytest.fixture
def scene(_unknown: None, scene: Scene) -> Scene:
    scene.silence()
    return scene


def test_what_waited_too_long_for_a_stopped_worker_is_expired_and_nothing_is_switched(scene: Scene) -> None:
    since = time.monotonic()
    with scene.stopped("worker"):
        operation = scene.ask(2, "ForceRestart")
        row = scene.rows.operation(operation)
        given = datetime.fromisoformat(row["expires_at"]) - datetime.fromisoformat(row["created_at"])
        assert given.total_seconds() == EXPIRY_SECONDS / scene.portal.scale
        scene.rows.make_late(operation)
        assert scene.client.operation(operation)["state"] == "expired", "even before anybody wrote so"
    assert scene.wait_ended(operation)["message"] == "No worker took it in time. Nothing was switched."
    assert scene.rows.audit(operation) == ["requested", "expired"]
    scene.settled()
    assert not scene.trace.writes(since)


@pytest.mark.soak
def test_what_waited_too_long_for_a_worker_that_keeps_dying_is_expired(scene: Scene) -> None:
    since = time.monotonic()
    with scene.stopped("worker"):
        operation = scene.ask(2, "ForceRestart")
        scene.kill("worker")
    while time.monotonic() - since < EXPIRY_SECONDS / scene.portal.scale:
        if "worker" in scene.portal.children():
            scene.kill("worker")
        time.sleep(0.01)
    assert scene.wait_ended(operation)["state"] == "expired"
    scene.wait_healthy()
    scene.settled()
    assert not scene.trace.writes(since)


def test_a_request_repeated_under_one_key_acts_once_even_at_the_same_moment(scene: Scene) -> None:
    since = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: scene.client.reset(3, "PushPowerButton", key="one"), range(6)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    (operation,) = {answer.json()["id"] for answer in answers}
    scene.wait_ended(operation)
    assert scene.client.reset(3, "PushPowerButton", key="one").json()["id"] == operation, "also after the end"
    other = scene.client.reset(3, "PushPowerButton", key="one", reason="another body")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    scene.settled()
    assert scene.trace.levels(3, since) == [0, 1]


def test_a_double_click_acts_once_and_the_second_is_told_who_is_at_it(scene: Scene) -> None:
    since = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: scene.client.reset(4, "PushPowerButton"), range(2)))
    accepted, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (accepted.status_code, refused.status_code, refused.json()["code"]) == (202, 409, "busy")
    assert refused.json()["detail"]["holder"] == "alice"
    scene.wait_ended(accepted.json()["id"])
    scene.settled()
    assert scene.trace.levels(4, since) == [0, 1]


def test_a_message_that_is_delivered_again_and_again_acts_once(scene: Scene, broker: Broker) -> None:
    since = time.monotonic()
    with scene.stopped("worker"):
        operation = scene.ask(6, "PushPowerButton")
        broker.deliver(operation)
    scene.wait_edge(6, 0, since)
    broker.deliver(operation)
    scene.wait_ended(operation)
    broker.deliver(operation)
    scene.wait(lambda: broker.waiting() == 0, "all messages to be taken")
    scene.do(2, "ForceRestart")  # by the same worker, behind them
    scene.settled()
    assert scene.trace.levels(6, since) == [0, 1]
    assert scene.rows.audit(operation) == ["requested", "done"]


def test_a_killed_worker_loses_none_of_the_messages_that_it_had_taken(scene: Scene, broker: Broker) -> None:
    since = time.monotonic()
    with ExitStack() as held:
        with scene.stopped("worker"):
            operations = [scene.ask(slot, "PushPowerButton") for slot in (3, 4, 6)] + [scene.ask(2, "ForceRestart")]
            held.enter_context(scene.rows.locked())
        scene.wait(lambda: broker.waiting() == 0, "the worker to take all messages")
        scene.kill("worker")
    assert [scene.wait_ended(operation)["state"] for operation in operations] == ["succeeded"] * 4
    scene.wait_healthy()
    scene.settled()
    assert [scene.trace.levels(line, since) for line in (2, 3, 4, 6)] == [[0, 1]] * 4
