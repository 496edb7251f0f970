"""The record of a press, and the release of one whose process has died."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hardware import holds
from hardware.board import held_expander
from hardware.clock import SystemClock, VirtualClock
from hardware.contracts import Expander, Level
from hardware.errors import RecordUnwritable
from hardware.holds import Hold, HoldOwner, HoldStore, owner_is_dead
from hardware.simulator.testing import SimulatedBoard
from tests.hardware.rig import BusDead, Rig, ScriptedExpander, full_disk

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> HoldStore:
    return HoldStore(tmp_path / "holds")


def owner(tmp_path: Path, instance: str = "one") -> HoldOwner:
    return HoldOwner("worker", instance, str(tmp_path / "worker.lock"))


def press(store: HoldStore, tmp_path: Path, slot: int = 3, since: float = 1000.0) -> None:
    line = store.line("b1", slot, slot, bus="/dev/i2c-1", expander="0x18", owner=owner(tmp_path))
    line.begin(8.0, since)


def dead(hold: Hold) -> bool:
    return True


# Records.


def test_a_press_is_on_disk_under_board_and_slot_and_gone_after_it(store: HoldStore, tmp_path: Path) -> None:
    line = store.line("b1", 3, 3, bus="/dev/i2c-1", expander="0x18", owner=owner(tmp_path))
    line.begin(8.0, 1000.0)
    assert [path.name for path in (tmp_path / "holds").iterdir()] == ["b1-3.json"]
    (hold,) = store.holds()
    assert (hold.bus, hold.expander, hold.planned_seconds, hold.since_seconds) == ("/dev/i2c-1", "0x18", 8.0, 1000.0)
    assert hold.boot_id == holds.boot_id()
    line.end()
    assert list((tmp_path / "holds").iterdir()) == []


def test_file_and_directory_have_reached_the_disk_before_begin_returns(
    store: HoldStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    press(store, tmp_path)
    assert [Path(path).suffix for path in synced] == [".draft", ""]
    assert synced[1] == str(tmp_path / "holds")


def test_a_record_that_cannot_be_written_is_an_error_that_names_the_file(store: HoldStore, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(RecordUnwritable, match=r"b1-3\.json could not be written"):
        press(store, tmp_path)


# Whose press is it?


def test_an_owner_without_a_lock_file_is_dead(tmp_path: Path) -> None:
    assert owner_is_dead(owner(tmp_path))


def test_an_owner_whose_lock_is_held_lives(tmp_path: Path) -> None:
    path = tmp_path / "worker.lock"
    path.write_text('{"instance": "one"}')
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not owner_is_dead(owner(tmp_path))
    assert owner_is_dead(owner(tmp_path))


def test_an_owner_whose_name_another_instance_has_taken_over_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "worker.lock"
    path.write_text('{"instance": "two"}')
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert owner_is_dead(owner(tmp_path, "one"))
        assert not owner_is_dead(owner(tmp_path, "two"))


# Releasing.


def test_a_left_over_press_is_released_and_forgotten(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path, since=1000.0)
    expander = ScriptedExpander()
    report = store.release_left_over(lambda hold: expander, dead, VirtualClock(start=1003.5))
    assert expander.levels == [(3, Level.HIGH)]
    assert expander.closed
    (released,) = report.released
    assert (released.hold.slot, released.held_seconds) == (3, 3.5)
    assert store.holds() == ()


def test_the_press_of_a_living_process_is_left_alone(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path)
    expander = ScriptedExpander()
    report = store.release_left_over(lambda hold: expander, lambda hold: False)
    assert (report.released, report.unreleased, expander.levels) == ((), (), [])
    assert len(store.holds()) == 1


def test_nobody_knows_how_long_a_press_of_an_earlier_boot_was(
    store: HoldStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(store, tmp_path)
    monkeypatch.setattr(holds, "boot_id", lambda: "another boot")
    (released,) = store.release_left_over(lambda hold: ScriptedExpander(), dead).released
    assert released.held_seconds is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"board": "b1"}', '{"owner": 3}', "\udcff"])
def test_a_damaged_record_does_not_keep_another_line_from_its_release(
    store: HoldStore, tmp_path: Path, text: str
) -> None:
    press(store, tmp_path, slot=5)
    (tmp_path / "holds" / "b1-3.json").write_bytes(text.encode(errors="surrogateescape"))
    expander = ScriptedExpander()
    report = store.release_left_over(lambda hold: expander, dead)
    assert expander.levels == [(5, Level.HIGH)]
    (unreleased,) = report.unreleased
    assert unreleased.file.endswith("b1-3.json")


def test_a_line_that_cannot_be_released_stays_on_record_and_stops_no_other(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path, slot=3)
    press(store, tmp_path, slot=5)
    expander = ScriptedExpander(failures=[BusDead("the bus is dead")])
    report = store.release_left_over(lambda hold: expander, dead)
    assert [released.hold.slot for released in report.released] == [5]
    assert [unreleased.reason for unreleased in report.unreleased] == ["the bus is dead"]
    assert [hold.slot for hold in store.holds()] == [3]


def test_a_board_that_cannot_be_opened_keeps_its_press_on_record(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path)

    def fail(hold: Hold) -> Expander:
        raise BusDead("no bus")

    assert [u.reason for u in store.release_left_over(fail, dead).unreleased] == ["no bus"]
    assert len(store.holds()) == 1


def test_a_half_written_record_is_no_record(store: HoldStore, tmp_path: Path) -> None:
    (tmp_path / "holds").mkdir()
    (tmp_path / "holds" / ".b1-3.json.1.2.draft").write_text('{"board"')
    report = store.release_left_over(lambda hold: ScriptedExpander(), dead)
    assert (report.released, report.unreleased) == ((), ())


def test_there_may_be_no_directory_yet(store: HoldStore) -> None:
    assert store.release_left_over(lambda hold: ScriptedExpander(), dead).released == ()
    assert store.released() == {}


def test_what_was_released_is_told_until_it_is_acknowledged(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path, since=1000.0)
    swept = store.release_left_over(lambda hold: ScriptedExpander(), dead, VirtualClock(start=1007.0)).released
    told = HoldStore(tmp_path / "holds").released()
    assert tuple(told.values()) == swept
    for path in told:
        store.acknowledge(path)
    assert store.released() == {}


def test_two_presses_of_one_slot_that_were_released_are_both_told(store: HoldStore, tmp_path: Path) -> None:
    for since in (1000.0, 2000.0):
        press(store, tmp_path, since=since)
        store.release_left_over(lambda hold: ScriptedExpander(), dead)
    assert sorted(released.hold.since_seconds for released in store.released().values()) == [1000.0, 2000.0]


def test_a_note_that_cannot_be_written_leaves_the_press_on_record_though_the_line_is_high(
    store: HoldStore, tmp_path: Path
) -> None:
    press(store, tmp_path)
    expander = ScriptedExpander()
    with full_disk():
        report = store.release_left_over(lambda hold: expander, dead)
    assert expander.levels == [(3, Level.HIGH)]
    assert len(report.unreleased) == 1
    assert len(store.holds()) == 1


def test_on_the_register_model_a_left_over_press_moves_its_own_line_only(rig: Rig) -> None:
    rig.expander.drive(3, Level.LOW)
    store = HoldStore(rig.data / "holds")
    press(store, rig.data)
    store.release_left_over(lambda hold: rig.new_expander(), dead)
    assert rig.edges() == [(3, 0), (3, 1)]


# Trap 4: a process that dies in the middle of a press.

PRESSER = """
import os, sys
from pathlib import Path
from hardware.board import held_expander
from hardware.clock import SystemClock
from hardware.endpoints import open_expander
from hardware.holds import HoldOwner, HoldStore
from hardware.sequencer import Stop, run
from hardware.sequences import reset_sequence
from hardware.som import CM5, PowerState, ResetType
import fcntl

data, bus = Path(sys.argv[1]), sys.argv[2]
lock = open(data / "worker.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write("one")
lock.flush()
run(
    reset_sequence(CM5, ResetType.FORCE_OFF, PowerState.ON),
    line=3,
    expander=open_expander(data, "demo", bus, "0x18"),
    clock=SystemClock(1.0),
    stop=Stop(),
    hold=HoldStore(data / "holds").line(
        "demo", 3, 3, bus=bus, expander="0x18", owner=HoldOwner("worker", "one", str(data / "worker.lock"))
    ),
    observed=lambda: PowerState.UNKNOWN,
    on_step=lambda index, step: print(index, flush=True),
)
"""


@pytest.fixture
def pressed(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A simulated board, and a process that is in the middle of an 8 s press of slot 3's button."""
    with SimulatedBoard(tmp_path, time_scale=1.0) as board:
        process = subprocess.Popen(
            [sys.executable, "-c", PRESSER, str(tmp_path), board.address],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        yield board, process
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_press_survives_kill_9_on_record_and_is_released_by_who_comes_next(
    pressed: tuple[SimulatedBoard, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    board, process = pressed
    store = HoldStore(tmp_path / "holds")
    assert store.release_left_over(held_expander(tmp_path)).released == ()  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert board.state()["lines"]["3"] == 0  # still pressed: nobody was left to release it

    began = time.monotonic()
    report = store.release_left_over(held_expander(tmp_path), clock=SystemClock(1.0))
    assert time.monotonic() - began < 1.0

    assert [(entry["line"], entry["level"]) for entry in board.edges()] == [(3, 0), (3, 1)]
    (released,) = report.released
    first, second = (entry["t"] for entry in board.edges())
    assert released.held_seconds == pytest.approx(second - first, abs=0.5)
    assert store.holds() == ()
    assert len(store.released()) == 1


def test_the_release_needs_no_more_than_the_record_itself(
    pressed: tuple[SimulatedBoard, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    board, process = pressed
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "lines" / "demo.json").unlink()
    script = (
        "import sys\nfrom pathlib import Path\nfrom hardware.board import held_expander\n"
        "from hardware.holds import HoldStore\ndata = Path(sys.argv[1])\n"
        "HoldStore(data / 'holds').release_left_over(held_expander(data))\n"
        "assert not {'django', 'celery', 'redis', 'channels'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=PROJECT, check=True)
    assert board.state()["lines"]["3"] == 1


def test_a_record_is_what_the_documentation_says_it_is(store: HoldStore, tmp_path: Path) -> None:
    press(store, tmp_path)
    content = json.loads((tmp_path / "holds" / "b1-3.json").read_text())
    assert content == {
        "board": "b1",
        "slot": 3,
        "line": 3,
        "bus": "/dev/i2c-1",
        "expander": "0x18",
        "owner": {"worker": "worker", "instance": "one", "lock_file": str(tmp_path / "worker.lock")},
        "planned_seconds": 8.0,
        "since_seconds": 1000.0,
        "boot_id": holds.boot_id(),
    }
