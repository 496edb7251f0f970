"""An I2C bus of this machine (or of the simulator), over smbus2."""

import errno
import os
from collections.abc import Callable
from typing import Protocol, TypeVar

import smbus2

from hardware.errors import BusError, BusUnavailable

Answer = TypeVar("Answer")

#: What the kernel's I2C drivers report when nothing acknowledged (Documentation/i2c/fault-codes.rst).
NACK_ERRNOS = frozenset({errno.ENXIO, errno.EREMOTEIO})
TRIES = 3

_REASONS = {
    errno.EBUSY: "a kernel driver owns this address; name the chip as gpiochip:LABEL in the board file instead",
    errno.ETIMEDOUT: "the transfer timed out",
    errno.EAGAIN: "another controller held the bus",
    errno.EACCES: "this account may not use the bus",
}


class Smbus(Protocol):
    """The part of `smbus2.SMBus` that is used; the simulator's client is one, too."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...

    def i2c_rdwr(self, *i2c_msgs: smbus2.i2c_msg) -> None: ...

    def close(self) -> None: ...


def retried(access: Callable[[], Answer]) -> Answer:
    """Makes an access that may be repeated as a whole: up to three tries, a NACK being the only reason for another.

    Only this module retries. Every other fault may have left the device half-way and is reported at once.
    """
    for _ in range(TRIES - 1):
        try:
            return access()
        except BusError as error:
            if not error.nack:
                raise
    return access()


class LinuxI2cBus:
    """`I2cBus` over an open `smbus2.SMBus`. Not locked: whoever uses it holds the bus's BusLock.

    Single registers go through SMBus byte transfers, never through raw messages: those pass the kernel's check for a
    bound driver, whose cached output register we would then contradict.
    """

    def __init__(self, smbus: Smbus) -> None:
        self._smbus = smbus

    @classmethod
    def open(cls, path: str) -> "LinuxI2cBus":
        """Opens "/dev/i2c-N". Raises BusUnavailable."""
        try:
            return cls(smbus2.SMBus(path))
        except OSError as error:
            raise BusUnavailable(path, os.strerror(error.errno or 0)) from error

    def read_byte(self, address: int, register: int) -> int:
        return retried(lambda: self._named(address, register, lambda: self._smbus.read_byte_data(address, register)))

    def write_byte(self, address: int, register: int, value: int) -> None:
        # Writing the same byte again changes nothing, so this too may be repeated.
        retried(lambda: self._named(address, register, lambda: self._smbus.write_byte_data(address, register, value)))

    def write(self, address: int, data: bytes) -> None:
        """One raw write, never repeated: the device may count what it is sent. Raises BusError."""
        message = smbus2.i2c_msg.write(address, list(data))
        self._named(address, None, lambda: self._smbus.i2c_rdwr(message))

    def read(self, address: int, count: int) -> bytes:
        """One raw read of `count` bytes, never repeated. Raises BusError."""
        message = smbus2.i2c_msg.read(address, count)
        self._named(address, None, lambda: self._smbus.i2c_rdwr(message))
        return bytes(message)

    def close(self) -> None:
        self._smbus.close()

    @staticmethod
    def _named(address: int, register: int | None, transfer: Callable[[], Answer]) -> Answer:
        """Makes one transfer; an OSError becomes a BusError that says where and why."""
        try:
            return transfer()
        except OSError as error:
            number = error.errno or 0
            if number in NACK_ERRNOS:
                raise BusError(address, register, "the device did not answer (NACK)", nack=True) from error
            reason = _REASONS.get(number) or (os.strerror(number) if number else str(error))
            raise BusError(address, register, reason) from error
