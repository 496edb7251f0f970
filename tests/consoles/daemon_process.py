"""A console daemon as a process of its own, to be killed: `python -m tests.consoles.daemon_process URL PATH...`."""

import sys
from datetime import UTC, datetime

from consoles.daemon import Daemon
from consoles.desk import Outside
from consoles.lines import Line

if __name__ == "__main__":
    _, url, *paths = sys.argv
    lines = [Line("b1", slot, path, 921_600) for slot, path in enumerate(paths, 2)]
    Daemon(lines, Outside(lambda news: None), lambda: datetime.now(UTC), 1.0, url).run()
