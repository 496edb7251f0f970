"""The journal's vocabulary: ids are cursors, markers and epochs survive their way through the broker."""

from datetime import UTC, datetime

import pytest

from consoles.journal import Cursor, Entry, Epoch, Keys, decode, new_epoch_name
from consoles.markers import Marker

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_an_entrys_id_is_where_its_data_ends() -> None:
    entry = decode(b"105-0", {b"d": b"login"})
    assert entry == Entry(Cursor(105), b"login")
    assert entry.start == 100


def test_a_marker_stands_between_the_bytes_and_takes_no_room() -> None:
    marker = Marker("overrun", NOON, "The line lost input.", {"count": 3})
    entry = decode(b"105-2", {b"m": marker.to_json()})
    assert entry.marker == marker
    assert entry.start == entry.cursor.offset == 105


def test_cursors_are_in_the_order_of_the_stream() -> None:
    assert sorted([Cursor(106), Cursor(105, 1), Cursor(105)]) == [Cursor(105), Cursor(105, 1), Cursor(106)]
    assert Cursor.parse(str(Cursor(105, 1))) == Cursor(105, 1)
    assert Cursor.parse("105") == Cursor(105)


@pytest.mark.parametrize("text", ["", "x", "-5", "5--1", "5-x", "1-2-3", "1_0", "٣", "9" * 19, b"\xff"])
def test_what_is_no_cursor_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="no place in a journal"):
        Cursor.parse(text)


def test_an_epoch_survives_its_way_through_the_broker() -> None:
    epoch = Epoch(new_epoch_name(), 105, None, "daemon-start", None, 2.5, NOON.isoformat())
    assert Epoch.from_json(epoch.to_json()) == epoch
    assert len(epoch.epoch) == 16


@pytest.mark.parametrize("text", [b"{}", b"[]", b"null"])
def test_what_is_neither_epoch_nor_marker_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="This is no"):
        Marker.from_json(text)
    with pytest.raises(ValueError, match="This is no"):
        Epoch.from_json(text)
    with pytest.raises(ValueError, match="neither"):
        decode(b"1-0", {})


def test_every_key_of_a_console_begins_alike() -> None:
    keys = Keys("b1", 3)
    assert keys.stream("0f") == "console:b1:3:0f"
    assert keys.epochs == "console:b1:3:epochs"
    assert keys.keys == "console:b1:keys"
