"""A serial port of this machine (or of the simulator), held by one owner.

A pseudo-terminal carries neither a break nor overrun counters. Beside one at PATH lie, if its other end cares, a FIFO
PATH.break, which gets a byte for each break, and a text file PATH.overruns with a number.
"""

import errno
import fcntl
import os
import stat
import struct
import termios
from contextlib import suppress

import serial

from hardware.errors import PortUnavailable

READ_BYTES = 65_536
BREAK_SECONDS = 0.25  # what serial programs have always sent; SysRq needs more than one character time


class UartPort:
    """One open port, 8N1, raw, exclusive. Starts no thread and never waits for input.

    Every method raises PortUnavailable when the adapter is gone (EIO, ENODEV); then only `close` is of use.
    """

    def __init__(self, path: str, baud: int) -> None:
        """Opens the port. Raises PortUnavailable: not there, not ours, or held by another program."""
        self.path = path
        try:
            self._port = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            raise PortUnavailable(path, _reason(error)) from error
        try:
            _tell_silence_from_absence(self.fileno())
            self._pseudo = os.ttyname(self.fileno()).startswith("/dev/pts/")
            if not self._pseudo:
                # Stops also those who do not ask for the lock that pyserial takes. A pseudo-terminal's other end may
                # keep it open, and the mark would outlive an owner that was killed.
                fcntl.ioctl(self.fileno(), termios.TIOCEXCL)
        except (OSError, termios.error) as error:
            self._port.close()
            raise PortUnavailable(path, _reason(error)) from error

    def fileno(self) -> int:
        """The descriptor, to be watched by an event loop."""
        descriptor: int = self._port.fileno()
        return descriptor

    def read_available(self) -> bytes:
        """What has arrived, up to 64 KiB; empty if nothing has."""
        try:
            data = os.read(self.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortUnavailable(self.path, _reason(error)) from error
        if not data:
            raise PortUnavailable(self.path, "the adapter is gone")
        return data

    def write(self, data: bytes) -> int:
        """Writes what the line takes at once and returns how many bytes that were."""
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PortUnavailable(self.path, _reason(error)) from error

    def set_baud(self, baud: int) -> None:
        """Changes the speed; what has arrived stays to be read. Raises PortUnavailable also for an impossible speed."""
        try:
            self._port.baudrate = baud
            _tell_silence_from_absence(self.fileno())
        except (OSError, ValueError, termios.error) as error:
            raise PortUnavailable(self.path, _reason(error)) from error

    def start_break(self) -> None:
        """Holds the line low until `end_break`, which should come `BREAK_SECONDS` later."""
        self._hold_break(True)
        if self._pseudo:
            _tell_of_break(f"{self.path}.break")

    def end_break(self) -> None:
        """Lets the line go again; nothing happens if it was not held."""
        self._hold_break(False)

    def _hold_break(self, held: bool) -> None:
        try:
            self._port.break_condition = held
        except OSError as error:
            raise PortUnavailable(self.path, _reason(error)) from error

    def overruns(self) -> int | None:
        """How often the UART or its driver has lost input since it was set up; None if nobody counts."""
        if self._pseudo:
            return _counted_beside(f"{self.path}.overruns")
        counters = bytearray(_ICOUNTER.size)
        try:
            fcntl.ioctl(self.fileno(), _TIOCGICOUNT, counters)
        except OSError:
            return None
        _, _, _, _, _, _, _, overrun, _, _, buffer_overrun = _ICOUNTER.unpack(counters)
        return int(overrun) + int(buffer_overrun)

    def close(self) -> None:
        """Gives the port back; may be called twice. What was written and not sent yet is dropped."""
        with suppress(OSError, termios.error, serial.SerialException):
            # Else the kernel waits up to 30 s for a line that takes nothing.
            termios.tcflush(self.fileno(), termios.TCOFLUSH)
        self._port.close()


# struct serial_icounter_struct of <linux/serial.h>: eleven counters, then nine reserved integers.
_ICOUNTER = struct.Struct("11i36x")
_TIOCGICOUNT = 0x545D  # <asm-generic/ioctls.h>


def _tell_silence_from_absence(descriptor: int) -> None:
    """Sets VMIN to 1: with pyserial's 0 a read of nothing looks the same as a read from an adapter that is gone."""
    attributes = termios.tcgetattr(descriptor)
    attributes[6][termios.VMIN] = 1
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _tell_of_break(fifo: str) -> None:
    """A pseudo-terminal carries no break: one byte goes to whoever reads this FIFO, if anybody does."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # nobody made it, or nobody reads it: the break is lost, as on the pseudo-terminal itself
        return
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.write(descriptor, b"\0")
    except OSError:  # the reader is gone, or has not read for a long time
        return
    finally:
        os.close(descriptor)


def _counted_beside(file: str) -> int | None:
    """A pseudo-terminal counts no overruns: whoever keeps its other end may write a number into this file."""
    try:
        with open(file, "rb") as stream:
            return int(stream.read(20))
    except (OSError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """What the system said, without pyserial's own decoration."""
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY):
        return "another program holds it"
    return os.strerror(number).lower() if number else str(error)
