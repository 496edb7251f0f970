"""Small JSON records on disk that are either whole or not there: the line ledger and the holds."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardware.errors import RecordUnwritable


def write_record(path: Path, content: Mapping[str, Any], *, durable: bool) -> None:
    """Replaces `path` by `content` in one step. `durable` waits until file and name have reached the disk.

    Raises RecordUnwritable; the old record, if any, is then still there.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(draft, "w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        raise RecordUnwritable(str(path), error.strerror or str(error)) from error


def remove_record(path: Path) -> None:
    """Removes a record for good, if it is there. Raises RecordUnwritable."""
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RecordUnwritable(str(path), error.strerror or str(error)) from error


def sync_directory(directory: Path) -> None:
    """Makes names that were added to or removed from a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
