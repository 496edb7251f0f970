"""The board file that the supervisor makes of what the simulator says about itself."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from hardware.boardspec import load_board
from nanoportal.supervisor import boards

ROOT = Path(__file__).resolve().parents[2]


def test_each_slots_uart_and_usb_socket_of_the_simulated_board_are_in_its_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hardware.simulator", "--data", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as simulator:
        assert simulator.stdout is not None
        addresses = json.loads(simulator.stdout.readline())
        simulator.terminate()
    env = SimpleNamespace(boards=tmp_path / "boards")
    boards.write_demo_file(env, addresses)
    board = load_board(boards.demo_file(env))
    place = tmp_path / "sim" / "demo"
    assert {slot: wiring.usb for slot, wiring in board.slots.items()} == {
        1: f"sim:{place}#1-2",
        **{slot: f"sim:{place}#1-1.{slot}" for slot in range(2, 8)},
    }
    assert {slot: wiring.uart for slot, wiring in board.slots.items()} == {
        1: None,
        **{slot: f"{place}/uart-{slot}" for slot in range(2, 8)},
    }
