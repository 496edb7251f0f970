"""kill -9 of the worker at every step of a power sequence.

The moments are made long instead of being guessed: a slow bus stretches each step of a drive, a locked database keeps
the worker from writing down how it ended. The SOMs ignore their lines, so that nothing but the portal changes a state.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.flows.scene import Scene

pytestmark = pytest.mark.quiet

SLOW_SECONDS = 0.3  # of the board's time, for each transfer
RELEASED_WITHIN_SECONDS = 2.0  # of real time, from the kill
LEVEL, BUTTON, HOLD = (2, "ForceRestart"), (3, "PushPowerButton"), (6, "ForceOff")


class Act:
    """A command on its way, until the worker is killed in the middle of it."""

    def __init__(self, scene: Scene, slot: int, reset_type: str) -> None:
        self.scene, self.slot, self.reset_type = scene, slot, reset_type
        self.ends = ExitStack()  # what a moment has upset
        self.since = time.monotonic()
        self.operation = ""

    def ask(self) -> None:
        self.operation = self.scene.ask(self.slot, self.reset_type)

    def ask_on_a_slow_bus(self) -> None:
        self.scene.board("fault", "slow", SLOW_SECONDS)
        self.ends.callback(self.scene.board, "clear", "slow")
        self.ask()

    def wait_low(self) -> float:
        return self.scene.wait_edge(self.slot, 0, self.since)

    def wait_read(self, times: int) -> None:
        """Until the expander was read that often after the line went low."""
        low = self.wait_low()

        def count() -> int:
            return sum(entry["op"] == "wr" for entry in self.scene.trace.transfers(low))

        self.scene.catch(lambda: count() >= times, f"{times} reads")


def asked_for(act: Act) -> None:
    act.ends.enter_context(act.scene.stopped("worker"))
    act.ask()


def begun(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.scene.catch(lambda: act.scene.rows.operation(act.operation)["state"] == "running", "it to run")
    assert not act.scene.trace.writes(act.since)


def on_record(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.scene.catch(act.scene.hold_file(act.slot).exists, "the record of the press")
    assert not act.scene.trace.edges(act.slot, act.since)


def driven_low(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.wait_low()


def waiting(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.scene.catch(lambda: "waiting" in "".join(act.scene.rows.log(act.operation)), "the wait")


def about_to_rise(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.wait_read(5)  # four to read the first drive back, the fifth begins the second one


def risen(act: Act) -> None:
    act.ask_on_a_slow_bus()
    act.scene.wait_edge(act.slot, 1, act.since)


def released(act: Act) -> None:
    """The press is over and off the record, but nothing of that can be written down."""
    act.ask()
    act.wait_low()
    act.ends.enter_context(act.scene.rows.locked())
    act.scene.wait_edge(act.slot, 1, act.since)
    act.scene.catch(lambda: not act.scene.hold_file(act.slot).exists(), "the end of the record")


Moment = Callable[[Act], None]
soak = pytest.mark.soak


def named(value: Moment | tuple[int, str] | list[int]) -> str:
    """What a parameter is called in the test's name."""
    return value[1] if isinstance(value, tuple) else getattr(value, "__name__", "keeps")


@pytest.fixture(scope="module")
def _unknown(_unhurried: Scene) -> None:
    """Nothing is known of the SOMs when the first test begins."""
    _unhurried.ready()
    _unhurried.silence()
    _unhurried.power_up()


@pytest.fixture
def scene(_unknown: None, unhurried: Scene) -> Scene:
    unhurried.silence()
    return unhurried


def kill_at(scene: Scene, command: tuple[int, str], moment: Moment) -> tuple[Act, float]:
    """Bring an act to the moment, kill the worker, let the portal heal; returns the act and when the kill was."""
    act = Act(scene, *command)
    with act.ends:
        moment(act)
        killed_at = scene.kill("worker")
    scene.wait_healed("worker")
    scene.wait_ended(act.operation)
    return act, killed_at


def assert_interrupted(act: Act) -> None:
    scene, row = act.scene, act.scene.rows.operation(act.operation)
    assert (row["state"], row["code"]) == ("interrupted", "interrupted")
    assert row["message"] == "The worker died while this ran. It is not repeated."
    assert scene.rows.audit(act.operation) == ["requested", "interrupted"]
    assert scene.client.state(act.slot) == ("Unknown", "commanded")
    assert scene.rows.claims() == []


@pytest.mark.parametrize(
    ("command", "moment"),
    [
        (BUTTON, on_record),
        (BUTTON, about_to_rise),
        (BUTTON, released),
        (HOLD, waiting),
        *(pytest.param(BUTTON, moment, marks=soak) for moment in (begun, driven_low, waiting, risen)),
        *(
            pytest.param(HOLD, moment, marks=soak)
            for moment in (begun, on_record, driven_low, about_to_rise, risen, released)
        ),
    ],
    ids=named,
)
def test_a_button_is_released_within_two_seconds_and_never_pressed_again(
    scene: Scene, command: tuple[int, str], moment: Moment
) -> None:
    act, killed_at = kill_at(scene, command, moment)
    scene.wait(lambda: not scene.hold_file(act.slot).exists(), "the record's end")
    pressed = scene.trace.edges(act.slot, act.since)
    assert [edge["level"] for edge in pressed] in ([], [0, 1])
    if pressed:
        assert pressed[1]["t"] - killed_at < RELEASED_WITHIN_SECONDS
    assert_interrupted(act)
    scene.settled()
    assert scene.trace.edges(act.slot, act.since) == pressed, "nothing was done again"


@pytest.mark.parametrize(
    ("moment", "levels"),
    [
        (driven_low, [0]),
        pytest.param(begun, [], marks=soak),
        pytest.param(risen, [0, 1], marks=soak),
        *(pytest.param(moment, [0], marks=soak) for moment in (waiting, about_to_rise)),
    ],
    ids=named,
)
def test_a_level_line_keeps_the_level_it_had(scene: Scene, moment: Moment, levels: list[int]) -> None:
    act, killed_at = kill_at(scene, LEVEL, moment)
    assert_interrupted(act)
    scene.settled()
    assert scene.trace.levels(act.slot, act.since) == levels
    assert not scene.trace.edges(act.slot, killed_at)
    scene.do(*LEVEL)  # which raises the line again


@pytest.mark.parametrize("command", [BUTTON, pytest.param(LEVEL, marks=soak)], ids=named)
def test_what_had_not_begun_is_done_once_by_the_next_worker(scene: Scene, command: tuple[int, str]) -> None:
    act, _ = kill_at(scene, command, asked_for)
    scene.settled()
    assert scene.rows.operation(act.operation)["state"] == "succeeded"
    assert scene.trace.levels(act.slot, act.since) == [0, 1]


@pytest.mark.soak
@pytest.mark.parametrize("command", [LEVEL, BUTTON], ids=named)
def test_whatever_transfer_on_the_bus_was_the_last_one(scene: Scene, command: tuple[int, str]) -> None:
    """The whole walk: the worker is killed after the first, the second, ... transfer that its command makes."""
    slot, is_button = command[0], command == BUTTON
    for number in range(1, 60):
        act = Act(scene, *command)

        def is_reached(act: Act = act, number: int = number) -> bool:
            ended = scene.rows.operation(act.operation)["state"] not in ("queued", "running")
            return ended or len(scene.trace.transfers(act.since)) >= number

        with act.ends:
            act.ask_on_a_slow_bus()
            scene.catch(is_reached, f"transfer {number}")
            killed_at = scene.kill("worker")
        scene.wait_healed("worker")
        state = scene.wait_ended(act.operation)["state"]
        scene.settled()
        levels = scene.trace.levels(slot, act.since)
        if state == "succeeded":
            assert levels == [0, 1]
            return
        assert state == "interrupted"
        assert scene.client.state(slot) == ("Unknown", "commanded")
        if is_button:
            assert levels in ([], [0, 1])
            assert all(edge["t"] - killed_at < RELEASED_WITHIN_SECONDS for edge in scene.trace.edges(slot, act.since))
        elif levels == [0]:
            scene.do(*LEVEL)
        scene.ready()
        scene.silence()
    raise AssertionError("the walk did not come to the end of the sequence")
