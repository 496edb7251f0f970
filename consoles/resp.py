"""The broker's wire protocol (RESP2), as far as the daemon speaks it: commands to bytes, bytes to replies.

Pure. redis-py waits for each answer; the daemon's only thread must not, and needs no more than this.
"""

from typing import Any

Word = bytes | str | int


class ReplyError(Exception):
    """What the broker said instead of an answer. It stands where the answer would: in a list, not raised."""


class Nonsense(Exception):
    """Bytes that are no reply."""


def command(*words: Word) -> bytes:
    """One command, ready to be sent."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class _Incomplete(Exception):
    """The rest of the reply has not arrived yet."""


class Replies:
    """Takes bytes as they come and gives back whole replies: bytes, int, None, lists of these, or `ReplyError`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> list[Any]:
        """The replies that are complete now. Raises `Nonsense`; then the connection is of no more use."""
        self._buffer += data
        found = []
        whole = 0
        try:
            while self._at < len(self._buffer):
                found.append(self._reply())
                whole = self._at
        except _Incomplete:
            pass
        except ValueError as error:
            raise Nonsense(f"The broker answered what is no reply: {error}.") from error
        self._buffer = self._buffer[whole:]
        self._at = 0
        return found

    def _reply(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self._reply() for _ in range(count)]
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        raise ValueError(repr(line[:40]))

    def _line(self) -> bytes:
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0:
            raise _Incomplete
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        end = self._at + size
        if len(self._buffer) < end + 2:
            raise _Incomplete
        data = self._buffer[self._at : end]
        self._at = end + 2
        return data
