"""What stood on a terminal at a moment of its recording."""

from pathlib import Path

import pytest

from consoles.recordings import reading
from tests.consoles.recording import T0, make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def test_a_moment_has_what_came_before_it_however_long_before(folder):
    day = 86400
    make(folder, [(0, b"login: ")], [(3 * day, b"Kernel "), (3 * day + 1, b"panic"), (5 * day, b"U-Boot")])
    page = reading.lead(folder, T0 + 4 * day)
    assert b"".join(moment.data for moment in page.moments) == b"login: Kernel panic"
    assert reading.page(folder, page.next or "").moments[0].data == b"U-Boot"
    assert [moment.data for moment in reading.lead(folder, T0 + 2 * day).moments] == [b"login: "]


def test_before_the_first_moment_nothing_was_said_and_after_the_last_everything(folder):
    make(folder, [(0, b"a"), (1, b"b")])
    assert reading.lead(folder, T0 - 1) == reading.Page([], "1-0")
    end = reading.lead(folder, T0 + 9)
    assert ([moment.data for moment in end.moments], end.next) == ([b"a", b"b"], None)
    assert reading.lead(folder / "none", T0) == reading.Page([], None)


def test_of_a_flood_before_a_moment_only_its_end_is_read(folder):
    make(folder, *([(100 * n + k / 10, b"%03d" % k * 1000) for k in range(100)] for n in range(3)))
    page = reading.lead(folder, T0 + 205)
    said = b"".join(moment.data for moment in page.moments)
    assert 64 * 1024 <= len(said) < 64 * 1024 + 3000 + 1
    assert said.endswith(b"049" * 1000)
    assert [moment.at for moment in page.moments] == sorted(moment.at for moment in page.moments)


def test_what_came_before_a_moment_is_found_across_segments_up_to_its_measure(folder):
    make(folder, *([(100 * n + k, b"%d" % n * 1000) for k in range(40)] for n in range(3)))
    said = b"".join(moment.data for moment in reading.lead(folder, T0 + 200.5).moments)
    assert (said.count(b"2"), said.count(b"1")) == (1000, 40_000)
    assert 24_000 <= said.count(b"0") <= 25_000
