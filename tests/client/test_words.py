"""Values as people write them on a command line, and as a terminal may get them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoportal_client.problems import printable
from nanoportal_client.words import moment, read_length, read_moment, read_slots, size, table, zulu

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0.5h", 1800)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert read_length(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2 h", "2x", "-1h", "2h x", "h2"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        read_length(text)


def test_slots_with_ranges_lists_and_boards_each_once_and_in_order() -> None:
    assert read_slots(["5", "2-4", "3", "lab/6,7", "slot:1"]) == [
        *[("", number) for number in (5, 2, 3, 4)],
        *[("lab", 6), ("lab", 7), ("", 1)],
    ]


@pytest.mark.parametrize("text", ["", "x", "0", "3-", "-3", "3;4", "demo/", "1.5"])
def test_what_is_no_slot(text: str) -> None:
    with pytest.raises(ValueError, match="is no slot"):
        read_slots([text])


def test_a_time_of_day_is_the_next_one() -> None:
    hour = NOW.astimezone().hour
    later = read_moment(f"{(hour + 1) % 24}:30", NOW)
    assert NOW < later <= NOW + timedelta(days=1)
    assert NOW < read_moment(f"{hour}:00", NOW) <= NOW + timedelta(days=1), "never one that has passed"


def test_a_time_without_a_zone_is_a_local_one_and_goes_out_as_utc() -> None:
    local = read_moment("2026-11-24 18:00", NOW)
    assert local.tzinfo is not None
    assert read_moment(zulu(local), NOW) == local
    assert zulu(local).endswith("Z")


def test_sizes_and_times_in_words() -> None:
    assert [size(count) for count in (0, 999, 1000, 15_931_539_456, None)] == ["0 B", "999 B", "1.0 kB", "15.9 GB", ""]
    assert moment(None) == ""
    assert len(moment("2026-11-23T12:00:00.123Z")) == len("2026-11-23 12:00:00")


def test_a_table_is_as_wide_as_what_is_in_it() -> None:
    assert table(("A", "NAME"), [(1, "x"), (22, None)], "none") == "A   NAME\n1   x\n22"
    assert table(("A",), [], "There is none.") == "There is none."


@given(st.text())
def test_nothing_that_moves_a_cursor_reaches_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert "\x1b" not in table(("A",), [(text,)], "none")
