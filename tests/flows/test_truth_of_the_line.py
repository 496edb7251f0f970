"""No command ever moves another line than its own, and what somebody else changed is said."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.flows.scene import LONG, Scene

SCALE = 5.0
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


def test_from_cold_registers_and_all_at_once_no_line_moves_but_by_its_own_command(own_scene: Scene) -> None:
    scene = own_scene
    for slot in COMMANDS:
        scene.board("fault", "som-ignores-line", slot)  # states then follow from commands alone
    fill_slot_seven(scene)
    registers = scene.board("dump", "expander")
    assert [registers[number] for number in ("0x01", "0x02", "0x03")] == [["0x00"], ["0xF0"], ["0xFF"]], "it is cold"
    assert not scene.trace.edges()

    def command(slot: int) -> list[str]:
        if slot == 0:
            return [reset_the_switch(scene) or "succeeded"]
        return [scene.client.wait_operation(scene.ask(slot, name), LONG)["state"] for name, _ in COMMANDS[slot]]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(command, [0, *COMMANDS]))
    assert {state for states in results for state in states} == {"succeeded"}
    scene.settled()

    wanted = {slot: [level for _, levels in commands for level in levels] for slot, commands in COMMANDS.items()}
    wanted |= {0: [0, 1], 1: []}
    assert {line: scene.trace.levels(line) for line in range(8)} == wanted
    assert_each_edge_within_an_operation_of_its_line(scene)
    state = scene.board("state")
    assert [state["lines"][str(line)] for line in range(8)] == [1, 1, 1, 1, 1, 0, 1, 1]
    assert state["outputs"] == [0, 2, 3, 4, 5, 6, 7], "the controller's own line was never made an output"


def assert_each_edge_within_an_operation_of_its_line(scene: Scene) -> None:
    """No line moves at a moment at which no operation of its own is running."""
    ahead_seconds = time.time() - time.monotonic()  # of the trace's clock

    def moment(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - ahead_seconds

    rows = scene.rows("SELECT resource, started_at, ended_at FROM operations_operation")
    windows = [(r["resource"], moment(r["started_at"]) - 0.01, moment(r["ended_at"]) + 0.01) for r in rows]
    for edge in scene.trace.edges():
        own = "demo/switch" if edge["line"] == 0 else f"demo/slot:{edge['line']}"
        assert any(r == own and began <= edge["t"] <= ended for r, began, ended in windows), (edge, windows)


def test_what_somebody_else_wrote_meanwhile_is_left_as_it_is_and_said_with_both_values(own_scene: Scene) -> None:
    since = time.monotonic()
    operation = own_scene.ask(6, "ForceOff")
    own_scene.wait_edge(6, 0, since)
    own_scene.wait(lambda: "waiting" in "".join(own_scene.rows.log(operation)), "the wait")
    before = int(own_scene.board("dump", "expander")["0x01"][0], 16)
    after = before | 1 << 1  # the bit of a line that nobody drives, so that nothing moves by it
    own_scene.board("foreign-write", "0x01", hex(after))
    assert own_scene.wait_ended(operation)["state"] == "succeeded"
    said = [line for line in own_scene.rows.log(operation) if "Another program" in line]
    assert len(said) == 1
    assert f"from 0x{before:02X} to 0x{after:02X}" in said[0]
    assert int(own_scene.board("dump", "expander")["0x01"][0], 16) == after | 1 << 6
    assert own_scene.trace.levels(6, since) == [0, 1]
