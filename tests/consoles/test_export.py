"""What is downloaded is what was said, as text and as an asciicast that any player takes, and harmless."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from consoles.markers import Marker
from consoles.recordings import export, reading
from consoles.recordings.reading import Moment
from tests.consoles.recording import T0, make, stage
from tests.consoles.test_escapes import DRAWS, NASTY, terminal_acts


def check_cast(cast: bytes) -> list[list]:
    """Read an asciicast of version 2 as its specification has it, and complain of anything else; returns the events."""
    assert cast.endswith(b"\n")
    header, *events = [json.loads(line) for line in cast.decode("utf-8", "strict").split("\n")[:-1]]
    assert header["version"] == 2
    for size in ("width", "height"):
        assert type(header[size]) is int
        assert header[size] > 0
    known = {"version": int, "width": int, "height": int, "timestamp": int, "idle_time_limit": float, "title": str}
    for name, value in header.items():
        assert (name == "env" and set(value) <= {"TERM", "SHELL"}) or type(value) is known[name], name
    latest = 0.0
    for event in events:
        time, code, data = event
        assert isinstance(time, int | float)
        assert not isinstance(time, bool)
        assert time >= latest, "time does not go back"
        latest = time
        assert code in ("o", "m")
        assert isinstance(data, str)
        data.encode("utf-8", "strict")
    return events


def moments(folder):
    return reading.moments_between(folder, None, None)


def output(events: list[list]) -> str:
    return "".join(data for _, code, data in events if code == "o")


def test_a_cast_has_the_real_timing_and_the_markers(tmp_path):
    folder = make(
        tmp_path, [(0, b"U-Boot\r\n"), stage(0.5, "boot-loader", "boot loader started")], [(2.25, b"\x1b[32mok\r\n")]
    )
    events = check_cast(b"".join(export.cast(moments(folder), "demo, slot 3")))
    assert events == [[0.0, "o", "U-Boot\r\n"], [0.5, "m", "boot loader started"], [2.25, "o", "\x1b[32mok\r\n"]]


def test_letters_and_sequences_that_were_cut_are_whole_again(tmp_path):
    said = "größer 漢字 \x1b[1;31mred\x1b[0m \x1b]0;evil\x07.".encode()
    folder = make(tmp_path, [(n, said[n : n + 1]) for n in range(len(said))])
    events = check_cast(b"".join(export.cast(moments(folder), "x")))
    assert output(events) == "größer 漢字 \x1b[1;31mred\x1b[0m ."
    assert b"".join(export.text(moments(folder))).decode() == "größer 漢字 red ."


def test_time_does_not_go_back_where_the_clock_did(tmp_path):
    folder = make(tmp_path, [(0, b"a"), (10, b"b")], [(-3600, b"c"), (-3595, b"d")], [(30, b"e")])
    events = check_cast(b"".join(export.cast(moments(folder), "x")))
    assert [time for time, _, _ in events] == [0, 10, 10, 15, 3640]
    assert output(events) == "abcde"


def test_an_empty_recording_is_a_valid_cast_and_no_text(tmp_path):
    assert check_cast(b"".join(export.cast(moments(tmp_path), "x"))) == []
    assert b"".join(export.text(moments(tmp_path))) == b""


def test_markers_stand_on_lines_of_their_own_in_a_text(tmp_path):
    folder = make(tmp_path, [(0, b"login: "), stage(1, "login", "login prompt seen"), (2, b"root\r\n"), (3, b"# ")])
    assert b"".join(export.text(moments(folder))).decode() == (
        "login: \n--- 2026-11-22 03:00:01 UTC: login prompt seen ---\nroot\n# "
    )


def test_a_title_and_a_markers_words_are_made_harmless_too():
    evil = Moment(T0, marker=Marker("stage", datetime.fromtimestamp(T0, UTC), "\x1b]0;evil\x07panic\n\x9b2J", {}))
    text = b"".join(export.text([evil])).decode()
    assert text == "--- 2026-11-22 03:00:00 UTC: panic  ---\n"
    cast = b"".join(export.cast([evil], "\x1b]0;evil\x07demo\n")).decode()
    assert check_cast(cast.encode()) == [[0, "m", "panic "]]
    assert json.loads(cast.splitlines()[0])["title"] == "demo "


def test_a_range_holds_what_was_said_then(tmp_path):
    folder = make(tmp_path, [(n, b"%d " % n) for n in range(5)], [(n, b"%d " % n) for n in range(5, 10)])
    chosen = reading.moments_between(folder, T0 + 3, T0 + 6)
    assert b"".join(export.text(chosen)) == b"3 4 5 6 "


@given(st.lists(st.tuples(st.floats(0, 3600), st.one_of(NASTY.map(str.encode), st.binary(max_size=8))), max_size=12))
@settings(max_examples=200, deadline=None)
def test_whatever_was_said_the_cast_is_valid_and_does_nothing_but_draw(said):
    chosen = [Moment(T0 + at, data) for at, data in said]
    events = check_cast(b"".join(export.cast(chosen, "x")))
    assert terminal_acts(output(events)) <= DRAWS
    text = b"".join(export.text(chosen)).decode()
    assert not terminal_acts(text)
