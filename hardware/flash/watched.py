"""A target under watch: a cancel reaches whatever is done to it, and it is known when it last answered."""

import time
from collections.abc import Callable

from hardware.contracts import BlockTarget
from hardware.errors import HardwareError, ReadError, WriteError


class WatchedTarget:
    """A BlockTarget that passes everything on to another, unless cancelled.

    Attributes:
        active_at: when the target last answered (monotonic).
        raise_if_cancelled: called before each access; what it raises keeps that one from the target.
    """

    def __init__(self, target: BlockTarget) -> None:
        self._target = target
        self.name = target.name
        self.size_bytes = target.size_bytes
        self.is_direct = target.is_direct
        self.clears = target.clears
        self.reads_back_by = target.reads_back_by
        self.raise_if_cancelled: Callable[[], None] = lambda: None
        self.active_at = time.monotonic()
        self._position = 0
        self._reads = False

    def silence(self, seconds: float) -> HardwareError:
        """The error for a target that has not come back from its last access for so long."""
        kind = ReadError if self._reads else WriteError
        return kind(self.name, self._position, f"the device has not answered for {seconds:g} s")

    def write(self, offset: int, data: memoryview) -> None:
        self._approach(offset)
        self._target.write(offset, data)
        self.active_at = time.monotonic()

    def clear(self, offset: int, length: int) -> bool:
        self._approach(offset)
        is_cleared = self._target.clear(offset, length)
        self.clears = self._target.clears  # it may have found out that it cannot
        self.active_at = time.monotonic()
        return is_cleared

    def sync(self) -> None:
        self._approach(self._position)
        self._target.sync()
        self.active_at = time.monotonic()

    def read(self, offset: int, buffer: memoryview) -> None:
        self._approach(offset, reads=True)
        self._target.read(offset, buffer)
        self.active_at = time.monotonic()

    def close(self) -> None:
        self._target.close()

    def _approach(self, offset: int, reads: bool = False) -> None:
        self.raise_if_cancelled()
        self._position, self._reads = offset, reads
