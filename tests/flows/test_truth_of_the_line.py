"""No command ever moves another line than its own, and what somebody else changed is said."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.flows.scene import LONG, Scene

pytestmark = pytest.mark.quiet

SWITCH, CONTROLLER = 0, 1  # lines
# What each slot is asked for, one after the other, and the levels that this makes of its line.
COMMANDS = {
    2: [("PowerCycle", [0, 1]), ("ForceRestart", [0, 1]), ("ForceOff", [0]), ("On", [1])],
    3: [("PushPowerButton", [0, 1])] * 4,
    4: [("PushPowerButton", [0, 1])] * 4,
    5: [("ForceOff", [0]), ("On", [1]), ("ForceRestart", [0, 1]), ("ForceOff", [0])],
    6: [("ForceOff", [0, 1]), ("On", [0, 1])],
    7: [("PushPowerButton", [0, 1])] * 4,
}


def fill_slot_seven(scene: Scene) -> None:
    """Put an LM3H into the empty slot, and on record."""
    scene.board("insert", 7, "LM3H")
    (kind,) = scene.rows("SELECT id FROM slots_somtype WHERE name = 'LM3H'")
    form = {"som_type": kind["id"], "name": "late", "csrfmiddlewaretoken": scene.client.csrf()}
    assert scene.client.http.post("/boards/demo/slots/7/som/", data=form).status_code == 302


def reset_the_switch(scene: Scene) -> None:
    form = {"reason": "test", "typed": "demo", "csrfmiddlewaretoken": scene.client.csrf()}
    assert scene.client.http.post("/boards/demo/switch/reset", data=form).status_code == 302


def test_from_cold_registers_and_all_at_once_no_line_moves_but_by_its_own_command(scene: Scene) -> None:
    fill_slot_seven(scene)
    scene.silence()
    scene.power_up()
    registers = scene.board("dump", "expander")
    assert [registers[number] for number in ("0x01", "0x02", "0x03")] == [["0x00"], ["0xF0"], ["0xFF"]], "it is cold"
    since = time.monotonic()

    def command(slot: int) -> list[str]:
        if slot == SWITCH:
            reset_the_switch(scene)
            return []
        return [scene.client.wait_operation(scene.ask(slot, name), LONG)["state"] for name, _ in COMMANDS[slot]]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(command, [SWITCH, *COMMANDS]))
    assert {state for states in results for state in states} == {"succeeded"}
    scene.settled()

    wanted = {slot: [level for _, levels in commands for level in levels] for slot, commands in COMMANDS.items()}
    wanted |= {SWITCH: [0, 1], CONTROLLER: []}
    assert {line: scene.trace.levels(line, since) for line in range(8)} == wanted
    assert_each_edge_within_an_operation_of_its_line(scene, since)
    state = scene.board("state")
    assert [state["lines"][str(line)] for line in range(8)] == [1, 1, 1, 1, 1, 0, 1, 1]
    assert state["outputs"] == [0, 2, 3, 4, 5, 6, 7], "the controller's own line was never made an output"


def assert_each_edge_within_an_operation_of_its_line(scene: Scene, since: float) -> None:
    """No line moves at a moment at which no operation of its own is running."""
    ahead_seconds = time.time() - time.monotonic()  # of the trace's clock

    def moment(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - ahead_seconds

    rows = scene.rows("SELECT resource, started_at, ended_at FROM operations_operation WHERE started_at IS NOT NULL")
    windows = [(r["resource"], moment(r["started_at"]) - 0.01, moment(r["ended_at"]) + 0.01) for r in rows]
    for edge in scene.trace.edges(since=since):
        own = "demo/switch" if edge["line"] == SWITCH else f"demo/slot:{edge['line']}"
        assert any(r == own and began <= edge["t"] <= ended for r, began, ended in windows), (edge, windows)


def test_what_somebody_else_wrote_meanwhile_is_left_as_it_is_and_said_with_both_values(scene: Scene) -> None:
    scene.power_up()
    since = time.monotonic()
    operation = scene.ask(6, "ForceOff")
    scene.wait_edge(6, 0, since)
    scene.wait(lambda: "waiting" in "".join(scene.rows.log(operation)), "the wait")
    before = int(scene.board("dump", "expander")["0x01"][0], 16)
    after = before | 1 << 1  # the bit of a line that nobody drives, so that nothing moves by it
    scene.board("foreign-write", "0x01", hex(after))
    assert scene.wait_ended(operation)["state"] == "succeeded"
    said = [line for line in scene.rows.log(operation) if "Another program" in line]
    assert len(said) == 1
    assert f"from 0x{before:02X} to 0x{after:02X}" in said[0]
    assert int(scene.board("dump", "expander")["0x01"][0], 16) == after | 1 << 6
    assert scene.trace.levels(6, since) == [0, 1]


def test_a_database_that_keeps_everybody_waiting_does_not_lengthen_a_press(scene: Scene) -> None:
    since = time.monotonic()
    operation = scene.ask(4, "PushPowerButton")
    fell = scene.wait_edge(4, 0, since)
    with scene.rows.locked():
        rose = scene.wait_edge(4, 1, fell)
        scene.catch(lambda: not scene.hold_file(4).exists(), "the record's end")
        assert scene.rows.operation(operation)["state"] == "running"
    assert rose - fell < 0.5
    assert scene.wait_ended(operation)["state"] == "succeeded"
    told = [line.partition(" ")[0] for line in scene.rows.log(operation)]
    assert told == ["line", "waiting", "line", "line", "Done."], "all is written down once that is possible"


def test_a_press_that_somebody_cancels_is_released_at_once_and_the_slot_is_unknown(scene: Scene) -> None:
    scene.power_up()
    since = time.monotonic()
    operation = scene.ask(6, "ForceOff")
    scene.wait_edge(6, 0, since)
    answer = scene.client.post(f"/api/v1/operations/{operation}/cancel")
    assert answer.status_code == 202
    row = scene.wait_ended(operation)
    assert (row["state"], row["code"]) == ("cancelled", "cancelled")
    assert row["message"] == "Cancelled by alice. A shortened press may have acted as a short one."
    fell, rose = scene.trace.edges(6, since)
    assert rose["t"] - fell["t"] < 8.0 / scene.portal.scale
    assert scene.rows.history(6)[-1][0] == "Unknown"
    scene.settled()
