"""What the supervisor is asked to start: a named pipe in the data directory, and one word a line.

Nobody reads it where the parts of the portal are run separately; then whoever runs them has started what is needed.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from django.conf import settings

FLASH_WORKER = "flash"


def wish(word: str) -> None:
    """Ask for `word` to be started; asking again for what runs changes nothing. Neither blocks nor raises."""
    path = Path(settings.DATA_DIR) / "wishes"
    with suppress(OSError):  # no pipe, nobody at its other end, or it is full of the same wish
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if stat.S_ISFIFO(os.fstat(pipe).st_mode):
                os.write(pipe, f"{word}\n".encode())
        finally:
            os.close(pipe)
