"""One portal per data directory, decided by a lock that the kernel frees with its holder."""

import fcntl
import os
from pathlib import Path


class DataInUse(Exception):
    """Another supervisor holds this data directory; the text is one sentence naming its pid."""


def hold_data(data: Path) -> int:
    """Make `data` ours until this process ends; returns the descriptor that holds it. Raises `DataInUse` or OSError.

    The descriptor closes at exec, so no child holds the lock in our place.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data / "instance.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DataInUse(f"process {holder} is another NanoPortal on the same data, {data}; stop it first.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
