"""The I2C bus of the simulated board: addresses, acknowledgements, and one trace entry for each START..STOP."""

import errno
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hardware.simulator.clock import Scheduler
from hardware.simulator.faults import Faults
from hardware.simulator.trace import Entry, Trace
from hardware.simulator.wire import Message

#: What Linux's I2C drivers answer (i2c-bcm2835.c, fault-codes.rst): no acknowledgement, transfer never ended,
#: a sequence of messages that the adapter cannot do.
NACK_ERRNO = errno.EREMOTEIO
HANG_ERRNO = errno.ETIMEDOUT
UNSUPPORTED_ERRNO = errno.EOPNOTSUPP
#: An adapter gives up on a bus that is held low after one second [inferred: default `timeout` of Linux's i2c core].
HANG_TIMEOUT_SECONDS = 1.0


class TransferError(OSError):
    """A transfer that failed, with the errno that Linux would give."""


class Nack(Exception):
    """A device did not acknowledge.

    `position` is 0 for the address byte, n for the n-th byte after it; `reason` is for the trace.
    """

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class Device(Protocol):
    """A chip on the bus."""

    name: str

    def is_awake(self) -> bool:
        """Return False while the chip cannot answer to its address, in reset for instance."""

    def write(self, data: bytes) -> None:
        """Take the bytes that follow the address; raises Nack."""

    def read(self, count: int, repeated_start: bool) -> bytes:
        """Return `count` bytes; `repeated_start` tells that no STOP preceded. Raises Nack for the address byte."""


class Bus:
    """Devices by address. A transfer is a write, a read, or both with a repeated start, to one address."""

    def __init__(self, scheduler: Scheduler, trace: Trace, faults: Faults) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self._faults = faults
        self._devices: dict[int, Device] = {}
        self._waiting: deque[tuple[list[Message], Callable[[int, bytes], None]]] = deque()
        self._busy = False

    def attach(self, address: int, device: Device) -> None:
        """Put `device` at a 7-bit address."""
        self._devices[address] = device

    def transfer(self, messages: list[Message], **marks: object) -> bytes:
        """Do one START..STOP at once and return what was read; `marks` are added to its trace entry.

        Raises TransferError.
        """
        kind = _kind(messages)
        address = messages[0].address
        out = {"out": ""} if kind == "wr" else {}
        entry = self._trace.begin(bus="i2c", addr=f"0x{address:02x}", op=kind, **out, data="", **marks)
        try:
            return self._exchange(address, messages, entry)
        except Nack as nack:
            entry["nack"] = nack.position
            entry["error"] = nack.reason
            raise TransferError(NACK_ERRNO, f"I2C device 0x{address:02x} did not acknowledge.") from nack
        finally:
            self._trace.end(entry)

    def submit(self, messages: list[Message], reply: Callable[[int, bytes], None]) -> None:
        """Do one START..STOP when the bus is free and call `reply(errno, data)`; the bus faults hang and slow apply."""
        self._waiting.append((messages, reply))
        self._next()

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        if self._faults.is_active("bus-hang"):
            self._scheduler.call_later(HANG_TIMEOUT_SECONDS, self._give_up)
        elif slow := self._faults.value("slow"):
            self._scheduler.call_later(float(slow), self._finish)
        else:
            self._finish()

    def _give_up(self) -> None:
        if not self._faults.is_active("bus-hang"):
            return self._finish()
        messages, reply = self._waiting.popleft()
        self._trace.record(fault="bus-hang", struck=True, addr=f"0x{messages[0].address:02x}" if messages else None)
        self._end(reply, HANG_ERRNO, b"")

    def _finish(self) -> None:
        messages, reply = self._waiting.popleft()
        try:
            error, data = 0, self.transfer(messages)
        except TransferError as refusal:
            error, data = refusal.errno or errno.EIO, b""
        self._end(reply, error, data)

    def _end(self, reply: Callable[[int, bytes], None], error: int, data: bytes) -> None:
        self._busy = False
        reply(error, data)
        self._next()

    def _exchange(self, address: int, messages: list[Message], entry: Entry) -> bytes:
        device = self._devices.get(address)
        if device is None or not device.is_awake():
            raise Nack(0, "no device answers at this address")
        if self._faults.strikes("nack", device.name):
            raise Nack(0, "fault nack")
        answer = b""
        for message in messages:
            if message.data is None:
                answer = device.read(message.length, repeated_start=len(messages) > 1)
                entry["data"] = answer.hex()
            else:
                self._write(device, message.data, entry)
        return answer

    def _write(self, device: Device, data: bytes, entry: Entry) -> None:
        written = "out" if entry["op"] == "wr" else "data"
        entry[written] = data.hex()
        try:
            device.write(data)
        except Nack as nack:
            # The trace shows what the device took, so that nobody mistakes a refused write for one that happened.
            entry[written] = data[: max(nack.position - 1, 0)].hex()
            raise


def _kind(messages: list[Message]) -> str:
    """Return "w", "r" or "wr"; raises TransferError for what the bus does not do."""
    kind = "".join(["r" if message.data is None else "w" for message in messages])
    if kind not in ("w", "r", "wr") or messages[0].address != messages[-1].address:
        raise TransferError(UNSUPPORTED_ERRNO, "The bus does a write, a read or both, to one address.")
    return kind
