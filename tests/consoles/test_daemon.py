"""The console daemon: it reads whatever comes, and says what it has seen."""

import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consoles.daemon import Daemon
from consoles.desk import Outside
from consoles.lines import AWAY, PRINTS, SILENT, Line
from hardware.simulator.uart import Uart
from tests.portal import wait_for

SOON = 10.0


class Running:
    """A daemon in a thread, and all that it has said."""

    def __init__(self, *paths: Path, scale: float = 20.0) -> None:
        self.lines = [Line("b1", slot, str(path), 115_200) for slot, path in enumerate(paths, 2)]
        self.said: list[tuple[int, str]] = []
        self.may_report = threading.Event()
        self.may_report.set()
        self.report: Callable[[list[tuple[Line, str]]], None] = self.note
        outside = Outside(lambda news: self.report(news))
        self.daemon = Daemon(self.lines, outside, lambda: datetime.now(UTC), scale)
        self.raised: Exception | None = None
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        try:
            self.daemon.run()
        except Exception as error:
            self.raised = error

    def note(self, news: list[tuple[Line, str]]) -> None:
        self.may_report.wait(SOON)
        self.said += [(line.slot, words) for line, words in news]

    def wait_open(self) -> None:
        """What arrived before a port was opened is nobody's."""
        wait_for(lambda: all(line.port for line in self.lines), SOON, "the ports to be opened")

    def wait_said(self, slot: int, words: str) -> None:
        wait_for(lambda: (slot, words) in self.said, SOON, f"{words!r} of slot {slot}, among {self.said}")


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(*paths: Path, **more: float) -> Running:
        started.append(Running(*paths, **more))
        started[-1].thread.start()
        return started[-1]

    yield run
    for running in started:
        running.may_report.set()
        running.daemon.stop.set()
        running.thread.join(SOON)
        assert not running.thread.is_alive()


@pytest.fixture
def som(tmp_path: Path) -> Iterator[int]:
    """The far end of a UART at tmp_path/som, as a system that waits until its bytes are taken."""
    master, slave = os.openpty()
    tty.setraw(slave)
    (tmp_path / "som").symlink_to(os.ttyname(slave))
    yield master
    os.close(slave)
    os.close(master)


@pytest.fixture
def uart(tmp_path: Path) -> Iterator[Uart]:
    """A UART that can be unplugged."""
    uart = Uart(tmp_path / "uart")
    yield uart
    uart.unplug()


def flood(master: int, megabytes: int) -> float:
    """Write that much, waiting wherever the line is full; returns the seconds that it took."""
    began = time.monotonic()
    for _ in range(megabytes * 256):
        data = b"0123456789abcdef" * 256
        while data:
            data = data[os.write(master, data) :]
    return time.monotonic() - began


def test_a_system_that_prints_without_end_never_waits_and_the_other_lines_are_heard_as_well(
    tmp_path: Path, start: Callable[..., Running], som: int, uart: Uart
) -> None:
    running = start(tmp_path / "som", tmp_path / "uart")
    running.wait_open()
    writer = threading.Thread(target=flood, args=(som, 16))
    writer.start()
    uart.send(b"login: ")
    running.wait_said(3, PRINTS)
    writer.join(60)
    assert not writer.is_alive()
    wait_for(lambda: running.lines[0].bytes_read == 16 * 2**20, SOON, "every byte")
    running.wait_said(2, PRINTS)
    assert uart.dropped_bytes == 0


def test_a_system_does_not_wait_for_evidence_that_cannot_be_written(
    tmp_path: Path, start: Callable[..., Running], som: int
) -> None:
    running = start(tmp_path / "som")
    running.wait_open()
    running.may_report.clear()
    assert flood(som, 4) < SOON
    wait_for(lambda: running.lines[0].bytes_read == 4 * 2**20, SOON, "every byte")
    running.may_report.set()
    running.wait_said(2, PRINTS)


def test_a_port_that_vanishes_is_said_to_be_away_and_heard_again_once_it_is_back(
    tmp_path: Path, start: Callable[..., Running], uart: Uart
) -> None:
    running = start(tmp_path / "uart")
    running.wait_said(2, SILENT)
    uart.unplug()
    running.wait_said(2, AWAY)
    running.said.clear()
    uart.plug()
    running.wait_said(2, SILENT)
    uart.send(b"$ ")
    running.wait_said(2, PRINTS)
    assert (2, AWAY) not in running.said


def test_a_port_that_is_not_there_is_said_to_be_away_once_and_not_at_every_try(
    tmp_path: Path, start: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    running = start(tmp_path / "nowhere", scale=100.0)
    running.wait_said(2, AWAY)
    first_try = running.lines[0].retry_at
    wait_for(lambda: running.lines[0].retry_at > first_try, SOON, "another try")
    assert running.said == [(2, AWAY)]
    assert caplog.text.count("nowhere") == 1


def test_noise_that_nobody_could_read_is_no_sign_of_life(
    tmp_path: Path, start: Callable[..., Running], uart: Uart
) -> None:
    running = start(tmp_path / "uart")
    running.wait_open()
    uart.send(bytes([0x00, 0xFF, 0x1B, 0x0D, 0x0A]))
    wait_for(lambda: running.lines[0].bytes_read == 5, SOON, "the noise to be read")
    running.said.clear()
    running.wait_said(2, SILENT)
    assert running.lines[0].printed_at is None
    uart.send(b"~")
    running.wait_said(2, PRINTS)


def test_a_daemon_that_can_no_longer_tell_ends_instead_of_draining_in_silence(
    tmp_path: Path, start: Callable[..., Running], uart: Uart
) -> None:
    running = start(tmp_path / "uart")
    running.wait_said(2, SILENT)
    fault = RuntimeError("a bug")

    def fail(news: list[tuple[Line, str]]) -> None:
        raise fault

    running.report = fail
    uart.send(b"$ ")
    running.thread.join(SOON)
    assert running.raised is fault
    assert running.lines[0].port is None
