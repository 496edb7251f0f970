"""What all who keep up with a console share."""

import random

from consoles.frames import next_frame
from consoles.journal import Cursor, Entry
from consoles.ring import RING_BYTES, RING_ENTRIES, Ring


def entry(end: int, data: bytes) -> Entry:
    return Entry(Cursor(end), data)


def test_viewers_who_are_equally_far_get_the_very_same_frame():
    ring = Ring("e", Cursor(0))
    ring.add([entry(1, b"a"), entry(2, b"b")])
    first = ring.frame(Cursor(0))
    assert first is not None
    assert first is ring.frame(Cursor(0))
    assert first.message["bytes"][8:] == b"ab"
    assert ring.frame(Cursor(2)) is None


def test_it_forgets_the_oldest_and_says_from_where_it_knows():
    ring = Ring("e", Cursor(0))
    for number in range(1, 600):
        ring.add([entry(number * 1000, b"x" * 1000)])
    assert ring.end == Cursor(599_000)
    assert RING_BYTES / 2 < ring.end.offset - ring.base.offset <= RING_BYTES
    frame = ring.frame(ring.base)
    assert frame is not None
    assert frame.start == ring.base.offset


def test_chatter_of_single_bytes_does_not_fill_it_either():
    ring = Ring("e", Cursor(0))
    for number in range(1, 3 * RING_ENTRIES):
        ring.add([entry(number, b"x")])
        assert len(ring._entries) <= RING_ENTRIES


def test_whatever_the_pieces_every_byte_comes_once_and_in_order():
    chance = random.Random(7)
    for _ in range(50):
        whole = chance.randbytes(chance.randrange(1, 60_000))
        entries, end = [], 0
        while end < len(whole):
            start, end = end, min(len(whole), end + chance.choice([1, 7, 460, 5000, 40_000]))
            entries.append(entry(end, whole[start:end]))
        cursor = Cursor(chance.randrange(len(whole)))
        begun, got = cursor.offset, b""
        while cursor.offset < len(whole):
            index = next(i for i, one in enumerate(entries) if one.cursor > cursor)
            frame = next_frame(entries, index, cursor)
            assert 0 < frame.size_bytes <= 16_384
            assert frame.start == cursor.offset
            got += frame.message["bytes"][8:]
            cursor = frame.cursor
        assert got == whole[begun:]
