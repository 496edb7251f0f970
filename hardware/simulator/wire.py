"""How I2C transfers travel between `client.SimulatedSMBus` and the simulated board: small binary frames on a socket.

A request is one byte with the number of messages, then for each message its 7-bit address, its direction (1 = read),
its length (16 bits) and, for a write, its data. A reply is one byte with the errno (0 = done), the length of the data
read (16 bits) and that data. One request is one START..STOP: several messages are joined by repeated starts.
"""

import struct
from typing import NamedTuple

_MESSAGE = struct.Struct("!BBH")
_REPLY = struct.Struct("!BH")
REPLY_HEADER_BYTES = _REPLY.size
#: No transfer is longer: the limit of one message in Linux's I2C_RDWR (i2c-dev.c: 8192 bytes).
LONGEST_MESSAGE_BYTES = 8192


class Message(NamedTuple):
    """One message of a transfer: `data` to write, or `length` bytes to read where `data` is None."""

    address: int
    data: bytes | None
    length: int

    @classmethod
    def write(cls, address: int, data: bytes) -> "Message":
        """Return a message that writes `data`."""
        return cls(address, data, len(data))

    @classmethod
    def read(cls, address: int, length: int) -> "Message":
        """Return a message that reads `length` bytes."""
        return cls(address, None, length)


def encode_request(messages: list[Message]) -> bytes:
    """Return the request's bytes; raises struct.error for an address or length that no frame can carry."""
    parts = [bytes([len(messages)])]
    for message in messages:
        parts.append(_MESSAGE.pack(message.address, message.data is None, message.length))
        if message.data is not None:
            parts.append(message.data)
    return b"".join(parts)


def take_request(buffer: bytearray) -> list[Message] | None:
    """Remove one request from the front of `buffer` and return it; None when it is not complete yet.

    Raises ValueError when no client of ours can have sent it.
    """
    if not buffer:
        return None
    messages: list[Message] = []
    offset = 1
    for _ in range(buffer[0]):
        if len(buffer) < offset + _MESSAGE.size:
            return None
        address, is_read, length = _MESSAGE.unpack_from(buffer, offset)
        if address > 0x7F or is_read > 1 or length > LONGEST_MESSAGE_BYTES:
            raise ValueError("This is no I2C request.")
        offset += _MESSAGE.size
        if is_read:
            messages.append(Message.read(address, length))
            continue
        if len(buffer) < offset + length:
            return None
        messages.append(Message.write(address, bytes(buffer[offset : offset + length])))
        offset += length
    del buffer[:offset]
    return messages


def encode_reply(error: int, data: bytes) -> bytes:
    """Return the reply's bytes: an errno (0 for success) and the data read."""
    return _REPLY.pack(error, len(data)) + data


def decode_reply_header(header: bytes) -> tuple[int, int]:
    """Return (errno, number of data bytes that follow) from the first REPLY_HEADER_BYTES bytes of a reply."""
    error, length = _REPLY.unpack(header)
    return int(error), int(length)
