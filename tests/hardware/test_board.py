"""From an address to a part: real and simulated are told apart by it and by nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware import endpoints
from hardware.board import Board
from hardware.boardspec import load_board
from hardware.contracts import ForeignChange, Level
from hardware.errors import BusUnavailable, DeviceNotFound
from hardware.expander import OUTPUT, Pca9557
from hardware.simulator.testing import SimulatedBoard

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path_factory.mktemp("sim")) as board:
        yield board


def board_file(tmp_path: Path, bus: str, more: str = "") -> Path:
    path = tmp_path / "b1.toml"
    path.write_text(f'[i2c]\nbus = "{bus}"\nexpander = "0x18"\n{more}')
    return path


@pytest.fixture
def board(simulated: SimulatedBoard, tmp_path: Path) -> Iterator[Board]:
    address = simulated.address
    board = Board(load_board(board_file(tmp_path, address, f'[switch]\nbus = "{address}"\n')), tmp_path)
    yield board
    board.close()


def test_making_a_board_opens_nothing(tmp_path: Path) -> None:
    board = Board(load_board(board_file(tmp_path, "/dev/i2c-977")), tmp_path)
    board.close()
    assert [path.name for path in tmp_path.iterdir()] == ["b1.toml"]


def test_a_simulated_board_is_driven_over_its_socket(board: Board, simulated: SimulatedBoard) -> None:
    board.expander.drive(board.line(4), Level.HIGH)
    assert simulated.state()["outputs"] == [4]
    assert board.switch.identify() == "JL6108"
    assert len(board.switch.read_links()) == 8


def test_parts_are_opened_once(board: Board) -> None:
    assert board.expander is board.expander
    assert board.switch is board.switch


def test_a_closed_board_opens_again_when_it_is_used(board: Board) -> None:
    first = board.expander
    board.close()
    assert board.expander is not first
    assert board.expander.registers() is not None


def test_another_way_to_the_expander_can_be_closed_by_itself(board: Board) -> None:
    other = board.new_expander()
    other.close()
    assert board.expander.registers() is not None


def test_lock_and_ledger_lie_in_the_data_directory(board: Board, tmp_path: Path) -> None:
    board.expander.drive(5, Level.HIGH)
    with board.lock.held():
        pass
    assert (tmp_path / "lines" / "b1.json").exists()
    assert len(list((tmp_path / "locks").iterdir())) == 1


def test_a_slot_that_does_not_exist_has_no_line(board: Board) -> None:
    with pytest.raises(KeyError):
        board.line(8)


def test_a_foreign_change_reaches_whoever_made_the_board(simulated: SimulatedBoard, tmp_path: Path) -> None:
    changes: list[ForeignChange] = []
    spec = load_board(board_file(tmp_path, simulated.address))
    board = Board(spec, tmp_path, changes.append)
    board.expander.drive(6, Level.HIGH)
    registers = board.expander.registers()
    assert registers is not None
    simulated.ctl("foreign-write", OUTPUT, registers.outputs | 0x80)
    board.expander.drive(6, Level.HIGH)
    assert [change.lines for change in changes] == [(7,)]
    board.close()


def test_a_board_without_a_switch_section_says_so(simulated: SimulatedBoard, tmp_path: Path) -> None:
    board = Board(load_board(board_file(tmp_path, simulated.address)), tmp_path)
    with pytest.raises(DeviceNotFound, match=r"A \[switch\] section in the board file of b1 was not found"):
        board.switch.read_links()


def test_a_simulated_board_that_is_away_is_not_available(tmp_path: Path) -> None:
    board = Board(load_board(board_file(tmp_path, f"sim:{tmp_path}/i2c.sock")), tmp_path)
    with pytest.raises(BusUnavailable, match="no simulated board answers"):
        board.expander.read(3)


def test_a_bus_of_this_machine_that_is_not_there_is_not_available(tmp_path: Path) -> None:
    board = Board(load_board(board_file(tmp_path, "/dev/i2c-977")), tmp_path)
    with pytest.raises(BusUnavailable, match="/dev/i2c-977"):
        board.expander.read(3)


def test_one_bus_has_one_lock_whichever_board_uses_it(tmp_path: Path) -> None:
    for address in ("/dev/i2c-1", "/dev/i2c-1", "/dev/i2c-3", "sim:/a/i2c.sock", "sim:/b/i2c.sock"):
        with endpoints.bus_lock(tmp_path, address).held():
            pass
    names = sorted(path.name for path in (tmp_path / "locks").iterdir())
    assert len(names) == 4
    assert names[:2] == ["i2c-1.lock", "i2c-3.lock"]


def test_an_expander_of_the_kernel_is_looked_for_by_its_label(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="A GPIO chip labelled nonesuch"):
        endpoints.open_expander(tmp_path, "b1", "/dev/i2c-1", "gpiochip:nonesuch")


def test_an_address_on_the_bus_is_the_register_driver(simulated: SimulatedBoard, tmp_path: Path) -> None:
    expander = endpoints.open_expander(tmp_path, "b1", simulated.address, "0x18")
    assert isinstance(expander, Pca9557)
    expander.close()


def test_nobody_pays_for_the_simulator_who_does_not_use_it() -> None:
    script = (
        "import sys\nimport hardware.board, hardware.holds, hardware.sequencer\n"
        "costly = ('hardware.simulator', 'smbus2', 'gpiod', 'serial')\n"
        "assert not [name for name in sys.modules if name.startswith(costly)]\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)
