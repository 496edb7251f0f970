"""Several slots at once: in the order that was asked for, one after the other, each for itself."""

import time
from datetime import datetime, timedelta

import pytest

from tests.flows.scene import Scene

pytestmark = pytest.mark.quiet

STAGGER_SECONDS = 2.0  # between the end of one member and the turn of the next


def ask(scene: Scene, verb: str, slots: str, status: int = 302) -> str:
    """A bulk action as the page sends it; returns what was answered."""
    form = {"verb": verb, "slots": slots, "reason": "test", "csrfmiddlewaretoken": scene.client.csrf()}
    answer = scene.client.http.post("/boards/demo/several", data=form)
    assert answer.status_code == status, answer.text
    return answer.text


def members(scene: Scene) -> list[tuple[str, str]]:
    """Resource and state of every member of the newest group, in the order of their turns."""
    query = (
        'SELECT resource, state FROM operations_operation WHERE "group" = '
        '(SELECT "group" FROM operations_operation WHERE "group" IS NOT NULL ORDER BY created_at DESC LIMIT 1) '
        "ORDER BY position"
    )
    return [(row["resource"], row["state"]) for row in scene.rows(query)]


def all_ended(scene: Scene) -> bool:
    return not {state for _, state in members(scene)} & {"waiting", "queued", "running"}


def test_slots_start_in_the_order_given_and_apart_from_each_other(scene: Scene) -> None:
    scene.power_up()
    for slot in (3, 6):
        assert scene.client.mark_off(slot).status_code == 302
    since = time.monotonic()
    ask(scene, "start", "6,2,3")
    scene.wait(lambda: all_ended(scene), "all members to end")
    assert members(scene) == [(f"demo/slot:{slot}", "succeeded") for slot in (6, 2, 3)]
    edges = scene.trace.edges(since=since)
    assert [(edge["line"], edge["level"]) for edge in edges] == [(6, 0), (6, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    query = (
        'SELECT due_at, ended_at FROM operations_operation WHERE "group" IS NOT NULL '
        "ORDER BY created_at DESC, position DESC LIMIT 3"
    )
    third, second, first = (
        {name: moment and datetime.fromisoformat(moment) for name, moment in dict(row).items()}
        for row in scene.rows(query)
    )
    stagger = timedelta(seconds=STAGGER_SECONDS / scene.portal.scale)
    assert first["due_at"] is None
    assert second["due_at"] >= first["ended_at"] + stagger * 0.9
    assert third["due_at"] >= second["ended_at"] + stagger * 0.9


def test_one_that_fails_does_not_keep_the_next_from_its_turn(scene: Scene) -> None:
    scene.board("fault", "stuck", 2, 1)
    since = time.monotonic()
    ask(scene, "restart", "2,5")
    scene.wait(lambda: all_ended(scene), "both to end")
    assert [state for _, state in members(scene)] == ["failed", "succeeded"]
    assert scene.trace.levels(5, since) == [0, 1]
    scene.board("clear", "stuck")


def test_a_selection_that_holds_what_cannot_be_done_is_refused_as_a_whole_and_names_the_slot(scene: Scene) -> None:
    since = time.monotonic()
    assert "Slot 1 runs this portal" in ask(scene, "restart", "2,1", 422)
    assert "Slot 5 (M4N) has no graceful way" in ask(scene, "stop", "5,3", 422)
    assert scene.rows.claims() == []
    assert not scene.trace.writes(since)
