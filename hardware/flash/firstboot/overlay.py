"""What a slot's first-boot files change on a disk that holds the image: computed before, written after.

The image stays as it is. Its boot partition is copied out once, changed in a copy for each slot, and compared with
what it was: the differences are all that is written to a target, so that nothing else on it can be touched.
"""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import BinaryIO

from hardware.contracts import BlockTarget
from hardware.errors import Stopped, VerifyError
from hardware.flash.blockmap import BlockMap
from hardware.flash.firstboot import fat
from hardware.flash.firstboot.errors import BootPartitionError
from hardware.flash.firstboot.forms import Kind, kind_of
from hardware.flash.image import ImageReader
from hardware.flash.partitions import Partition
from hardware.flash.pieces import page_aligned

SECTOR_BYTES = 512
PIECE_BYTES = 1024**2

Range = tuple[int, int]  # first byte, byte after the last


@dataclass(frozen=True)
class Overlay:
    """Bytes that turn the image on a target into the one for a slot: (offset on the disk, bytes), ascending.

    `files` are the names of what they bring. The bytes hold secrets and do not show in its repr.
    """

    ranges: tuple[tuple[int, bytes], ...] = field(repr=False)
    files: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(data) for _, data in self.ranges)

    @property
    def words(self) -> str:
        """For a log."""
        places = f"{len(self.ranges)} place{'' if len(self.ranges) == 1 else 's'}"
        return f"{', '.join(self.files)}: {self.size_bytes:,} bytes in {places}"

    def apply(self, target: BlockTarget) -> None:
        """Writes them to a target that holds the image, and reads them back from the device. Blocks for it.

        Raises WriteError, ReadError, VerifyError; what the boot partition holds is unknown then.
        """
        for offset, data in self.ranges:
            buffer = page_aligned(len(data))
            buffer[:] = data
            target.write(offset, buffer)
        target.sync()
        for offset, data in self.ranges:
            buffer = page_aligned(len(data))
            target.read(offset, buffer)
            if buffer != data:
                raise VerifyError(target.name, offset, len(data))


class BootPartition:
    """An image's boot partition in a file of its own. A context manager; for one thread at a time."""

    def __init__(self, directory: Path, disk: Path, partition: Partition, block_map: BlockMap) -> None:
        self._directory = directory
        self._disk = disk
        self._partition = partition
        self._holes = tuple(_holes(block_map, partition))

    @classmethod
    def extract(
        cls, image: Path, block_map: BlockMap, partition: Partition, workdir: Path, stop: threading.Event | None = None
    ) -> "BootPartition":
        """Copies the partition out of the image, which is only read, into a directory of its own below `workdir`.

        Takes what expanding the image up to the partition's last data takes, and as much room as its data.

        Raises ImageError, BootPartitionError (no room in `workdir`, for instance), Stopped; ProgramMissing at once.
        """
        fat.require()
        with contextlib.ExitStack() as undo, _room():
            workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory = Path(mkdtemp(dir=workdir, prefix="boot-"))
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            disk = directory / "boot.img"
            _copy_out(image, block_map, partition, disk, stop or threading.Event())
            undo.pop_all()
        return cls(directory, disk, partition, block_map)

    def names(self) -> frozenset[str]:
        """The files in its root directory. Raises BootPartitionError."""
        return fat.names(self._disk)

    def kind(self) -> Kind:
        """Which kind of system reads it at the first boot. Raises BootPartitionError."""
        names = self.names()
        command = fat.read(self._disk, "cmdline.txt").decode(errors="replace") if "cmdline.txt" in names else ""
        return kind_of(names, self._partition.label, command)

    def overlay(self, files: dict[str, bytes]) -> Overlay:
        """What these files, in its root directory, change on a disk that holds the image.

        Raises BootPartitionError, for instance if there is no room for them.
        """
        changed, source = self._directory / "changed.img", self._directory / "file"
        with contextlib.ExitStack() as undo, _room():
            undo.callback(changed.unlink, missing_ok=True)
            if not changed.exists():
                _copy_sparse(self._disk, changed)
            for name, data in files.items():
                source.write_bytes(data)
                fat.put(changed, source, name)
            source.unlink(missing_ok=True)
            ranges = _merged([*self._differences(changed), *self._written_holes(changed)])
            overlay = Overlay(tuple(self._on_disk(changed, ranges)), tuple(files))
            self._take_back(changed, ranges)
            undo.pop_all()
        return overlay

    def _differences(self, changed: Path) -> Iterator[Range]:
        """The sectors that differ. Where the changed copy was never written, there is nothing in either."""
        with self._disk.open("rb") as old_file, changed.open("rb") as new_file:
            for start, end in _data_in(new_file.fileno(), (0, self._partition.size_bytes)):
                for at in range(start, end, PIECE_BYTES):
                    length = min(PIECE_BYTES, end - at)
                    yield from _differing(_read_at(old_file, at, length), _read_at(new_file, at, length), at)

    def _written_holes(self, changed: Path) -> Iterator[Range]:
        """What a block map that came with the image leaves to chance on the device, and is needed now: wherever
        something was written, be it zeros, and the file system's own tables."""
        with changed.open("rb") as file:
            tables = (0, fat.metadata_bytes(_read_at(file, 0, SECTOR_BYTES)))
            for hole in self._holes:
                for needed in (tables, *_data_in(file.fileno(), hole)):
                    start, end = max(hole[0], needed[0]), min(hole[1], needed[1])
                    if start < end:
                        yield start, end

    def _on_disk(self, changed: Path, ranges: Iterable[Range]) -> Iterator[tuple[int, bytes]]:
        with changed.open("rb") as file:
            for start, end in ranges:
                yield self._partition.first_byte + start, _read_at(file, start, end - start)

    def _take_back(self, changed: Path, ranges: Iterable[Range]) -> None:
        """Makes the copy what it was, for the next slot: whole copies would wear the controller's card."""
        with self._disk.open("rb") as old, changed.open("r+b") as new:
            for start, end in ranges:
                new.seek(start)
                new.write(_read_at(old, start, end - start))

    def close(self) -> None:
        """Removes what was copied and made."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> "BootPartition":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _copy_out(image: Path, block_map: BlockMap, partition: Partition, to: Path, stop: threading.Event) -> None:
    def raise_if_stopped() -> None:
        if stop.is_set():
            raise Stopped("Reading the image")

    piece = memoryview(bytearray(PIECE_BYTES))
    with ImageReader(image) as reader, to.open("wb") as file:
        file.truncate(partition.size_bytes)
        for extent in block_map.extents:
            start, end = max(extent.offset, partition.first_byte), min(extent.end, partition.end_byte)
            if extent.is_zeros or start >= end:
                continue
            reader.skip_to(start, raise_if_stopped)
            file.seek(start - partition.first_byte)
            while reader.position < end:
                raise_if_stopped()
                count = reader.readinto(piece[: end - reader.position])
                if not count:
                    raise BootPartitionError("The image ends before its boot partition does.")
                file.write(piece[:count])


def _copy_sparse(source: Path, to: Path) -> None:
    """A copy in which what was never written is not written either."""
    with source.open("rb") as old, to.open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        for start, end in _data_in(old.fileno(), (0, size)):
            new.seek(start)
            for at in range(start, end, PIECE_BYTES):
                new.write(_read_at(old, at, min(PIECE_BYTES, end - at)))


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """Past the file object's own buffer, which does not notice that `_data_in` moves what it stands on."""
    data = os.pread(file.fileno(), length, offset)
    if len(data) < length:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return data


def _differing(old: bytes, new: bytes, offset: int) -> Iterator[Range]:
    """The sectors in which two pieces differ that begin at `offset`."""
    for at in range(0, len(new) if old != new else 0, SECTOR_BYTES):
        if old[at : at + SECTOR_BYTES] != new[at : at + SECTOR_BYTES]:
            yield offset + at, offset + min(at + SECTOR_BYTES, len(new))


def _data_in(file: int, within: Range) -> Iterator[Range]:
    """Where a file has data rather than holes of its own; all of it where its file system knows no holes."""
    start, end = within
    while start < end:
        try:
            begin = os.lseek(file, start, os.SEEK_DATA)
        except OSError:  # nothing but a hole until its end
            return
        start = os.lseek(file, begin, os.SEEK_HOLE)
        if begin < end:
            yield begin, min(start, end)


def _holes(block_map: BlockMap, partition: Partition) -> Iterator[Range]:
    """What of the partition the map does not cover, counted from its beginning."""
    free = partition.first_byte
    for extent in block_map.extents:
        if extent.offset >= partition.end_byte:
            break
        if extent.offset > free:
            yield free - partition.first_byte, extent.offset - partition.first_byte
        free = max(free, extent.end)
    if free < partition.end_byte:
        yield free - partition.first_byte, partition.size_bytes


def _merged(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes in as few ranges as possible, ascending."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Says in words what the disk that is worked on has against it: being full, mostly."""
    try:
        yield
    except OSError as error:
        raise BootPartitionError(f"The boot partition could not be worked on: {error.strerror}.") from error
