"""UARTs of the simulated board: pseudo-terminals that behave like serial lines."""

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hardware.simulator.testing import SimulatedBoard

TIME_SCALE = 20.0


@pytest.fixture(scope="module")
def shared_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path_factory.mktemp("data"), time_scale=TIME_SCALE) as board:
        yield board


@pytest.fixture
def board(shared_board: SimulatedBoard) -> SimulatedBoard:
    """The shared board, fresh from a loss of power."""
    shared_board.ctl("clear")
    shared_board.ctl("mains-cycle")
    return shared_board


def open_uart(board: SimulatedBoard, slot: int) -> serial.Serial:
    return serial.Serial(str(board.uarts[slot]), 115200, timeout=3, exclusive=True)


def pulse(board: SimulatedBoard, line: int) -> None:
    with board.smbus() as smbus:
        smbus.write_byte_data(0x18, 0x01, 0xFF)
        smbus.write_byte_data(0x18, 0x03, 0x00)
        smbus.write_byte_data(0x18, 0x01, 0xFF & ~(1 << line))
        time.sleep(1 / TIME_SCALE)
        smbus.write_byte_data(0x18, 0x01, 0xFF)


def booted(board: SimulatedBoard, slot: int) -> serial.Serial:
    uart = open_uart(board, slot)
    pulse(board, slot)
    assert uart.read_until(b"login: ").endswith(b"login: ")
    return uart


def test_slots_2_to_7_have_a_uart_behind_a_link_and_slot_1_has_none(board: SimulatedBoard) -> None:
    assert sorted(board.uarts) == [2, 3, 4, 5, 6, 7]
    for slot, path in board.uarts.items():
        assert path == board.directory / f"uart-{slot}"
        assert os.readlink(path).startswith("/dev/pts/")


def test_a_booting_som_writes_to_its_own_uart_until_the_login_prompt(board: SimulatedBoard) -> None:
    with open_uart(board, 2) as uart, open_uart(board, 3) as other:
        other.timeout = 0
        pulse(board, 2)
        text = uart.read_until(b"login: ").decode("ascii")
        assert "CM4" in text
        assert "Booting Linux" in text
        assert text.endswith("\r\n\r\ncm4-2 login: ")
        assert other.read(1) == b""


def test_bytes_arrive_as_they_were_sent_even_if_the_reader_sets_no_terminal_modes(board: SimulatedBoard) -> None:
    # Slot 4: no other test opens this UART, and whoever opens one may leave it in other modes.
    reader = os.open(board.uarts[4], os.O_RDWR | os.O_NOCTTY)
    try:
        pulse(board, 4)
        text = b""
        while not text.endswith(b"login: ") and select.select([reader], [], [], 10)[0]:
            text += os.read(reader, 4096)
    finally:
        os.close(reader)
    assert text.startswith(b"\r\nRPi: BOOTLOADER (simulated CM5)\r\n")
    assert text.endswith(b"\r\n\r\ncm5-4 login: ")
    assert board.slot(4)["boot"] == "login"


def test_what_is_written_to_a_silent_uart_is_not_echoed(board: SimulatedBoard) -> None:
    with open_uart(board, 7) as uart:
        uart.timeout = 0.2
        uart.write(b"anybody there?\r")
        assert uart.read(100) == b""


def test_one_can_log_in_and_switch_the_system_off(board: SimulatedBoard) -> None:
    with booted(board, 5) as uart:
        uart.write(b"root\r")
        assert uart.read_until(b"Password: ") == b"root\r\nPassword: "
        uart.write(b"secret\r")
        assert uart.read_until(b"# ") == b"\r\nroot@m4n-5:~# ", "a password is not echoed"
        uart.write(b"echx\x7fo hello\r\n")
        assert uart.read_until(b"# ") == b"echx\b \bo hello\r\nhello\r\nroot@m4n-5:~# "
        uart.write(b"ls\r")
        assert b"ls: not found" in uart.read_until(b"# ")
        uart.write(b"poweroff\r")
        assert uart.read_until(b"Power down").endswith(b"Power down")
    board.wait_until(lambda state: state["slots"]["5"]["power"] == "Off")


def test_a_reboot_ends_at_the_login_prompt_again(board: SimulatedBoard) -> None:
    with booted(board, 2) as uart:
        uart.write(b"root\rx\r")
        uart.read_until(b"# ")
        seen = len(board.powers(2))
        uart.write(b"reboot\r")
        assert uart.read_until(b"login: ").endswith(b"cm4-2 login: ")
        assert board.powers(2)[seen:] == ["PoweringOff", "Off", "On"]


def test_a_hung_system_neither_answers_nor_speaks(board: SimulatedBoard) -> None:
    with booted(board, 2) as uart:
        board.ctl("os", 2, "hang")
        uart.timeout = 0.2
        uart.write(b"root\r")
        assert uart.read(100) == b""
        assert board.slot(2)["boot"] == "stopped"


def test_a_panic_is_the_last_thing_on_the_uart(board: SimulatedBoard) -> None:
    with booted(board, 2) as uart:
        board.ctl("os", 2, "panic")
        assert b"Kernel panic" in uart.read_until(b"end Kernel panic ]---\r\n")
        uart.timeout = 0.2
        uart.write(b"root\r")
        assert uart.read(100) == b""


def test_a_uart_that_nobody_reads_holds_up_nothing_and_counts_what_it_drops(board: SimulatedBoard) -> None:
    before = board.slot(2)["uart"]
    for _ in range(200):
        pulse_quickly(board, 2)
        board.ctl("os", 2, "panic")
    after = board.slot(2)["uart"]
    assert after["dropped"] > before["dropped"]
    assert after["sent"] - before["sent"] < 64 * 1024
    with open_uart(board, 2) as uart:
        uart.timeout = 0.2
        assert uart.read(100) == b"", "what came before the port was opened is gone, as on a wire"


def pulse_quickly(board: SimulatedBoard, line: int) -> None:
    board.ctl("foreign-write", "0x01", hex(0xFF & ~(1 << line)))
    board.ctl("foreign-write", "0x03", "0x00")
    board.ctl("foreign-write", "0x01", "0xff")


def test_a_uart_that_is_unplugged_fails_for_its_reader_and_comes_back(board: SimulatedBoard) -> None:
    uart = open_uart(board, 2)
    board.ctl("fault", "uart-gone", 2)
    assert not board.uarts[2].is_symlink()
    with pytest.raises((serial.SerialException, OSError)):
        uart.read(1)
    uart.close()
    board.ctl("clear", "uart-gone")
    with booted(board, 2) as again:
        again.write(b"root\r")
        assert again.read_until(b"Password: ") == b"root\r\nPassword: "


def test_a_link_left_by_a_killed_board_is_replaced(tmp_path: Path) -> None:
    board = SimulatedBoard(tmp_path).start()
    board.kill()
    assert board.uarts[2].is_symlink()
    with board, open_uart(board, 2):
        pass
    assert not board.uarts[2].is_symlink()


def test_breaks_and_overruns_go_past_the_pseudo_terminal(board: SimulatedBoard) -> None:
    Path(f"{board.uarts[3]}.break").write_bytes(b"\0")
    board.wait_until(lambda state: {"slot": 3, "uart": "break"}.items() <= board.trace()[-1].items())
    counter = Path(f"{board.uarts[3]}.overruns")
    assert counter.read_text() == "0\n"
    board.ctl("overrun", 3, 2)
    assert counter.read_text() == "2\n"
    board.ctl("fault", "uart-gone", 3)
    assert not counter.exists()
    board.ctl("clear")
    assert counter.read_text() == "2\n"
