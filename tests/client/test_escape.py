"""The escape key: nothing of the menu reaches the line, and nothing else stays behind."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoportal_client.escape import Escapes, Keys, Word


def read(*pieces: bytes) -> list[Keys | Word]:
    escapes = Escapes()
    return [found for piece in pieces for found in escapes.feed(piece)]


def keys(found: list[Keys | Word]) -> bytes:
    return b"".join(one.data for one in found if isinstance(one, Keys))


@pytest.mark.parametrize(
    ("letter", "kind"),
    [(b"q", "quit"), (b"Q", "quit"), (b".", "quit"), (b"t", "take"), (b"r", "release"), (b"b", "break"), (b"w", "who")],
)
def test_a_letter_after_the_escape_key_is_a_word(letter: bytes, kind: str) -> None:
    assert read(b"ls\r\x1d" + letter + b"ps") == [Keys(b"ls\r"), Word(kind), Keys(b"ps")]


@pytest.mark.parametrize("second", [b"\x1d", b"]"])
def test_the_escape_key_itself_is_typed_by_saying_it_twice(second: bytes) -> None:
    assert keys(read(b"a\x1d" + second + b"b")) == b"a\x1db"


def test_any_other_letter_shows_what_there_is() -> None:
    assert read(b"\x1d?", b"\x1d\x00") == [Word("help"), Word("help")]


def test_sysrq_takes_one_key_and_no_other() -> None:
    assert read(b"\x1ds", b"h")[-1] == Word("sysrq", "h")
    assert read(b"\x1ds", b"\r")[-1].kind == "say"


def test_a_reason_is_typed_corrected_and_sent() -> None:
    found = read(b"\x1do", b"fan ", b"stopX\x7f", b"\r", b"ls\r")
    assert Word("take-over", "fan stop") in found
    assert keys(found) == b"ls\r"


@pytest.mark.parametrize("cancel", [b"\x03", b"\x1b"])
def test_a_reason_can_be_given_up(cancel: bytes) -> None:
    found = read(b"\x1dofan" + cancel + b"ls")
    assert not [one for one in found if isinstance(one, Word) and one.kind == "take-over"]
    assert keys(found) == b"ls"


def test_an_arrow_key_gives_a_reason_up_and_leaves_nothing_on_the_line() -> None:
    assert keys(read(b"\x1dofan\x1b[1;5Als")) == b"ls"


def test_a_reason_has_whole_letters() -> None:
    found = read("\x1doLüfter\x7f\x7fr ü\r".encode())
    assert [one.text for one in found if isinstance(one, Word) and one.kind == "take-over"] == ["Lüftr ü"]
    assert "ü" in [one.text for one in found if isinstance(one, Word) and one.kind == "echo"]


@given(data=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_how_it_arrives_changes_nothing(data: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    whole, cut = read(data), read(*pieces)
    assert keys(whole) == keys(cut)
    assert [one for one in whole if isinstance(one, Word)] == [one for one in cut if isinstance(one, Word)]


@given(st.binary(max_size=200).filter(lambda data: 0x1D not in data))
def test_without_the_escape_key_every_byte_reaches_the_line(data: bytes) -> None:
    assert keys(read(data)) == data
