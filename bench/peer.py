"""What sits at the other end of a measured console: it echoes, and floods for a while when it gets Ctrl-N.

`python -m bench.peer` does so on its own terminal, `python -m bench.peer LINK...` on pseudo-terminals of its own, one
behind each link. The same program serves the portal and its baselines.
"""

import os
import select
import sys
import time
import tty
from pathlib import Path

FLOOD_KEY = b"\x0e"
FLOOD_SECONDS = 4.0
LINE_RATE = 92_160  # bytes a second at 921600 baud, 8N1
TICK_SECONDS = 0.005
TEXT = b"".join(b"[%12.6f] a line of a kernel that has much to say, as kernels have\r\n" % n for n in range(10_000))
FLOOD_BYTES = int(FLOOD_SECONDS * LINE_RATE)


def flood(descriptor: int) -> None:
    """Write at line rate; a reader that is late delays it."""
    began, sent = time.monotonic(), 0
    while sent < FLOOD_BYTES:
        due = min(FLOOD_BYTES, int((time.monotonic() - began) * LINE_RATE))
        while sent < due:
            sent += os.write(descriptor, TEXT[sent % len(TEXT) :][: due - sent])
        time.sleep(TICK_SECONDS)


def serve(pairs: list[tuple[int, int]]) -> None:
    """Echo what comes from the first of each pair into the second, until the first is closed."""
    into = dict(pairs)
    while into:
        for descriptor in select.select(list(into), [], [])[0]:
            try:
                data = os.read(descriptor, 4096)
            except OSError:
                data = b""
            if not data:
                del into[descriptor]
            elif data == FLOOD_KEY:
                flood(into[descriptor])
            else:
                os.write(into[descriptor], data)


def main() -> None:
    if not sys.argv[1:]:
        tty.setraw(0)
        serve([(0, 1)])
        return
    pairs, kept = [], []
    for link in sys.argv[1:]:
        master, slave = os.openpty()
        tty.setraw(slave)
        Path(link).symlink_to(os.ttyname(slave))
        kept.append(slave)  # the line outlives whoever talks to it
        pairs.append((master, master))
    print("ready", flush=True)
    serve(pairs)


if __name__ == "__main__":
    main()
