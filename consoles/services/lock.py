"""One console daemon per data directory, and whether it lives: the kernel says so, not a clock."""

import fcntl
import os
from pathlib import Path

from django.conf import settings


class DaemonRuns(Exception):
    """Another console daemon serves this data directory."""


def lock_path() -> Path:
    return Path(settings.DATA_DIR) / "consoled.lock"


def take_lock() -> int:
    """Become the console daemon of this data directory. Raises `DaemonRuns`. The descriptor is the lock: keep it."""
    descriptor = os.open(lock_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DaemonRuns("A console daemon runs already on this data directory.") from None
    return descriptor


def daemon_is_alive() -> bool:
    """Whether a live process holds the daemon's lock."""
    try:
        with open(lock_path(), "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
