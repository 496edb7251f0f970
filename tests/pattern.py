"""Bytes that tell where they belong: what a UART says in a flood, and how to check what arrived of it."""

import zlib

RECORD_BYTES = 64


def record(slot: int, number: int) -> bytes:
    """The record of that number on that slot's line: 64 bytes, no two alike, each with its own checksum."""
    body = b"%d %012d" % (slot, number)
    checksum = zlib.crc32(body)
    return b"%s %08x %s\n" % (body, checksum, (b"%08x" % (checksum ^ 0x5A5A5A5A)) * 4 + b".......")


class Pattern:
    """The endless stream of one slot, made as far as it is asked for."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self._made = bytearray()

    def piece(self, start: int, size: int) -> memoryview:
        """Bytes `start` to `start + size` of the stream."""
        while len(self._made) < start + size:
            number = len(self._made) // RECORD_BYTES
            self._made = self._made + b"".join(record(self.slot, number + more) for more in range(1024))
        return memoryview(self._made)[start : start + size]

    def place(self, data: bytes) -> int | None:
        """Where in the stream these bytes belong, by the first whole record's head; None if they hold none."""
        newline = data.find(b"\n")
        head = data[newline + 1 : newline + 15]
        if newline < 0 or len(head) < 14 or not head[2:].isdigit():
            return None
        return int(head[2:]) * RECORD_BYTES - newline - 1
