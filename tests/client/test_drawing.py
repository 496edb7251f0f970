"""The progress bar: as wide as the terminal, with what is done and how long it takes; never in the way of a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoportal_client import invocation as invoked
from nanoportal_client.drawing import bar, line
from nanoportal_client.invocation import Invocation
from nanoportal_client.timing import Clock

MB = 1_000_000


def test_a_bar_says_how_much_how_fast_and_how_long() -> None:
    shown = line("Writing", 100 * MB, 400 * MB, 12.5 * MB, 100)
    assert shown.endswith("]  25%  100.0 MB of 400.0 MB  12.5 MB/s  0:24 left")
    assert shown.startswith("Writing     [##")
    assert len(shown) == 100
    assert shown.count("#") == shown.count("-") // 3


def test_at_the_end_and_before_anything_is_known_there_is_no_time_left() -> None:
    assert line("Writing", 4 * MB, 4 * MB, 1.0, 60).endswith("##] 100%  4.0 MB of 4.0 MB")
    assert line("Writing", 0, 4 * MB, 0.0, 60).endswith("--]   0%  0 B of 4.0 MB")


@given(st.integers(0, 10**13), st.integers(1, 10**12), st.floats(0, 1e12), st.integers(0, 300))
def test_a_bar_is_never_wider_than_the_terminal(done: int, total: int, speed: float, columns: int) -> None:
    assert len(line("Inspecting", done, total, speed, columns)) <= columns


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Invocation:
    monkeypatch.setattr(invoked.Invocation, "draws", property(lambda self: not self.json))
    monkeypatch.setenv("COLUMNS", "81")
    seconds = iter(range(1000))
    return Invocation(environ={}, clock=Clock(lambda: float(next(seconds)), lambda pause: None))


def test_a_word_meanwhile_has_a_line_of_its_own_and_the_bar_comes_back(watching: Invocation, capsys) -> None:
    with bar(watching, "Writing", 4 * MB) as advance:
        advance(MB)
        watching.say("A chunk was read again.")
        advance(3 * MB)
    watching.say("Done.")
    said = capsys.readouterr()
    assert said.out == ""
    before, after = said.err.split("A chunk was read again.\n")
    assert before.endswith("left\r"), "away with the bar"
    assert after.startswith("\rWriting     [")
    assert "]  25%" in after, "the same bar, below the word"
    assert after.endswith("] 100%  4.0 MB of 4.0 MB\nDone.\n")


def test_what_was_there_before_does_not_count_as_speed(watching: Invocation, capsys) -> None:
    with bar(watching, "Sending", 100 * MB, 90 * MB) as advance:
        advance(MB)
    assert "91.0 MB of 100.0 MB" in capsys.readouterr().err
    with bar(watching, "Sending", 100 * MB, 90 * MB) as advance:
        advance(MB)
        drawn = capsys.readouterr().err
    assert "kB/s" in drawn, "one megabyte in some seconds, not ninety-one"


def test_nobody_who_watches_gets_no_bar(watching: Invocation, capsys) -> None:
    watching.json = True
    with bar(watching, "Writing", 4 * MB) as advance:
        advance(MB)
    assert capsys.readouterr().err == ""
