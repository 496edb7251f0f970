"""The terminal is as it was afterwards, however the program ends; and somebody can always leave."""

import contextlib
import os
import select
import signal
import socket
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nanoportal_client.problems import Exit
from nanoportal_client.terminal import Terminal
from tests.client.rig import Sitting, environment
from tests.portal import wait_for


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Callable[..., Sitting]]:
    """At a portal that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        yield lambda *words: Sitting(tmp_path, environment(url, "np_x"), *words, screen=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_console_that_is_ended_from_outside(sit, number: int) -> None:
    with sit("console", "demo/2") as olga:
        wait_for(lambda: olga.is_raw, 20, "the terminal to be raw")
        olga.send(number)
        assert olga.ended() == 128 + number


def test_a_console_that_is_still_being_connected_is_left_by_ctrl_c(sit) -> None:
    with sit("console", "demo/2") as olga:
        wait_for(lambda: olga.is_raw, 20, "the terminal to be raw")
        olga.type(b"\x03")
        assert olga.ended(8) == Exit.INTERRUPTED


def test_letters_show_again_when_the_program_is_ended_at_the_question_for_a_token(sit) -> None:
    with sit("configure") as olga:
        olga.until("Address")
        olga.type(b"http://127.0.0.1:1\n")
        olga.until("Token")
        olga.send(signal.SIGTERM)
        assert olga.ended() == 128 + signal.SIGTERM


@pytest.fixture
def terminal() -> Iterator[tuple[Terminal, int, int]]:
    keyboard, theirs = os.openpty()
    yield Terminal(theirs, theirs), keyboard, theirs
    os.close(keyboard)
    os.close(theirs)


def test_a_fault_puts_the_terminal_right_too(terminal: tuple[Terminal, int, int]) -> None:
    tested, _, theirs = terminal
    before = termios.tcgetattr(theirs)
    with contextlib.suppress(ZeroDivisionError), tested.raw():
        assert not termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ISIG | termios.ICANON)
        raise ZeroDivisionError
    assert termios.tcgetattr(theirs) == before


def test_a_terminal_that_was_closed_meanwhile_is_no_fault() -> None:
    keyboard, theirs = os.openpty()
    with Terminal(theirs, theirs).raw():
        os.close(keyboard)
        select.select([theirs], [], [], 1)
    os.close(theirs)
