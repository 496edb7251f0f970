"""`SimulatedSMBus`: what a driver opens in place of a Linux I2C bus when its address says `sim:`."""

import errno
import os
import select
import socket
import threading
from collections.abc import Sequence

from smbus2 import SMBus, i2c_msg

from hardware.simulator.wire import REPLY_HEADER_BYTES, Message, decode_reply_header, encode_request

_I2C_M_RD = 0x0001
#: Longer than any transfer of a bus that still works; after that the simulator itself is stuck.
_ANSWER_TIMEOUT_SECONDS = 30.0


class SimulatedSMBus(SMBus):
    """The transfers of `smbus2.SMBus` over a unix socket to a simulated board.

    Errors are those of Linux: OSError with EREMOTEIO when a chip does not acknowledge, ETIMEDOUT when the bus hangs,
    EOPNOTSUPP for a transfer that this bus does not offer. A simulator that is away gives the error of the socket; the
    next call after it came back connects anew. No transfer is ever sent twice. May be shared by threads.
    """

    def __init__(self, bus: str | None = None, force: bool = False) -> None:
        """Open `sim:/path/of/i2c.sock`, or the path alone; None opens nothing. Raises OSError."""
        self._path = ""
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        super().__init__(bus, force)

    def open(self, bus: int | str) -> None:
        """Connect to a path; raises OSError when no simulator listens there."""
        with self._lock:
            self._path = str(bus).removeprefix("sim:")
            self._connect()

    def close(self) -> None:
        """Close the connection; the next transfer opens it again."""
        with self._lock:
            self._disconnect()

    def read_byte(self, i2c_addr: int, force: bool | None = None) -> int:
        return self._transfer([Message.read(i2c_addr, 1)])[0]

    def write_byte(self, i2c_addr: int, value: int, force: bool | None = None) -> None:
        self._transfer([Message.write(i2c_addr, bytes([value]))])

    def read_byte_data(self, i2c_addr: int, register: int, force: bool | None = None) -> int:
        return self._transfer([Message.write(i2c_addr, bytes([register])), Message.read(i2c_addr, 1)])[0]

    def write_byte_data(self, i2c_addr: int, register: int, value: int, force: bool | None = None) -> None:
        self._transfer([Message.write(i2c_addr, bytes([register, value]))])

    def write_i2c_block_data(
        self, i2c_addr: int, register: int, data: Sequence[int], force: bool | None = None
    ) -> None:
        self._transfer([Message.write(i2c_addr, bytes([register, *data]))])

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int, force: bool | None = None) -> list[int]:
        return list(self._transfer([Message.write(i2c_addr, bytes([register])), Message.read(i2c_addr, length)]))

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Do all messages as one START..STOP; what was read is put into the messages."""
        messages = [
            Message.read(message.addr, message.len)
            if message.flags & _I2C_M_RD
            else Message.write(message.addr, bytes(message))
            for message in i2c_msgs
        ]
        data = self._transfer(messages)
        for message in i2c_msgs:
            if message.flags & _I2C_M_RD:
                for index in range(message.len):
                    message.buf[index] = data[index : index + 1]

    def _set_address(self, address: int, force: bool | None = None) -> None:
        # Every transfer of smbus2 that is not overridden above begins here.
        raise OSError(errno.EOPNOTSUPP, "The simulated bus does not offer this kind of transfer.")

    def _transfer(self, messages: list[Message]) -> bytes:
        """Do one START..STOP and return what was read; raises OSError."""
        request = encode_request(messages)
        with self._lock:
            connection = self._connected()
            try:
                connection.sendall(request)
                error, length = decode_reply_header(_receive(connection, REPLY_HEADER_BYTES))
                data = _receive(connection, length)
            except OSError:
                self._disconnect()
                raise
        if error:
            raise OSError(error, os.strerror(error))
        return data

    def _connected(self) -> socket.socket:
        """Return the connection, a new one if the simulator at the other end is no longer the one we knew."""
        if self._socket is not None and _is_closed(self._socket):
            self._disconnect()
        return self._socket or self._connect()

    def _connect(self) -> socket.socket:
        self._disconnect()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_ANSWER_TIMEOUT_SECONDS)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        self._socket = connection
        return connection

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_closed(connection: socket.socket) -> bool:
    """Return True if the other end closed the connection: nothing else makes an idle one readable."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _receive(connection: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes; raises OSError."""
    data = bytearray()
    while len(data) < count:
        try:
            part = connection.recv(count - len(data))
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, "The simulated board did not answer.") from error
        if not part:
            raise OSError(errno.EIO, "The simulated board stopped in the middle of a transfer.")
        data += part
    return bytes(data)
