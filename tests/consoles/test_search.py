"""A text is found in all recordings, newest first, whatever stands between its letters, in bounded time."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consoles.recordings import search as searching
from consoles.recordings.search import BLOCK, OVERLAP, Hit, search
from consoles.recordings.segments import segments
from tests.consoles.recording import T0, make

LOG = b"[    1.000000] usb 1-1: new device\r\n"


def all_of(folders: dict[int, Path], query: str, **more) -> list[Hit]:
    """Every hit, page by page, with what would break if a page repeated or forgot something."""
    hits: list[Hit] = []
    older = ""
    for _ in range(10_000):
        found = search(folders, query, older, **more)
        hits += found.hits
        if found.older is None:
            assert found.reached is None
            return hits
        older = found.older
    raise AssertionError("the search does not end")


def seconds(hits: list[Hit]) -> list[float]:
    return [hit.at - T0 for hit in hits]


def test_hits_come_newest_first_over_all_slots_with_the_lines_around_them(tmp_path):
    two = make(tmp_path / "2", [(0, b"one\r\nKernel panic - not syncing: a\r\ntwo\r\n"), (50, LOG)], [(100, LOG)])
    three = make(tmp_path / "3", [(10, b"kernel PANIC b\n"), (20, LOG * 3), (30, b"Kernel panic c\n")])
    empty = tmp_path / "4"
    hits = all_of({2: two, 3: three, 4: empty}, "kernel panic")
    assert [(hit.slot, hit.at - T0) for hit in hits] == [(3, 30), (3, 10), (2, 0)]
    assert hits[2] == Hit(2, T0, "Kernel panic - not syncing: a", "one", "two")


def test_a_link_leads_to_the_moment_when_the_text_was_complete(tmp_path):
    folder = make(tmp_path / "2", [(0, b"heron login"), (5, b": "), (60, b"roo"), (61, b"t\r\nPassword: ")])
    assert seconds(all_of({2: folder}, "login:")) == [5]
    assert seconds(all_of({2: folder}, "login: root")) == [61]
    assert seconds(all_of({2: folder}, "password")) == [61]


HIDDEN = {
    "colours inside of the word": b"Ker\x1b[0;31mnel\x1b[0m pa\x1b[1mnic",
    "a title inside of the word": b"Kernel \x1b]0;title\x07panic",
    "a title in one-character codes": "Kernel \x9d0;title\x9cpanic".encode(),
    "backspaces and nulls": b"Kernel\x00 pa\x08nic",
    "garbage before it": b"\xff\xfe\x80\x9b\xc3Kernel panic",
    "an unfinished sequence before it": b"\x1b]0;\nKernel panic",
}


@pytest.mark.parametrize("line", HIDDEN.values(), ids=HIDDEN)
def test_a_text_is_found_whatever_stands_between_its_letters(tmp_path, line):
    folder = make(tmp_path / "2", [(0, LOG), *[(n + 1, line[n : n + 1]) for n in range(len(line))], (99, b"\n" + LOG)])
    hits = all_of({2: folder}, "kernel panic")
    assert seconds(hits) == [len(line)]
    assert hits[0].line.endswith("Kernel panic")


def test_what_a_title_says_is_not_text(tmp_path):
    folder = make(tmp_path / "2", [(0, b"\x1b]0;secret\x07\x1b[31msecre\x1b[0m t\n")])
    assert all_of({2: folder}, "secret") == []


def test_letters_beyond_ascii_are_found_in_either_case(tmp_path):
    folder = make(tmp_path / "2", [(0, "Größe: ÄPFEL 漢字\n".encode()), (1, b"apfel\n")])
    assert seconds(all_of({2: folder}, "äpfel")) == [0]
    assert seconds(all_of({2: folder}, "漢字")) == [0]
    assert seconds(all_of({2: folder}, "APFEL")) == [1]


@pytest.mark.parametrize("before", [0, 1, 7, 14, 15, OVERLAP])
@pytest.mark.parametrize("newline", [b"\n", b" "], ids=["lines", "one line without an end"])
def test_a_text_is_found_once_wherever_a_block_begins(tmp_path, before, newline):
    """Blocks are counted from the end: the text lies across the first cut, or beside it."""
    tail = BLOCK - before
    filler = (b"x" * 63 + newline) * (2 * BLOCK // 64)
    folder = make(tmp_path / "2", [(0, filler), (1, b"Needle in hay"), (2, filler[:tail])])
    assert seconds(all_of({2: folder}, "needle in hay")) == [1]


@pytest.mark.parametrize("page", [{"hits": 5}, {"hits": 50}, {"seconds": 0.0}], ids=["few", "many", "no time"])
def test_pages_of_hits_repeat_and_forget_nothing(tmp_path, page):
    chance = random.Random(7)
    folders, expected = {}, []
    for slot in (2, 3, 5):
        said, at = [], 0.0
        for number in range(400):
            at += chance.random()
            needle = chance.random() < 0.2
            if needle:
                expected.append((at, slot, f"found {slot} {number}"))
            said.append((at, f"found {slot} {number}\n".encode() if needle else LOG * chance.randrange(40)))
        folders[slot] = make(tmp_path / str(slot), said[:150], said[150:290], said[290:])
    found = [(pytest.approx(hit.at - T0), hit.slot, hit.line) for hit in all_of(folders, "FOUND", **page)]
    assert found == sorted(expected, reverse=True)


def test_a_text_on_every_line_is_told_page_by_page_without_looking_at_all_of_them(tmp_path):
    folder = make(tmp_path / "2", [(n, b"a\n" * 2000) for n in range(3)])
    began = time.process_time()
    first = search({2: folder}, "a", hits=20)
    assert time.process_time() - began < 0.5
    assert seconds(first.hits) == [2] * 20
    assert len(all_of({2: folder}, "a", hits=1000)) == 6000


def test_a_search_ends_in_time_and_another_goes_on_where_it_ended(tmp_path):
    filler = LOG * (BLOCK // len(LOG))
    said = [(n, b"needle %d\n" % n if n % 10 == 0 else filler) for n in range(60)]
    folder = make(tmp_path / "2", said)
    first = search({2: folder}, "needle", seconds=0.0)
    assert first.older is not None
    assert first.reached is not None
    assert first.reached <= T0 + 59
    assert seconds(all_of({2: folder}, "needle", seconds=0.0)) == [50, 40, 30, 20, 10, 0]


def test_what_the_quota_takes_during_a_search_is_passed_over(tmp_path):
    folder = make(tmp_path / "2", [(0, b"needle\n")], [(1, b"needle\n")], [(2, b"needle\n")])
    first = search({2: folder}, "needle", hits=1)
    segments(folder)[1].remove()
    assert seconds(search({2: folder}, "needle", first.older or "").hits) == [0]


def test_a_segment_of_markers_alone_hides_nothing(tmp_path):
    from tests.consoles.recording import stage

    folder = make(tmp_path / "2", [(0, b"needle\n")], [stage(1, "kernel", "kernel started")])
    assert seconds(all_of({2: folder}, "needle")) == [0]


def test_a_line_without_end_is_shown_around_the_text(tmp_path):
    folder = make(tmp_path / "2", [(0, b"x" * 300_000 + b" needle " + b"y" * 300_000)])
    (hit,) = all_of({2: folder}, "needle")
    assert "needle" in hit.line
    assert len(hit.line) == searching.SHOWN


@pytest.mark.parametrize("query", ["", "   ", "x" * 201])
def test_a_query_that_finds_everything_or_is_too_long_is_refused(tmp_path, query):
    with pytest.raises(ValueError, match="Search for a text of 1 to 200 characters"):
        search({2: tmp_path}, query)


@pytest.mark.parametrize("older", ["x", "2", "2:1", "2:1-2", "2:1-2-x", "2:-1-2-3", ":", "2:1-2-" + "9" * 30])
def test_what_is_no_place_to_go_on_from_is_refused(tmp_path, older):
    with pytest.raises(ValueError, match="no place to go on"):
        search({2: tmp_path}, "x", older)


PIECES = st.sampled_from(
    [b"needle", b"nee", b"dle", b"\x1b[31m", b"\x1b]0;t\x07", b"\x1b", b"[0m", b"\n", b"\r", b"\xc3"]
)


@given(st.lists(PIECES, max_size=30).map(b"".join))
@example(b"\x1b\rneedle")
@settings(max_examples=200, deadline=None)
def test_the_fast_look_at_a_block_misses_nothing(raw):
    shown = searching.plain(raw.decode("utf-8", "replace")).casefold()
    assert searching._may_have("needle", raw) == ("needle" in shown)
