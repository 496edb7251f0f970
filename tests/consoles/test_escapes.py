"""Nothing that a SOM prints acts on whoever reads it, however it is cut into pieces."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consoles.escapes import Plain, Safe, plain

# Pieces from which nasty texts are made: beginnings, middles and ends of sequences, in any order.
ATOMS = [
    *("\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b\\", "\x07", "\x9b", "\x9d", "\x90", "\x9c"),
    *("\r", "\n", "\r\n", "\t", "\b", "\x00", "\x7f", "\x18", "\x1a", "\x85", "\ufffd", "é", "漢"),
    *("0;evil", "52;c;ZXZpbA==", "8;;http://evil/", "31m", "2J", "?25l", "?1000h", "6n", "c", "21t", " q", "1;1H"),
    *("boot", "login: ", "m", "[", "]", "(", "0", "7", "x" * 70, ";" * 61),
]
NASTY = st.lists(st.one_of(st.sampled_from(ATOMS), st.text(max_size=3)), max_size=25).map("".join)


def in_pieces(cleaner, text: str, cuts: list[int]) -> str:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return "".join(cleaner.feed(text[a:b]) for a, b in pairwise(bounds))


@pytest.mark.parametrize("cleaner", [Plain, Safe])
@given(text=NASTY, cuts=st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=300, deadline=None)
def test_where_a_text_is_cut_makes_no_difference(cleaner, text, cuts):
    assert in_pieces(cleaner(), text, cuts) == cleaner().feed(text)


@given(NASTY)
@settings(max_examples=300, deadline=None)
def test_plain_text_has_no_control_character_but_tab_and_line_feed(text):
    for cleaned in (Plain().feed(text), plain(text)):
        assert not [c for c in cleaned if (ord(c) < 0x20 and c not in "\t\n") or 0x7F <= ord(c) <= 0x9F]
    assert plain(text).count("\n") == text.count("\n")


@given(NASTY)
@settings(max_examples=500, deadline=None)
def test_safe_text_holds_what_draws_and_nothing_else(text):
    assert terminal_acts(Safe().feed(text)) <= DRAWS


DRAWS = {f"CSI {final}" for final in "@ABCDEFGHJKLMPSTXZ`adefgmrsu"} | {
    *(f"MODE {mode}" for mode in ("4", "7", "20", "?7", "?25", "?47", "?1047", "?1048", "?1049")),
    *(f"ESC {final}" for final in "78DEHMc"),
    "CHARSET",
}


def terminal_acts(text: str) -> set[str]:
    """What a terminal would do with a text: every act that is not a letter, by an own and simple reading."""
    acts, at = set(), 0
    while at < len(text):
        letter, at = text[at], at + 1
        if letter == "\x1b" and at < len(text):
            kind, at = text[at], at + 1
            if kind == "[":
                begin = at
                while at < len(text) and not "@" <= text[at] <= "~":
                    at += 1
                if at == len(text):
                    return acts | {"CSI without end"}
                parameters, final, at = text[begin:at], text[at], at + 1
                if final in "hl":
                    acts |= {f"MODE {parameters}"}
                elif set(parameters) <= set("0123456789;:"):
                    acts.add(f"CSI {final}")
                else:
                    acts.add(f"CSI {parameters}{final}")
            elif kind in "()" and at < len(text) and text[at] in "0AB":
                at += 1
                acts.add("CHARSET")
            else:
                acts.add(f"ESC {kind}")
        elif (ord(letter) < 0x20 and letter not in "\t\n\r\b") or 0x7F <= ord(letter) <= 0x9F:
            acts.add(f"control {ord(letter):#x}")
    return acts


ATTACKS = {
    "a title": "\x1b]0;evil\x07",
    "a title ended by ST": "\x1b]2;evil\x1b\\",
    "a title in one-character codes": "\x9d0;evil\x9c",
    "the clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "a link": "\x1b]8;;http://evil/\x07",
    "a device control string": "\x1bP$q\x22p\x1b\\",
    "an application command": "\x1b_Gf=100;AAAA\x1b\\",
    "a privacy message": "\x1b^evil\x1b\\",
    "a start of string": "\x1bXevil\x1b\\",
    "a question that the terminal would answer as if it were typed": "\x1b[6n\x1b[c\x1b[21t\x05",
    "mouse reports": "\x1b[?1000h\x1b[?1006h",
    "a bell": "\x07",
    "a repetition of a billion letters": "\x1b[999999999b",
    "another keyboard": "\x1b[>1u",
    "an end of the one sequence that begins another": "\x1b]0;a\x1b]52;c;b\x07",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_leaves_nothing_but_the_text_around_it(attack):
    for cleaner in (Plain(), Safe()):
        assert cleaner.feed(f"before {attack}after") == "before after"
        assert "".join(map(cleaner.feed, f"before {attack}after")) == "before after", "letter by letter"


def test_colours_and_cursor_stay_in_what_is_safe():
    text = "\x1b[0;1;31mred\x1b[0m\x1b[2J\x1b[10;1Hthere\x1b[K\r\n\x1b[?1049hvi\x1b[?25l\x1b(0qqq\x1b(B"
    assert Safe().feed(text) == text
    assert Safe().feed("\x9b31mred") == "\x1b[31mred"
    assert Plain().feed(text) == "redthere\nviqqq"


def test_a_title_that_never_ends_hides_one_line_at_most():
    for cleaner in (Plain(), Safe()):
        assert cleaner.feed("\x1b]0;" + "x" * 100_000) == ""
        assert cleaner.feed("y" * 100_000) == ""
        assert cleaner.feed("\nlogin: ") == "\nlogin: "


def test_line_ends_become_line_feeds_wherever_they_are_cut():
    for pieces in (["a\r", "\nb"], ["a\r\r\nb"], ["a\r", "\r", "\nb"], ["a\r\x1b[K", "\x1b[K\nb"], ["a\rb"]):
        cleaner = Plain()
        assert "".join(map(cleaner.feed, pieces)) == "a\nb"
    assert Plain().feed("a\r\n\r\nb") == "a\n\nb"


@pytest.mark.parametrize("flood", ["\x1b", "\x9d", "\x1b]", "\x1b[", "\x1b[1;", "\x1b[0m", "\x9b\x9d\x90"])
def test_a_flood_of_sequences_is_read_in_proportion_to_its_length(flood):
    for cleaner in (Plain(), Safe()):
        began = time.process_time()
        for _ in range(4):
            cleaner.feed(flood * (65536 // len(flood)))
        assert time.process_time() - began < 2
