"""The console of a booted system, character by character."""

import pytest

from hardware.simulator.login import LoginConsole


class Screen:
    """A console and what it showed and did."""

    def __init__(self) -> None:
        self.text = ""
        self.acts: list[str] = []
        self.console = LoginConsole("cm4-2", self._say, self.acts.append)

    def _say(self, text: str) -> None:
        self.text += text

    def type(self, text: bytes) -> str:
        """Type, and return what appeared in answer."""
        before = len(self.text)
        self.console.feed(text)
        return self.text[before:]


@pytest.fixture
def screen() -> Screen:
    screen = Screen()
    screen.type(b"root\rsecret\r")
    return screen


def test_an_empty_name_asks_again() -> None:
    assert Screen().type(b"\r") == "\r\ncm4-2 login: "


def test_carriage_return_line_feed_and_both_end_a_line_once(screen: Screen) -> None:
    end = "\r\nroot@cm4-2:~# "
    assert screen.type(b"\r") == end
    assert screen.type(b"exit\x7f\x7f\x7f\x7f\n").endswith(end)
    assert screen.type(b"\n") == end
    assert screen.type(b"\r\n") == end
    assert screen.type(b"\r") + screen.type(b"\n") == end


def test_control_c_drops_the_line(screen: Screen) -> None:
    assert screen.type(b"poweroff\x03\r").count("# ") == 2
    assert screen.acts == []


def test_exit_goes_back_to_the_log_in(screen: Screen) -> None:
    assert screen.type(b"exit\r").endswith("cm4-2 login: ")
    assert screen.type(b"root\r").endswith("Password: ")


def test_backspace_never_erases_the_prompt(screen: Screen) -> None:
    assert screen.type(b"a\x7f\x7f\x08") == "a\b \b"


def test_the_commands_do_what_they_say(screen: Screen) -> None:
    assert "\r\ncm4-2\r\n" in screen.type(b"hostname\r")
    assert "\r\na b\r\n" in screen.type(b"echo a   b\r")
    screen.type(b"poweroff\r")
    assert screen.acts == ["poweroff"]


def test_a_line_without_end_is_cut_off_and_other_control_characters_are_not_shown(screen: Screen) -> None:
    assert screen.type(b"x" * 1000) == "x" * 256
    assert screen.type(b"\x1b\x00\t") == ""
