"""The broker's wire protocol for connections that never wait: commands to bytes, bytes to replies, by hiredis.

redis-py waits for each answer; the daemon's only thread must not.
"""

from typing import Any

import hiredis

Word = bytes | str | int
#: What the broker said instead of an answer. It stands where the answer would: in a list, not raised.
ReplyError = hiredis.ReplyError
_INCOMPLETE = object()


class Nonsense(Exception):
    """Bytes that are no reply."""


def command(*words: Word) -> bytes:
    """One command, ready to be sent."""
    return hiredis.pack_command(words)  # type: ignore[arg-type]  # (its stub means a tuple of one)


class Replies:
    """Takes bytes as they come and gives back whole replies: bytes, int, None, lists of these, or `ReplyError`."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)

    def feed(self, data: bytes) -> list[Any]:
        """The replies that are complete now. Raises `Nonsense`; then the connection is of no more use."""
        found: list[Any] = []
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                found.append(reply)
        except hiredis.ProtocolError as error:
            raise Nonsense(f"The broker answered what is no reply: {error}.") from error
        return found
