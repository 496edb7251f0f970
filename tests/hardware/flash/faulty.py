"""Targets that fail the way disks do, behind the contract that disks fulfil."""

import threading
import time

from hardware.contracts import BlockTarget
from hardware.errors import ReadError, WriteError


class Faulty:
    """A target that passes everything on, for those below to change one thing."""

    def __init__(self, target: BlockTarget) -> None:
        self.inner = target
        self.name = target.name
        self.size_bytes = target.size_bytes
        self.is_direct = target.is_direct
        self.clears = target.clears
        self.reads_back_by = target.reads_back_by

    def write(self, offset: int, data: memoryview) -> None:
        self.inner.write(offset, data)

    def clear(self, offset: int, length: int) -> bool:
        return self.inner.clear(offset, length)

    def sync(self) -> None:
        self.inner.sync()

    def read(self, offset: int, buffer: memoryview) -> None:
        self.inner.read(offset, buffer)

    def close(self) -> None:
        self.inner.close()


class Plain(Faulty):
    """A disk that has to be sent every zero, as most behind USB."""

    def __init__(self, target: BlockTarget) -> None:
        super().__init__(target)
        self.clears = False

    def clear(self, offset: int, length: int) -> bool:
        return False


class Slow(Plain):
    """`bytes_per_second` in either direction."""

    def __init__(self, target: BlockTarget, bytes_per_second: float) -> None:
        super().__init__(target)
        self._rate = bytes_per_second

    def write(self, offset: int, data: memoryview) -> None:
        time.sleep(len(data) / self._rate)
        super().write(offset, data)

    def read(self, offset: int, buffer: memoryview) -> None:
        time.sleep(len(buffer) / self._rate)
        super().read(offset, buffer)


class BadBlock(Faulty):
    """Fails where that block lies."""

    def __init__(self, target: BlockTarget, offset: int) -> None:
        super().__init__(target)
        self._bad = offset

    def write(self, offset: int, data: memoryview) -> None:
        if offset <= self._bad < offset + len(data):
            raise WriteError(self.name, self._bad, "Input/output error")
        super().write(offset, data)


class Pulled(Faulty):
    """The cable is pulled once `operation` ("write", "sync" or "read") was done so many times: nothing works then."""

    def __init__(self, target: BlockTarget, operation: str, times: int) -> None:
        super().__init__(target)
        self._operation = operation
        self._left = times

    def _tell(self, operation: str, error: Exception) -> None:
        self._left -= operation == self._operation
        if self._left < 0:
            raise error

    def write(self, offset: int, data: memoryview) -> None:
        self._tell("write", WriteError(self.name, offset, "No such device"))
        super().write(offset, data)

    def sync(self) -> None:
        self._tell("sync", WriteError(self.name, 0, "No such device"))
        super().sync()

    def read(self, offset: int, buffer: memoryview) -> None:
        self._tell("read", ReadError(self.name, offset, "No such device"))
        super().read(offset, buffer)


class Lying(Faulty):
    """Keeps one bit wrong of what it is sent, or of what it was told to clear, and says that all is well."""

    def __init__(self, target: BlockTarget, offset: int) -> None:
        super().__init__(target)
        self._wrong = offset

    def sync(self) -> None:
        byte = memoryview(bytearray(1))
        self.inner.read(self._wrong, byte)
        self.inner.write(self._wrong, memoryview(bytes([byte[0] ^ 4])))
        super().sync()
        self.sync = super().sync  # type: ignore[method-assign]


class Hanging(Faulty):
    """From its third write on nothing comes back until `let_go` is set."""

    def __init__(self, target: BlockTarget) -> None:
        super().__init__(target)
        self.let_go = threading.Event()
        self.hangs = threading.Event()
        self.writes = 0

    def write(self, offset: int, data: memoryview) -> None:
        self.writes += 1
        if self.writes >= 3:
            self.hangs.set()
            self.let_go.wait(30)
        super().write(offset, data)
