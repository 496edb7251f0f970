"""The stand-in for rpiboot, and a SOM brought into reach as the portal does it: the board is a process of its own."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.endpoints import open_usb_port, use_simulated_hands
from hardware.errors import TargetRefused
from hardware.flash.usbport import UsbState
from hardware.simulator.control import CtlError
from hardware.simulator.testing import SimulatedBoard

SLOT, SCALE = 2, 20.0
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedBoard]:
    monkeypatch.setenv("NANOPORTAL_TIME_SCALE", str(SCALE))
    with SimulatedBoard(tmp_path, time_scale=SCALE) as board:
        yield board


@pytest.fixture
def rpiboot(board: SimulatedBoard) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "hardware.simulator", "rpiboot", "--data", str(board.data)]
    own = ["-d", "/usr/share/rpiboot/mass-storage-gadget64", "-p", "1-1.2", "-v"]
    process = subprocess.Popen([*command, *own], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    process.kill()
    process.wait()


def restart(board: SimulatedBoard, slot: int = SLOT) -> None:
    """Press for a second of the board's time: a CM4 starts anew, a CM5 that was off starts."""
    board.ctl("foreign-write", "0x01", hex(0xFF & ~(1 << slot)))
    board.ctl("foreign-write", "0x03", "0x00")
    time.sleep(1 / SCALE)
    board.ctl("foreign-write", "0x01", "0xFF")


def line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    while not (said := process.stdout.readline()).startswith(start):
        assert said, f"rpiboot never said {start!r}"


def test_rpiboot_waits_for_its_own_boot_rom_and_makes_it_a_disk(
    board: SimulatedBoard, rpiboot: subprocess.Popen[str]
) -> None:
    line(rpiboot, "Waiting for")
    use_simulated_hands(board.usb[4], 4, is_holding=True)
    restart(board, 4)  # another slot's
    board.wait_until(lambda state: state["slots"]["4"]["usb"]["device"] == "0a5c:2712")
    time.sleep(0.2)
    assert rpiboot.poll() is None
    use_simulated_hands(board.usb[SLOT], SLOT, is_holding=True)
    restart(board)
    line(rpiboot, "Sending bootcode4.bin")
    line(rpiboot, "Second stage boot server done")
    assert rpiboot.wait(5) == 0
    board.wait_until(lambda state: state["slots"][str(SLOT)]["usb"]["disks"] == ["simda"])
    assert board.slot(4)["usb"]["device"] == "0a5c:2712"


def test_rpiboot_waits_on_when_the_boot_rom_goes_away(tmp_path: Path) -> None:
    # At the pace of real time, so that there is time to pull the cable.
    with SimulatedBoard(tmp_path, time_scale=1) as board:
        use_simulated_hands(board.usb[SLOT], SLOT, is_holding=True)
        restart(board)
        command = [sys.executable, "-m", "hardware.simulator", "rpiboot", "--data", str(board.data), "-p", "1-1.2"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            line(process, "Sending")
            board.ctl("usb", SLOT, "unplug")
            line(process, "The device went away: No boot ROM waits at 1-1.2.")
            line(process, "Waiting for")
            assert process.poll() is None
            process.kill()


def test_the_portals_own_code_brings_a_som_into_reach_and_writes_to_it(board: SimulatedBoard) -> None:
    clock, said = SystemClock(), list[str]()
    board.ctl("nvme", SLOT)
    port = open_usb_port(board.usb[SLOT])
    assert port.look().state is UsbState.EMPTY
    use_simulated_hands(board.usb[SLOT], SLOT, is_holding=True)
    restart(board)
    assert port.await_boot_rom("0a5c:2711", clock).state is UsbState.BOOT_ROM
    port.start_storage(clock, threading.Event(), said.append)
    emmc, nvme = port.await_storage(clock)
    assert emmc.identity.size_bytes < nvme.identity.size_bytes
    assert "Second stage boot server done" in said
    target = port.open(emmc.identity)
    target.write(0, memoryview(b"flashed"))
    target.close()
    use_simulated_hands(board.usb[SLOT], SLOT, is_holding=False)
    restart(board)
    board.wait_until(lambda state: state["slots"][str(SLOT)]["boot"] == "stopped")
    assert port.look().state is UsbState.EMPTY


def test_hands_that_the_board_does_not_have_are_refused_in_one_sentence(board: SimulatedBoard, tmp_path: Path) -> None:
    with pytest.raises(TargetRefused, match=r"^A LM3H shows its storage only in slot 1\.$"):
        use_simulated_hands(board.usb[6], 6, is_holding=True)
    with pytest.raises(TargetRefused, match=r"^No simulated board answers in "):
        use_simulated_hands(f"sim:{tmp_path}/nowhere#1-1.2", SLOT, is_holding=True)


def test_hands_hold_boot_and_press_reset_for_slot_1(board: SimulatedBoard) -> None:
    use_simulated_hands(board.usb[1], 1, is_holding=True, presses_reset=True)
    board.wait_until(lambda state: state["slots"]["1"]["usb"]["device"] == "1f3a:1010")
    use_simulated_hands(board.usb[1], 1, is_holding=False, presses_reset=True)
    board.wait_until(lambda state: state["slots"]["1"]["boot"] == "login")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["boot-button", 2, "push"], "It is hold or release, not 'push'."),
        (["usb", 2, "in"], "It is plug or unplug, not 'in'."),
        (["media", 2, "emmc", "much"], "BYTES is a whole number, not 'much'."),
        (["boot-files", "1-1.2"], "No boot ROM waits at 1-1.2."),
    ],
)
def test_what_hands_cannot_do_ends_with_one_sentence(
    board: SimulatedBoard, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CtlError) as refusal:
        board.ctl(*arguments)
    assert str(refusal.value) == sentence


def test_nothing_of_the_usb_side_stays_behind_a_board_that_was_never_written_to(board: SimulatedBoard) -> None:
    use_simulated_hands(board.usb[SLOT], SLOT, is_holding=True)
    restart(board)
    board.wait_until(lambda state: state["slots"][str(SLOT)]["usb"]["device"] == "0a5c:2711")
    board.stop()
    assert [path.name for path in board.directory.iterdir()] == ["simulator.lock"]
