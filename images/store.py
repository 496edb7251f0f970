"""Where images lie on the disk, and the acts on files that a crash cannot leave half done.

`DATA/images/incoming/ID.part` grows while an upload arrives; only a whole, inspected file is renamed to
`DATA/images/library/ID.img`, read-only, with its block map `ID.map` beside it. Rows in the database say which of these
count: a file without a row is swept away.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.conf import settings


def root() -> Path:
    return Path(settings.DATA_DIR) / "images"


def incoming(upload_id: UUID) -> Path:
    return root() / "incoming" / f"{upload_id.hex}.part"


def given_map(upload_id: UUID) -> Path:
    """The block map that came with an upload."""
    return root() / "incoming" / f"{upload_id.hex}.bmap"


def kept(image_id: UUID) -> Path:
    return root() / "library" / f"{image_id.hex}.img"


def kept_map(image_id: UUID) -> Path:
    return root() / "library" / f"{image_id.hex}.map"


def prepare() -> None:
    """Make the directories if they are not there, for this account alone."""
    for folder in (root(), root() / "incoming", root() / "library"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def open_incoming(upload_id: UUID, *, fresh: bool) -> Iterator[int]:
    """The growing file as a descriptor, made if `fresh`. Raises FileNotFoundError otherwise."""
    if fresh:
        prepare()
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if fresh else 0)
    descriptor = os.open(incoming(upload_id), flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """All of `data`. Raises OSError, for instance when the disk is full."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view, offset = view[written:], offset + written


def write_whole(path: Path, data: bytes) -> None:
    """A small file that is there whole or not at all. Raises OSError."""
    draft = path.with_suffix(".draft")
    with open(draft, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def keep(upload_id: UUID, block_map: bytes) -> None:
    """Make the inspected file of an upload the image's: map first, everything on the disk, then the rename.

    Raises OSError. Blocks until the disk has it.
    """
    write_whole(kept_map(upload_id), block_map)
    with open_incoming(upload_id, fresh=False) as descriptor:
        os.fchmod(descriptor, 0o400)
        os.fsync(descriptor)
    incoming(upload_id).rename(kept(upload_id))
    _sync_folder(kept(upload_id).parent)
    _sync_folder(incoming(upload_id).parent)


def take_back(upload_id: UUID) -> None:
    """Undo a `keep` whose row was never written: the process died in between."""
    if kept(upload_id).exists() and not incoming(upload_id).exists():
        kept(upload_id).rename(incoming(upload_id))
        incoming(upload_id).chmod(0o600)
        kept_map(upload_id).unlink(missing_ok=True)


def drop(some_id: UUID) -> None:
    """Remove every file of that id; none is fine. Raises OSError."""
    for folder in ("incoming", "library"):
        for path in (root() / folder).glob(f"{some_id.hex}.*"):
            path.unlink(missing_ok=True)


def ids_on_disk() -> set[UUID]:
    """The ids that have any file, whatever it is."""
    found = set()
    for folder in ("incoming", "library"):
        for path in (root() / folder).glob("*.*"):
            try:
                found.add(UUID(path.stem))
            except ValueError:
                continue  # not ours
    return found


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
