"""A bus on which nobody answers, and a line that somebody else holds."""

from collections.abc import Iterator
from html import escape

import pytest

from tests.flows.scene import Scene


@pytest.fixture(autouse=True)
def _cleared(scene: Scene) -> Iterator[None]:
    yield
    scene.board("clear")


def test_a_command_fails_in_words_while_the_expander_does_not_answer_and_all_heals_when_it_does(scene: Scene) -> None:
    scene.board("fault", "nack", "expander")
    operation = scene.ask(3, "PushPowerButton")
    row = scene.wait_ended(operation)
    assert (row["state"], row["code"]) == ("failed", "bus-error")
    assert "0x18" in row["message"]
    assert scene.rows.audit(operation) == ["requested", "failed"]
    assert not scene.trace.edges(3)
    problem = scene.wait(lambda: scene.client.get("/api/v1/boards/demo").json()["problem"], "the board to say so")
    assert "0x18" in problem
    assert escape(problem) in scene.client.get("/boards/demo/").text
    assert "The board does not answer." in scene.client.get("/boards/demo/slots/3/").text

    scene.board("clear", "nack")
    scene.wait(lambda: scene.client.get("/api/v1/boards/demo").json()["problem"] == "", "the board to heal")
    assert "The board does not answer." not in scene.client.get("/boards/demo/slots/3/").text
    scene.do(3, "PushPowerButton")


def test_a_drive_that_fails_half_way_leaves_the_button_released_and_the_line_re_read(scene: Scene) -> None:
    scene.board("fault", "stuck", 4, 1)  # something holds slot 4's line up
    operation = scene.ask(4, "PushPowerButton")
    row = scene.wait_ended(operation)
    assert (row["state"], row["code"]) == ("failed", "line-stuck")
    assert any(line.startswith("line 4 re-read: ") for line in scene.rows.log(operation))
    assert scene.client.slot(4)["power"]["power_state"] == "Unknown"
    scene.board("clear", "stuck")
    assert scene.level(4) == 1
    scene.settled()
    scene.do(4, "PushPowerButton")
