"""The trace: what happened on the simulated board, one JSON line each, in the order in which it happened."""

import json
import os
from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]
_to_json = json.JSONEncoder(separators=(",", ":")).encode


class Trace:
    """Keeps entries in a file, appended and handed to the kernel before the call returns, or else only in memory.

    Each entry carries `t`, seconds on the monotonic clock.
    """

    def __init__(self, monotonic: Callable[[], float], path: str | None = None, keep: bool = False) -> None:
        """Append to `path` (None: no file); `keep` also collects the entries in `self.entries`, for tests.

        Raises OSError when the file cannot be opened.
        """
        self._monotonic = monotonic
        self._keep = keep
        self.entries: list[Entry] = []
        self._held: list[Entry] | None = None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._path = path
        self._file = None if path is None else os.open(path, flags, 0o644)

    def record(self, **fields: Any) -> None:
        """Write one entry; raises OSError when the file cannot take it."""
        entry = {"t": self._monotonic(), **fields}
        if self._held is None:
            self._write([entry])
        else:
            self._held.append(entry)

    def begin(self, **fields: Any) -> Entry:
        """Return an entry that precedes all that is recorded until its `end`: a cause stands before its effects.

        Fields may be added to it until then, when everything is written at once.
        """
        self._held = []
        return {"t": self._monotonic(), **fields}

    def end(self, entry: Entry) -> None:
        """Write the entry that was begun, and what was recorded since; raises OSError."""
        held, self._held = self._held, None
        self._write([entry, *held] if held else [entry])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, entries: list[Entry]) -> None:
        if self._keep:
            self.entries.extend(entries)
        if self._file is not None:
            text = "".join([_to_json(entry) + "\n" for entry in entries])
            data = text.encode()
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError as error:
                raise OSError(error.errno, error.strerror, self._path) from error
