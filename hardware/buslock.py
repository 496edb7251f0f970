"""The lock that every user of one I2C bus takes, in whatever process or thread."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hardware.errors import RecordUnwritable

#: flock is not fair: whoever takes it in a loop has to leave the others this long.
YIELD_SECONDS = 0.001


class BusLock:
    """Excludes all others from one bus for one transaction (or one register-bridge sequence of the switch).

    An flock on a file of its own, opened anew for each acquisition: that way it excludes the threads of this process
    as well, and the kernel frees it when the holder dies. It must not be taken twice by one thread, and never be held
    while sleeping. The time scale does not apply to it: it guards real transfers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Blocks until the bus is ours: milliseconds. Raises RecordUnwritable if the file cannot be made."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def give_way(self) -> None:
        """To be called between two acquisitions in a loop: lets others have their turn."""
        time.sleep(YIELD_SECONDS)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            try:
                return os.open(self._path, flags, 0o600)
            except FileNotFoundError:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                return os.open(self._path, flags, 0o600)
        except OSError as error:
            raise RecordUnwritable(str(self._path), error.strerror or str(error)) from error
