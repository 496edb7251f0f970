"""What the supervisor says to the person who started it, without ever waiting for them."""

import os
import select
from collections import deque

# A terminal or pipe that says it is writable takes this much without blocking.
PIECE_BYTES = 512
MAX_WAITING_LINES = 1000


class Terminal:
    """Standard output that neither blocks nor fails.

    A terminal stopped with Ctrl-S, or closed, must not keep the supervisor from releasing a pressed button. Lines wait
    until there is room; the oldest are dropped beyond `MAX_WAITING_LINES`.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque(maxlen=MAX_WAITING_LINES)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def has_waiting(self) -> bool:
        return bool(self._lines)

    def say(self, line: str) -> None:
        """Show a line as soon as there is room for it."""
        self._lines.append(f"{line}\n".encode(errors="replace"))
        self.flush()

    def flush(self) -> None:
        """Show what there is room for now."""
        while self._lines and self._poll.poll(0):
            line = self._lines.popleft()
            try:
                written = os.write(self._descriptor, line[:PIECE_BYTES])
            except OSError:  # nobody is there any more: what was said is lost, the work goes on
                self._lines.clear()
                return
            if line[written:]:
                self._lines.appendleft(line[written:])
