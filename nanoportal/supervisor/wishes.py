"""What the portal's processes ask the supervisor to start: a named pipe in the data directory, one word a line."""

import os
from pathlib import Path

LONGEST_BYTES = 4096


class Wishes:
    """The reading end. It never ends, since we hold the writing end as well; reading does not block."""

    def __init__(self, data: Path) -> None:
        """Makes the pipe if it is not there. Raises OSError."""
        path = data / "wishes"
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def take(self) -> set[str]:
        """What was asked for since the last look. Whoever asked in vain asks again."""
        try:
            return set(os.read(self.descriptor, LONGEST_BYTES).decode(errors="replace").split())
        except BlockingIOError:
            return set()
