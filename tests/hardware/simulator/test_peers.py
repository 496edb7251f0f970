"""Real systems behind the simulated board's UARTs: Debian's U-Boot, and Debian's Linux with busybox, in QEMU."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hardware.flash.disks import find_disks
from hardware.simulator.disk import open_disk
from hardware.simulator.testing import SimulatedBoard
from tests.bootable import make_bootable

ROOT = Path(__file__).resolve().parents[3]
LINUX, U_BOOT = 2, 5  # slots with a level line: releasing it is power
OUTPUT, CONFIGURATION = "0x01", "0x03"

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    peers = {LINUX: "linux", U_BOOT: "u-boot"}
    with SimulatedBoard(tmp_path_factory.mktemp("data"), time_scale=20, peers=peers) as board:
        yield board


def open_uart(board: SimulatedBoard, slot: int) -> serial.Serial:
    return serial.Serial(str(board.uarts[slot]), 115200, timeout=20, exclusive=True)


def power(board: SimulatedBoard, slot: int, level: int) -> None:
    board.ctl("foreign-write", OUTPUT, hex(0xFF if level else 0xFF & ~(1 << slot)))
    board.ctl("foreign-write", CONFIGURATION, "0x00")


def power_on(board: SimulatedBoard, slot: int) -> None:
    power(board, slot, 0)
    power(board, slot, 1)


def pid(board: SimulatedBoard, slot: int) -> int | None:
    found: int | None = board.slot(slot)["peer"]["pid"]
    return found


def is_alive(process: int | None) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_peer_has_no_process_while_its_slot_is_off(board: SimulatedBoard) -> None:
    power(board, U_BOOT, 0)
    assert board.slot(U_BOOT)["peer"] == {"kind": "u-boot", "pid": None}
    assert "peer" not in board.slot(3)


def test_power_boots_a_real_boot_loader_each_time_anew_and_no_power_ends_it(board: SimulatedBoard) -> None:
    with open_uart(board, U_BOOT) as uart:
        for _ in range(2):
            power_on(board, U_BOOT)
            assert b"U-Boot 20" in uart.read_until(b"Hit any key to stop autoboot")
            uart.write(b"\r")
            assert uart.read_until(b"\n=> ").endswith(b"\n=> ")
            process = pid(board, U_BOOT)
            assert is_alive(process)
            power(board, U_BOOT, 0)
            assert pid(board, U_BOOT) is None
            assert not is_alive(process)
        uart.timeout = 0.2
        uart.read(64)
        assert uart.read(1) == b"", "nothing speaks without power"


def test_power_boots_a_real_linux_that_hears_a_break_and_can_switch_itself_off(board: SimulatedBoard) -> None:
    with open_uart(board, LINUX) as uart:
        power_on(board, LINUX)
        log = uart.read_until(b"login: ")
        assert b"Booting Linux on physical CPU" in log
        assert b"CM4" not in log, "no boot is played where a real one takes place"
        assert board.slot(LINUX)["boot"] == "peer"
        for _ in range(2):  # a second one finds the monitor's line emptied
            Path(f"{board.uarts[LINUX]}.break").write_bytes(b"\0")
            uart.write(b"h")
            assert b"sysrq: HELP" in uart.read_until(b"sysrq: HELP")
        assert {"slot": LINUX, "uart": "break"}.items() <= board.trace()[-1].items()
        uart.write(b"root\r")
        uart.read_until(b"Password: ")
        uart.write(b"nanoportal\r")
        uart.read_until(b"# ")
        uart.write(b"poweroff -f\r")
        board.wait_until(lambda state: state["slots"][str(LINUX)]["power"] == "Off")
        assert pid(board, LINUX) is None


def test_a_real_boot_loader_boots_what_was_written_to_the_soms_storage(tmp_path: Path) -> None:
    image = make_bootable(tmp_path / "image", {"user-data": b'#cloud-config\nhostname: "kestrel"\n'})
    with SimulatedBoard(tmp_path / "a, b", time_scale=20, peers={LINUX: "u-boot"}) as board:
        board.ctl("boot-button", LINUX, "hold")
        board.ctl("usb", LINUX, "plug")
        power_on(board, LINUX)
        board.wait_until(lambda state: state["slots"][str(LINUX)]["usb"]["device"] == "0a5c:2711")
        assert pid(board, LINUX) is None, "nothing runs on a SOM that waits for boot files"
        board.ctl("boot-files", "1-1.2")
        board.wait_until(lambda state: state["slots"][str(LINUX)]["usb"]["disks"])
        sys_directory = board.directory / "sys"
        (disk,) = find_disks(sys_directory)
        target = open_disk(disk.identity, sys=sys_directory)
        target.write(0, memoryview(image.read_bytes()))
        target.sync()
        target.close()
        board.ctl("boot-button", LINUX, "release")
        with open_uart(board, LINUX) as uart:
            power_on(board, LINUX)
            assert board.slot(LINUX)["boot"] == "peer"
            said = uart.read_until(b"kestrel")
        assert b"flashed storage speaks" in said
        assert said.endswith(b'hostname: "kestrel')


def test_a_peer_that_nobody_hears_goes_on_and_what_it_said_is_counted(board: SimulatedBoard) -> None:
    power(board, LINUX, 0)
    before = board.slot(LINUX)["uart"]
    power_on(board, LINUX)

    def spoke(state: dict) -> bool:  # type: ignore[type-arg]
        after = state["slots"][str(LINUX)]["uart"]
        return sum(after[way] - before[way] for way in ("sent", "dropped")) > 10_000

    board.wait_until(spoke, 20)
    power(board, LINUX, 0)


def test_a_shutdown_and_a_loss_of_mains_end_it_and_a_panic_is_left_to_the_real_system(board: SimulatedBoard) -> None:
    power_on(board, U_BOOT)
    with pytest.raises(Exception, match="make it panic over its console"):
        board.ctl("os", U_BOOT, "panic")
    board.ctl("os", U_BOOT, "shutdown")
    board.wait_until(lambda state: state["slots"][str(U_BOOT)]["power"] == "Off")
    assert pid(board, U_BOOT) is None
    power_on(board, U_BOOT)
    assert is_alive(pid(board, U_BOOT))
    board.ctl("mains-cycle")
    assert pid(board, U_BOOT) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_peer_never_outlives_the_board(tmp_path: Path, number: signal.Signals) -> None:
    with SimulatedBoard(tmp_path, time_scale=20, peers={U_BOOT: "u-boot"}) as board:
        power_on(board, U_BOOT)
        process = pid(board, U_BOOT)
        assert is_alive(process)
        os.kill(board.pid, number)
        deadline = time.monotonic() + 5
        while is_alive(process):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("word", ["3=windows", "1=linux", "u-boot", "8=u-boot"])
def test_a_peer_that_does_not_exist_is_refused_in_one_sentence(tmp_path: Path, word: str) -> None:
    command = [sys.executable, "-m", "hardware.simulator", "--data", str(tmp_path), "--peer", word]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    expected = f"A peer is SLOT=u-boot or SLOT=linux with a slot that has a UART, not {word!r}.\n"
    assert ended.stderr == expected


def test_a_peer_without_qemu_is_refused_with_the_package_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hardware.simulator", "--data", str(tmp_path), "--peer", "2=u-boot"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False, env=environment)
    assert ended.stderr == (
        "A peer needs qemu-system-aarch64; on Debian: apt-get install qemu-system-arm u-boot-qemu\n"
    )
