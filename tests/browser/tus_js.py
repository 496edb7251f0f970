"""tus-js-client, the upload client that most web pages use: one file, fetched as the consoles' terminal is and kept."""

import tempfile
from pathlib import Path

from nanoportal import terminal_files
from tests.simulated import PROJECT

PACKAGE = "tus-js-client@4.3.1"
INTEGRITY = "sha512-ZLeYmjrkaU1fUsKbIi8JML52uAocjEZtBx4DKjRrqzrZa0O4MYwT6db+oqePlspV+FxXJAyFBc/L5gwUi2OFsg=="
KEPT = PROJECT / ".venv" / "peers" / "tus-js-client"


def script() -> str:
    """Its text; sets `window.tus`. Needs the network the first time."""
    kept = KEPT / "tus.min.js"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            archive = terminal_files._fetch(terminal_files._npm(folder), PACKAGE, folder, PROJECT)
            terminal_files.check(archive, INTEGRITY)
            KEPT.mkdir(parents=True, exist_ok=True)
            terminal_files.take_out(archive, {"dist/tus.min.js": "tus.min.js"}, KEPT)
    return kept.read_text(encoding="utf-8")
