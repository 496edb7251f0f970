"""What the next daemon has to know and the broker may forget: where each journal ended, and when there was a daemon.

In DATA/consoles/: `<board>-<slot>.json` is written when a line has brought something, `alive` touched all the time.
Neither waits for the disk; a power cut costs the last seconds of it.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

log = logging.getLogger("nanoportal.consoled")
Place = tuple[str, int]  # board and slot


class Remembered:
    """Read once, when a daemon starts; written while it runs."""

    def __init__(self, directory: Path | None, places: Iterable[Place]) -> None:
        """Without a directory nothing is known and nothing kept. Blocks for some small files."""
        self._directory = directory
        self._written: dict[Place, int] = {}
        #: The offset at which the journal of each line had ended, 0 if nobody knows.
        self.ends = {place: self._end(place) for place in places}
        #: When there was a daemon before this one, in Unix seconds; None if there never was.
        self.ended_at = self._last_alive()

    def _last_alive(self) -> float | None:
        try:
            return (self._directory / "alive").stat().st_mtime if self._directory else None
        except OSError:
            return None

    def _end(self, place: Place) -> int:
        try:
            return int(json.loads(self._file(place).read_text())["end"]) if self._directory else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def keep(self, ends: Mapping[Place, int]) -> None:
        """Write what has changed. Blocks for some small files; a disk that takes none is logged."""
        if self._directory is None:
            return
        try:
            for place, end in ends.items():
                if self._written.get(place) != end:
                    draft = self._file(place).with_suffix(".draft")
                    draft.write_text(json.dumps({"end": end, "at": time.time()}))
                    draft.replace(self._file(place))
                    self._written[place] = end
            (self._directory / "alive").touch()
        except OSError as error:
            log.warning("%s: %s", self._directory, error.strerror)

    def _file(self, place: Place) -> Path:
        assert self._directory is not None
        return self._directory / f"{place[0]}-{place[1]}.json"
