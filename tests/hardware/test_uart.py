"""A serial port on a pseudo-terminal: bytes as they are, one owner, and an end that is told apart from silence."""

import fcntl
import os
import pty
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.errors import PortUnavailable
from hardware.uart import UartPort

TIOCGEXCL = 0x80045440  # <asm-generic/ioctls.h>


class Line:
    """A pseudo-terminal of which the port opens one end."""

    def __init__(self) -> None:
        self.far, self._near = pty.openpty()
        self.path = os.ttyname(self._near)
        tty.setraw(self._near)

    def hang_up(self) -> None:
        """What a USB adapter does that is pulled out, as far as a pseudo-terminal can."""
        for descriptor in (self.far, self._near):
            os.close(descriptor)
        self.far = self._near = -1

    def close(self) -> None:
        if self.far >= 0:
            self.hang_up()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.fixture
def port(line: Line) -> Iterator[UartPort]:
    port = UartPort(line.path, 115_200)
    yield port
    port.close()


def read_until(port: UartPort, count: int) -> bytes:
    data = b""
    deadline = time.monotonic() + 5
    while len(data) < count and time.monotonic() < deadline:
        data += port.read_available()
    return data


def test_every_byte_arrives_as_it_is(line: Line, port: UartPort) -> None:
    everything = bytes(range(256))
    os.write(line.far, everything)
    assert read_until(port, 256) == everything
    assert port.write(everything) == 256
    assert os.read(line.far, 1024) == everything


def test_silence_is_no_data_and_no_error(port: UartPort) -> None:
    assert port.read_available() == b""


def test_an_adapter_that_is_gone_is_an_error_and_not_silence(line: Line, port: UartPort) -> None:
    line.hang_up()
    with pytest.raises(PortUnavailable, match="is gone"):
        port.read_available()
    with pytest.raises(PortUnavailable, match="input/output error"):
        port.write(b"x")


def test_a_second_owner_is_told_that_the_port_is_held(line: Line, port: UartPort) -> None:
    with pytest.raises(PortUnavailable) as caught:
        UartPort(line.path, 115_200)
    assert str(caught.value) == f"The serial port {line.path} is not available: another program holds it."


def test_a_closed_port_can_be_opened_again(line: Line, port: UartPort) -> None:
    port.close()
    port.close()
    UartPort(line.path, 115_200).close()


def test_a_pseudo_terminal_gets_no_mark_that_would_outlive_a_killed_owner(port: UartPort) -> None:
    exclusive = bytearray(4)
    fcntl.ioctl(port.fileno(), TIOCGEXCL, exclusive)
    assert not any(exclusive)


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PortUnavailable, match=f"The serial port {tmp_path}/ttyUSB9 is not available: no such file"):
        UartPort(f"{tmp_path}/ttyUSB9", 115_200)


def test_a_file_that_is_no_terminal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PortUnavailable, match="is not available"):
        UartPort(str(tmp_path / "file"), 115_200)


def test_a_line_that_takes_no_more_takes_nothing_and_does_not_block(port: UartPort) -> None:
    began = time.monotonic()
    while port.write(b"x" * 4096):
        assert time.monotonic() - began < 5


def test_the_descriptor_can_be_watched(line: Line, port: UartPort) -> None:
    assert os.isatty(port.fileno())
    assert not os.get_blocking(port.fileno())


def test_the_speed_is_set(port: UartPort) -> None:
    assert termios.tcgetattr(port.fileno())[4] == termios.B115200


def test_the_speed_changes_while_the_port_is_open_and_nothing_that_has_arrived_is_lost(
    line: Line, port: UartPort
) -> None:
    os.write(line.far, b"before")
    port.set_baud(921_600)
    assert termios.tcgetattr(line.far)[4] == termios.B921600
    os.write(line.far, b" after")
    assert read_until(port, 12) == b"before after"
    assert port.read_available() == b"", "silence is still told from absence"


def test_a_speed_that_nobody_can_do_is_refused_and_the_port_stays_open(line: Line, port: UartPort) -> None:
    with pytest.raises(PortUnavailable, match="is not available"):
        port.set_baud(-1)
    os.write(line.far, b"x")
    assert read_until(port, 1) == b"x"


def test_a_break_holds_the_line_until_it_is_ended(port: UartPort) -> None:
    port.start_break()
    assert port._port.break_condition
    port.end_break()
    assert not port._port.break_condition


def test_a_break_on_a_pseudo_terminal_is_told_to_whoever_reads_the_fifo_beside_it(tmp_path: Path, line: Line) -> None:
    (tmp_path / "uart").symlink_to(line.path)
    os.mkfifo(tmp_path / "uart.break")
    port = UartPort(f"{tmp_path}/uart", 115_200)
    port.start_break()  # nobody reads: nothing happens, and nothing waits
    reader = os.open(tmp_path / "uart.break", os.O_RDONLY | os.O_NONBLOCK)
    port.start_break()
    port.end_break()
    assert os.read(reader, 16) == b"\0"
    os.close(reader)
    port.close()


def test_the_overruns_of_a_pseudo_terminal_are_counted_in_the_file_beside_it(tmp_path: Path, line: Line) -> None:
    (tmp_path / "uart").symlink_to(line.path)
    port = UartPort(f"{tmp_path}/uart", 115_200)
    assert port.overruns() is None
    (tmp_path / "uart.overruns").write_text("17\n")
    assert port.overruns() == 17
    (tmp_path / "uart.overruns").write_text("many")
    assert port.overruns() is None
    port.close()


def test_a_line_that_does_not_count_overruns_says_so(port: UartPort) -> None:
    assert port.overruns() is None
