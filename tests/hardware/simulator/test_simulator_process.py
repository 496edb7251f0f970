"""The simulated board as a process: start, stop, clients, `ctl`, and what happens when it goes away."""

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.simulator.client import SimulatedSMBus
from hardware.simulator.control import CtlError
from hardware.simulator.testing import SimulatedBoard

ROOT = Path(__file__).resolve().parents[3]
OUTPUT, CONFIGURATION = 0x01, 0x03


@pytest.fixture
def board(tmp_path: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path, time_scale=1) as board:
        yield board


def simulator(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hardware.simulator", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_its_first_line_is_its_addresses(tmp_path: Path) -> None:
    board = SimulatedBoard(tmp_path, name="b1")
    with board:
        directory = tmp_path / "sim" / "b1"
        assert board.address == f"sim:{directory}/i2c.sock"
        assert board.uarts == {slot: directory / f"uart-{slot}" for slot in range(2, 8)}
        assert board.process is not None
        assert board.pid == board.process.pid
        assert stat.S_IMODE((directory / "i2c.sock").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_on_term_and_on_ctrl_c(board: SimulatedBoard, number: signal.Signals) -> None:
    process = board.process
    assert process is not None
    process.send_signal(number)
    assert process.wait(5) == 0
    assert [path.name for path in board.directory.iterdir()] == ["simulator.lock"]


def test_a_second_one_on_the_same_data_names_the_first(board: SimulatedBoard) -> None:
    second = simulator("--data", str(board.data))
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == f"A simulated board runs in {board.directory} already, as process {board.pid}.\n"
    assert board.state()["board"] == "demo", "the first one is unharmed"


def test_several_boards_share_a_data_directory(board: SimulatedBoard) -> None:
    with SimulatedBoard(board.data, name="b2") as other:
        other.ctl("remove", 2)
        assert other.slot(2)["type"] is None
        assert board.slot(2)["type"] == "CM4"


def test_sockets_of_a_killed_one_are_replaced(board: SimulatedBoard) -> None:
    board.kill()
    assert (board.directory / "i2c.sock").exists()
    with pytest.raises(CtlError, match="No simulated board answers"):
        board.ctl("state")
    board.start()
    assert board.state()["simulated"] is True


def test_a_long_path_moves_the_sockets_to_a_private_directory(tmp_path: Path) -> None:
    board = SimulatedBoard(tmp_path / ("d" * 60) / ("e" * 60))
    with board, board.smbus() as smbus:
        place = Path(board.address.removeprefix("sim:"))
        assert len(str(place)) <= 100
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert (board.directory / "i2c.sock.path").read_text() == f"{place}\n"
        assert smbus.read_byte_data(0x18, CONFIGURATION) == 0xFF
        assert board.state()["board"] == "demo"
        board.kill()
        board.start()
        assert board.address == f"sim:{place}", "a killed one's private directory is used again"
        assert board.state()["board"] == "demo"
    assert not place.parent.exists()
    assert [path.name for path in board.directory.iterdir()] == ["simulator.lock"]


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--board", "../b1"], {}, "A board's name has lower-case letters, digits, - and _ only, not '../b1'.\n"),
        ([], {"NANOPORTAL_TIME_SCALE": "fast"}, "NANOPORTAL_TIME_SCALE is a positive number, not 'fast'.\n"),
        ([], {"NANOPORTAL_TIME_SCALE": "0"}, "NANOPORTAL_TIME_SCALE is a positive number, not '0'.\n"),
        (["--trace", "/dev/full"], {}, "The simulated board cannot use /dev/full: No space left on device.\n"),
        (
            ["--trace", "/proc/no/trace"],
            {},
            "The simulated board cannot use /proc/no/trace: No such file or directory.\n",
        ),
    ],
)
def test_a_wrong_command_line_ends_with_one_sentence(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    ended = simulator("--data", str(tmp_path), *arguments, **environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", sentence)


def test_the_trace_is_on_disk_before_the_call_returns_and_grows_over_restarts(board: SimulatedBoard) -> None:
    with board.smbus() as smbus:
        before = time.monotonic()
        smbus.write_byte_data(0x18, OUTPUT, 0xFE)
        entry = board.trace()[-1]
        assert before <= entry.pop("t") <= time.monotonic()
        assert entry == {"bus": "i2c", "addr": "0x18", "op": "w", "data": "01fe"}
    entries = len(board.trace())
    board.stop()
    board.start()
    assert len(board.trace()) > entries


def test_clients_of_several_processes_and_threads_never_mix_their_answers(board: SimulatedBoard) -> None:
    child = (
        "import sys; from hardware.simulator.client import SimulatedSMBus\n"
        "smbus = SimulatedSMBus(sys.argv[1])\n"
        "for _ in range(300): assert smbus.read_byte_data(0x18, 3) == 0xFF and smbus.read_byte_data(0x18, 2) == 0xF0\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", child, board.address], cwd=ROOT) for _ in range(2)]
    wrong: list[int] = []
    with board.smbus() as shared:

        def read(register: int, expected: int) -> None:
            wrong.extend(value for _ in range(300) if (value := shared.read_byte_data(0x18, register)) != expected)

        threads = [threading.Thread(target=read, args=pair) for pair in ((0, 0x0F), (1, 0x00), (2, 0xF0), (3, 0xFF))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [process.wait(20) for process in children] == [0, 0]
    assert wrong == []
    assert sum("bus" in entry for entry in board.trace()) == 2 * 600 + 4 * 300


def test_a_client_survives_a_restart_of_the_board_without_failing_a_call(board: SimulatedBoard) -> None:
    smbus = board.smbus()
    smbus.write_byte_data(0x18, OUTPUT, 0x12)
    board.stop()
    with pytest.raises(FileNotFoundError):
        smbus.read_byte_data(0x18, OUTPUT)
    board.start()
    assert smbus.read_byte_data(0x18, OUTPUT) == 0x00, "a restarted board has its power-up registers"
    board.kill()
    board.start()
    assert smbus.read_byte_data(0x18, CONFIGURATION) == 0xFF
    smbus.close()


def test_a_transfer_that_is_cut_off_fails_and_is_not_sent_again(board: SimulatedBoard) -> None:
    board.ctl("fault", "slow", 3)
    failures: list[OSError] = []

    def write() -> None:
        with board.smbus() as smbus:
            try:
                smbus.write_byte_data(0x18, OUTPUT, 0xFF)
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.3)
    board.kill()
    thread.join(5)
    assert [failure.errno for failure in failures] in ([errno.EIO], [errno.ECONNRESET])
    board.start()
    assert not any("bus" in entry for entry in board.trace())


def test_opening_a_board_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SimulatedSMBus(f"sim:{tmp_path}/i2c.sock")


def test_a_client_that_talks_nonsense_is_cut_off_and_the_board_serves_on(board: SimulatedBoard) -> None:
    for path, nonsense in ((board.address[4:], b"\x01\xff\x00\x00\x01\x00"), (board.control_path, b"x" * 100_000)):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(nonsense)
            assert client.recv(1) == b""
    assert board.state()["board"] == "demo"


def test_a_request_that_is_no_json_gets_a_sentence(board: SimulatedBoard) -> None:
    for request in (b"state\n", b"[]\n", b'{"verb": "state"}\n', b'{"verb": "state", "arguments": 1}\n', b"\xff\n"):
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
            client.settimeout(5)
            client.connect(str(board.control_path))
            client.sendall(request)
            assert "is not a JSON object" in json.loads(answers.readline())["error"]


def test_a_slow_bus_delays_transfers_and_nothing_else(board: SimulatedBoard) -> None:
    board.ctl("fault", "slow", 0.3)
    done: list[float] = []

    def read() -> None:
        with board.smbus() as smbus:
            smbus.read_byte_data(0x18, OUTPUT)
        done.append(time.monotonic())

    started = time.monotonic()
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    board.state()
    assert time.monotonic() - started < 0.25, "ctl does not wait for the bus"
    for thread in threads:
        thread.join()
    assert done[0] - started >= 0.3
    assert done[1] - started >= 0.6, "one transfer waits for the other"


def test_a_hanging_bus_times_out_as_on_linux_until_it_is_cleared(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path, time_scale=10) as board, board.smbus() as smbus:
        board.ctl("fault", "bus-hang")
        with pytest.raises(TimeoutError) as error:
            smbus.read_byte_data(0x18, OUTPUT)
        assert error.value.errno == errno.ETIMEDOUT
        assert not any("bus" in entry for entry in board.trace())
        board.ctl("clear", "bus-hang")
        assert smbus.read_byte_data(0x18, OUTPUT) == 0x00


def test_time_scale_divides_the_times_of_the_soms(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path, time_scale=20) as board, board.smbus() as smbus:
        smbus.write_byte_data(0x18, OUTPUT, 0b1111_0111)
        smbus.write_byte_data(0x18, CONFIGURATION, 0b1111_0111)
        time.sleep(8 / 20)
        smbus.write_byte_data(0x18, OUTPUT, 0xFF)
        state = board.state()["slots"]["3"]
        assert (state["power"], state["latched"]) == ("Off", True)
        assert board.powers(3) == ["On", "Off"]
        on, off = (entry["t"] for entry in board.trace() if entry.get("slot") == 3)
        assert 7.0 < (off - on) * 20 < 8.0


def test_ctl_prints_json_and_ends_with_0(board: SimulatedBoard) -> None:
    ended = simulator("ctl", "--data", str(board.data), "state")
    assert (ended.returncode, ended.stderr) == (0, "")
    state = json.loads(ended.stdout)
    assert state["lines"] == {str(line): 1 for line in range(8)}
    assert state["outputs"] == []
    ended = simulator("ctl", "--data", str(board.data), "--board", "demo", "fault", "nack", "expander", "2")
    assert json.loads(ended.stdout) == {"name": "nack", "target": "expander", "times_left": 2}
    assert [entry["fault"] for entry in board.trace() if "fault" in entry] == ["nack"]


def test_ctl_finds_the_board_by_the_environment(board: SimulatedBoard) -> None:
    ended = simulator("ctl", "dump", "expander", NANOPORTAL_DATA=str(board.data))
    assert json.loads(ended.stdout)["0x02"] == ["0xF0"]


@pytest.mark.parametrize(
    ("arguments", "start_of_sentence"),
    [
        (["fault", "gremlin"], "There is no fault 'gremlin'; there are nack, "),
        (["clear", "gremlin"], "There is no fault 'gremlin'; there are nack, "),
        (["reboot"], "There is no command 'reboot'; there are state, "),
        (["insert", "7"], "The command is called with: insert SLOT TYPE."),
        (["insert", "8", "CM4"], "SLOT is a number from 1 to 7, not '8'."),
        (["insert", "2", "CM4"], "Slot 2 holds a CM4 already."),
        (["dump", "fan"], "CHIP is expander or switch, not 'fan'."),
        (["foreign-write", "1", "256"], "A register or value is a number from 0 to 0xff, not '256'."),
        (["foreign-write", "9", "0"], "The expander did not take the write: "),
        (["os", "2", "sleep"], "A system can hang, panic or shutdown, not 'sleep'."),
    ],
)
def test_what_ctl_cannot_do_ends_with_one_sentence(
    board: SimulatedBoard, arguments: list[str], start_of_sentence: str
) -> None:
    with pytest.raises(CtlError) as refusal:
        board.ctl(*arguments)
    assert str(refusal.value).startswith(start_of_sentence)
    assert "\n" not in str(refusal.value)


def test_ctl_without_a_board_ends_with_one_sentence_and_1(tmp_path: Path) -> None:
    ended = simulator("ctl", "--data", str(tmp_path), "state")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == f"No simulated board answers in {tmp_path}/sim/demo: No such file or directory.\n"


def test_ctl_offers_no_command_that_does_not_work(board: SimulatedBoard) -> None:
    help_text = simulator("ctl", "--help").stdout
    for verb in (
        "state",
        "dump",
        "fault",
        "clear",
        "insert",
        "remove",
        "os",
        "overrun",
        "mains-cycle",
        "frame",
        "link",
        "assume",
        "foreign-write",
    ):
        assert f"  {verb}" in help_text
    assert "stuck LINE LEVEL" in board.ctl("fault")


def test_a_foreign_write_is_on_the_bus_like_any_other(board: SimulatedBoard) -> None:
    board.ctl("foreign-write", "0x01", "0xFF")
    assert board.ctl("foreign-write", 3, 0x7F) == {
        "0x00": ["0x0F"],
        "0x01": ["0xFF"],
        "0x02": ["0xF0"],
        "0x03": ["0x7F"],
    }
    entry = board.trace()[-1]
    assert (entry["op"], entry["data"], entry["foreign"]) == ("w", "037f", True)


def test_the_board_knows_no_driver_and_loads_nothing_large() -> None:
    listing = "import sys, hardware.simulator.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    ours = {name for name in modules if name.startswith("hardware.")}
    assert {name for name in ours if not name.startswith("hardware.simulator")} == set()
    assert modules.isdisjoint({"asyncio", "dataclasses", "smbus2", "subprocess", "tempfile"})


def test_a_board_that_was_held_up_still_tells_a_long_press_from_a_short_one(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path, time_scale=20) as board, board.smbus() as smbus:
        smbus.write_byte_data(0x18, OUTPUT, 0b1111_0111)
        smbus.write_byte_data(0x18, CONFIGURATION, 0b1111_0111)
        os.kill(board.pid, signal.SIGSTOP)
        release = threading.Thread(target=smbus.write_byte_data, args=(0x18, OUTPUT, 0xFF))
        release.start()
        time.sleep(9 / 20)
        os.kill(board.pid, signal.SIGCONT)
        release.join()
        assert board.slot(3)["latched"] is True


def test_an_idle_board_uses_no_processor_time(board: SimulatedBoard) -> None:
    times = Path(f"/proc/{board.pid}/stat").read_text().split()[13:15]
    time.sleep(0.5)
    assert Path(f"/proc/{board.pid}/stat").read_text().split()[13:15] == times
