"""When tests run on several processes at once, some of them still need the machine for themselves.

A test marked `quiet` measures time or floods lines: it begins when nothing else runs, and nothing begins beside it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Turns:
    """The turns of one run of the suite, shared by its processes; without several of them everybody's turn is now."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None

    @contextlib.contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Waits until it may begin. Whoever wants to be alone closes the gate first, so that it is not waiting long."""
        if self._folder is None:
            yield
            return
        with _locked(self._folder / "room") as room, _locked(self._folder / "gate") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            if not alone:
                fcntl.flock(gate, fcntl.LOCK_UN)
            yield


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor whose lock ends with it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
