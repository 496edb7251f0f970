"""The broker's words, however they are cut."""

import pytest

from consoles.link import check
from consoles.resp import Nonsense, Replies, ReplyError, command

STREAM = b"+OK\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n*2\r\n$1\r\nx\r\n*1\r\n:3\r\n*-1\r\n*0\r\n-OOM no room\r\n"


def plain(replies: list[object]) -> list[object]:
    return [str(reply) if isinstance(reply, ReplyError) else reply for reply in replies]


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_replies_are_the_same_wherever_they_are_cut(size: int) -> None:
    replies, found = Replies(), []
    for start in range(0, len(STREAM), size):
        found += replies.feed(STREAM[start : start + size])
    assert plain(found) == [b"OK", -7, b"a\r\nbc", None, [b"x", [3]], None, [], "OOM no room"]


@pytest.mark.parametrize("data", [b"hello\r\n", b"$x\r\n", b":\r\n"])
def test_what_is_no_reply_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Nonsense, match="no reply"):
        Replies().feed(data)


def test_a_command_says_how_long_each_of_its_words_is() -> None:
    assert command("SET", b"\r\n", 12, "ä") == b"*4\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$2\r\n12\r\n$2\r\n\xc3\xa4\r\n"


@pytest.mark.parametrize("url", ["http://broker", "broker:6379", ""])
def test_an_address_that_is_no_brokers_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match="it takes redis://, rediss:// or unix://"):
        check(url)
