"""Eight operations at once on a cold board, as processes and as threads: no line moves but by its own command."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.board import Board
from hardware.boardspec import load_board
from hardware.clock import SystemClock
from hardware.contracts import ForeignChange
from hardware.expander import OUTPUT
from hardware.holds import HoldOwner, HoldStore
from hardware.sequencer import Stop, run
from hardware.sequences import Sequence, reset_sequence
from hardware.simulator.testing import SimulatedBoard
from hardware.som import CM4, CM5, PowerState, ResetType

PROJECT = Path(__file__).resolve().parents[2]
SCALE = 20.0
OWNER = HoldOwner("worker", "one", "/nowhere")
PRESS = reset_sequence(CM5, ResetType.ON, PowerState.OFF)
PULSE = reset_sequence(CM4, ResetType.FORCE_RESTART, PowerState.ON)

ONE_LINE = f"""
import sys
from pathlib import Path
from hardware.board import Board
from hardware.boardspec import load_board
from tests.hardware.test_many_at_once import operate
data, line = Path(sys.argv[1]), int(sys.argv[2])
board = Board(load_board(data / "b1.toml"), data)
print("ready", flush=True)
sys.stdin.readline()
operate(board, data, line, {SCALE})
"""


def operate(board: Board, data: Path, line: int, scale: float = SCALE) -> None:
    """Three operations in a row on one line: those with an even number are buttons, the others levels."""
    for _ in range(3):
        sequence: Sequence = PRESS if line % 2 == 0 else PULSE
        run(
            sequence,
            line=line,
            expander=board.expander,
            clock=SystemClock(scale),
            stop=Stop(),
            hold=HoldStore(data / "holds").line("b1", line, line, bus="", expander="", owner=OWNER),
            observed=lambda: PowerState.UNKNOWN,
        )


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path, time_scale=SCALE) as board:
        (tmp_path / "b1.toml").write_text(f'[i2c]\nbus = "{board.address}"\nexpander = "0x18"\n')
        yield board


def assert_every_line_moved_by_its_own_command_only(simulated: SimulatedBoard, lines: range) -> None:
    for line in range(8):
        levels = [entry["level"] for entry in simulated.edges(line)]
        assert levels == ([0, 1] * 3 if line in lines else []), f"line {line}"


def test_eight_processes_from_cold_registers(simulated: SimulatedBoard, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_LINE, str(tmp_path), str(line)],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for line in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert_every_line_moved_by_its_own_command_only(simulated, range(8))
    assert HoldStore(tmp_path / "holds").holds() == ()


def test_eight_threads_from_cold_registers_with_a_dead_bus_now_and_then(
    simulated: SimulatedBoard, tmp_path: Path
) -> None:
    board = Board(load_board(tmp_path / "b1.toml"), tmp_path)
    board.expander.registers()
    simulated.ctl("fault", "nack", "expander", 2)
    threads = [threading.Thread(target=operate, args=(board, tmp_path, line)) for line in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_every_line_moved_by_its_own_command_only(simulated, range(8))
    board.close()


def test_a_line_that_somebody_else_moves_meanwhile_stays_where_they_put_it(
    simulated: SimulatedBoard, tmp_path: Path
) -> None:
    changes: list[ForeignChange] = []
    board = Board(load_board(tmp_path / "b1.toml"), tmp_path, changes.append)
    for line in (5, 7):
        operate(board, tmp_path, line)
    registers = board.expander.registers()
    assert registers is not None
    simulated.ctl("foreign-write", OUTPUT, registers.outputs & ~(1 << 7))
    threads = [threading.Thread(target=operate, args=(board, tmp_path, line)) for line in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry["level"] for entry in simulated.edges(7)] == [0, 1] * 3 + [0]
    assert [change.lines for change in changes] == [(7,)]
    board.close()
