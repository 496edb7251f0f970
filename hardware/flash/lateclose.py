"""A target that may be closed at any time: while an access to it has not come back from the kernel, it is closed as
soon as that has. Closed before, its number could be given to another file, and the access would go there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hardware.contracts import BlockTarget
from hardware.errors import WriteError


class LateClosing:
    """A BlockTarget around another one."""

    def __init__(self, target: BlockTarget) -> None:
        self._target = target
        self.name = target.name
        self.size_bytes = target.size_bytes
        self.is_direct = target.is_direct
        self.clears = target.clears
        self.reads_back_by = target.reads_back_by
        self._guard = threading.Lock()
        self._accesses = 0
        self._is_given_up = False

    def write(self, offset: int, data: memoryview) -> None:
        with self._access(offset):
            self._target.write(offset, data)

    def clear(self, offset: int, length: int) -> bool:
        with self._access(offset):
            is_cleared = self._target.clear(offset, length)
            self.clears = self._target.clears
            return is_cleared

    def sync(self) -> None:
        with self._access(0):
            self._target.sync()

    def read(self, offset: int, buffer: memoryview) -> None:
        with self._access(offset):
            self._target.read(offset, buffer)

    def close(self) -> None:
        """Does not block, and may be called again."""
        with self._guard:
            is_last = not self._is_given_up and not self._accesses
            self._is_given_up = True
        if is_last:
            self._target.close()

    @contextmanager
    def _access(self, offset: int) -> Iterator[None]:
        """Raises WriteError once it was closed."""
        with self._guard:
            if self._is_given_up:
                raise WriteError(self.name, offset, "it was given up")
            self._accesses += 1
        try:
            yield
        finally:
            with self._guard:
                self._accesses -= 1
                is_last = self._is_given_up and not self._accesses
            if is_last:
                self._target.close()
