"""Files that are on the server already: what may be imported, opened so that no link leads out of the directory."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from images.models import Upload
from images.services import uploads
from operations.refusals import BadRequest, NotFound
from operations.roles import Actor

MOST_LISTED = 200
COMPANIONS = (".sha256", ".sha256sum", ".bmap")
COMPRESSED = (".xz", ".gz", ".bz2", ".zst", ".zip")


@dataclass(frozen=True)
class Candidate:
    """A file that may be imported. `path` is relative to the directory."""

    path: str
    size_bytes: int


def directory() -> Path:
    """Where files lie that may be imported; only people with access to the server put them there."""
    return Path(settings.IMPORT_DIR)


def candidates() -> list[Candidate]:
    """What lies in the import directory and directly below it, by name; the files that belong to others left out."""
    root = directory()
    found = []
    for path in sorted([*root.glob("*"), *root.glob("*/*")])[: 10 * MOST_LISTED]:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size and path.suffix not in COMPANIONS:
                found.append(Candidate(str(path.relative_to(root)), status.st_size))
    return found[:MOST_LISTED]


def begin(path: str, sha256: str, actor: Actor) -> Upload:
    """Have a file of the import directory copied and inspected. Without a `sha256` the checksum file beside it counts.

    Raises `NotFound`, `BadRequest`, and what `uploads.begin` does.
    """
    with opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
    given = sha256 or _beside(path, (".sha256", ".sha256sum"), uploads.MOST_MAP_BYTES).decode(errors="replace")
    return uploads.begin(uploads.Wish(path, size, given, origin=path), actor)


def block_map_beside(path: str) -> bytes:
    """The text of `IMAGE.bmap` for `IMAGE` or for `IMAGE.xz`; empty if there is none."""
    bare = path
    for suffix in COMPRESSED:
        bare = bare.removesuffix(suffix)
    return _beside(path, (".bmap",), uploads.MOST_MAP_BYTES) or _beside(bare, (".bmap",), uploads.MOST_MAP_BYTES)


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A regular file below the import directory, open for reading. Raises `NotFound`, `BadRequest`."""
    root = directory().resolve()
    try:
        # Non-blocking: opening a pipe must not wait for somebody to write into it.
        descriptor = os.open(root / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        raise NotFound(f"There is no file {path} in {root} that the portal can read.", code="unknown-file") from None
    try:
        # Where it really is is asked after it is open, so that nobody can exchange it in between.
        real = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not real.is_relative_to(root):
            raise BadRequest(f"{path} leads out of {root}.", code="outside")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadRequest(f"{path} is not a file.", code="not-a-file")
        yield descriptor
    finally:
        os.close(descriptor)


def _beside(path: str, suffixes: tuple[str, ...], most_bytes: int) -> bytes:
    for suffix in suffixes:
        with contextlib.suppress(NotFound), opened(path + suffix) as descriptor:
            return os.pread(descriptor, most_bytes, 0)
    return b""
