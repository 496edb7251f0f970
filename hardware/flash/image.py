"""A disk image in a file, whatever it is packed in: what is in it, and its bytes in order.

`inspect` reads the whole of it once and refuses what is damaged, so that flashing meets no surprise.
"""

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hardware.errors import ImageCorrupt, ImageError, ImageTooLarge, ImageTruncated, ImageUnsupported, Stopped
from hardware.flash import decoders
from hardware.flash.blockmap import BlockMap, MapBuilder, MapChecker, read_bmap
from hardware.flash.partitions import (
    GLIMPSE_BYTES,
    HEAD_BYTES,
    Partition,
    PartitionTable,
    boot_partition,
    check_extent,
    name_contents,
    read_partition_table,
)

MAX_SIZE_BYTES = 256 * 1024**3  # what an image may expand to unless the caller knows better
PIECE_BYTES = 1024**2


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image once all of it was read.

    `size_bytes` is what it expands to, `stored_bytes` and `sha256` (hex) are of the file as it is stored;
    `decoder_window_bytes` is what expanding it takes in memory; `scheme` is "gpt", "mbr" or "" without a partition
    table; `boot_partition` is a FAT one.
    """

    format: str
    size_bytes: int
    stored_bytes: int
    sha256: str
    scheme: str
    partitions: tuple[Partition, ...]
    boot_partition: Partition | None
    block_map: BlockMap
    decoder_window_bytes: int


class ImageReader:
    """The bytes of an image from its first to its last. A context manager; for one thread at a time.

    Raises ImageError if the file cannot be opened or is nothing that we read. Keeps no more in memory than a piece of
    input and what the decoder keeps (`decoder_window_bytes`).
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ImageError(f"The image {path.name} could not be opened: {error.strerror}.") from error
        with contextlib.ExitStack() as undo:
            undo.callback(self._file.close)
            head = self._file.read(decoders.SNIFF_BYTES)
            self.format = decoders.sniff(head)
            self.stored_bytes = self._file.seek(0, 2)
            self._file.seek(0)
            self.decoder_window_bytes = decoders.window_bytes(self.format, head)
            decoders.refuse_window(self.format, self.decoder_window_bytes)
            self._expander = decoders.expander(self.format, self._file)
            undo.pop_all()
        self.position = 0

    @property
    def stored_read_bytes(self) -> int:
        """How much of the file was read so far, for a bar of progress."""
        return min(self._file.tell(), self.stored_bytes)

    def readinto(self, buffer: memoryview) -> int:
        """Fills `buffer` and returns how much of it; less than all only at the end. Raises ImageError. Blocks."""
        filled = 0
        while filled < len(buffer) and (count := self._expander.readinto(buffer[filled:])):
            filled += count
        self.position += filled
        return filled

    def skip_to(self, offset: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Goes on at `offset`, not before `position`: at once in a raw image, else by expanding what lies between.

        `meanwhile` is called for each MiB of that; what it raises ends it.

        Raises ImageError, ImageTruncated if the image ends before it.
        """
        if self.format == decoders.RAW:
            if offset > self.stored_bytes:
                raise ImageTruncated(f"The image is cut short: it ends at {self.stored_bytes:,} bytes.")
            self._file.seek(offset)
            self.position = offset
        waste = memoryview(bytearray(min(PIECE_BYTES, max(0, offset - self.position))))
        while self.position < offset:
            meanwhile()
            if not self.readinto(waste[: offset - self.position]):
                raise ImageTruncated(f"The image is cut short: it ends at {self.position:,} bytes.")

    def raise_unless_at_end(self) -> None:
        """Raises ImageCorrupt if there is more, ImageError if the end itself is damaged."""
        if self.readinto(memoryview(bytearray(1))):
            raise ImageCorrupt(f"The image goes on after its {self.position - 1:,} bytes.")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def inspect(
    path: Path,
    *,
    bmap: bytes | None = None,
    max_size_bytes: int = MAX_SIZE_BYTES,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImageFacts:
    """Reads the whole image once and returns what is in it; blocks for that long and needs no space on disk.

    Args:
        bmap: the bmap 2.0 file that came with it; without one the map is built, from the image.
        max_size_bytes: an image that expands to more is refused once it does.
        stop: raises Stopped within a moment of being set.
        on_progress: called with the bytes of the file that were read and the bytes that came of them, each MiB.

    Raises ImageError (a subclass tells the kind): unreadable, truncated, corrupt, unsupported, too large, needs too
    much memory; BlockMapInvalid if `bmap` is damaged or not of this image.
    """
    survey = _Survey(None if bmap is None else read_bmap(bmap))
    with ImageReader(path) as reader:
        piece = bytearray(PIECE_BYTES)
        while count := reader.readinto(memoryview(piece)):
            _raise_if(stop)
            if reader.position > max_size_bytes:
                raise ImageTooLarge(f"The image expands to more than the limit of {max_size_bytes:,} bytes.")
            survey.feed(piece if count == len(piece) else piece[:count])
            if on_progress:
                on_progress(reader.stored_read_bytes, reader.position)
        return _facts(reader, survey, sha256_of(path, stop))


def _facts(reader: ImageReader, survey: "_Survey", sha256: str) -> ImageFacts:
    table, partitions, block_map = survey.finish()
    return ImageFacts(
        format=reader.format,
        size_bytes=reader.position,
        stored_bytes=reader.stored_bytes,
        sha256=sha256,
        scheme=table.scheme if table else "",
        partitions=partitions,
        boot_partition=boot_partition(partitions),
        block_map=block_map,
        decoder_window_bytes=reader.decoder_window_bytes,
    )


def _raise_if(stop: threading.Event | None) -> None:
    if stop and stop.is_set():
        raise Stopped("Reading the image")


def sha256_of(
    path: Path, stop: threading.Event | None = None, on_progress: Callable[[int], None] = lambda read_bytes: None
) -> str:
    """The sha256 of a file, in hex; `on_progress` gets the bytes read so far, each MiB.

    Raises ImageError, and Stopped once `stop` is set. Blocks for the whole file.
    """
    digest, piece, read_bytes = hashlib.sha256(), memoryview(bytearray(PIECE_BYTES)), 0
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(piece):
                _raise_if(stop)
                digest.update(piece[:count])
                read_bytes += count
                on_progress(read_bytes)
    except OSError as error:
        raise ImageError(f"The image {path.name} could not be read: {error.strerror}.") from error
    return digest.hexdigest()


class _Survey:
    """What is learnt of an image while its bytes go by, in pieces of PIECE_BYTES."""

    def __init__(self, given: BlockMap | None) -> None:
        self._map: MapChecker | MapBuilder = MapChecker(given) if given else MapBuilder()
        self._position = 0
        self._table: PartitionTable | None = None
        self._glimpses: dict[Partition, bytearray] = {}

    def feed(self, piece: bytearray) -> None:
        if self._position == 0:
            self._look_at_head(bytes(piece[:HEAD_BYTES]))
        for partition, glimpse in self._glimpses.items():
            self._look_at(partition, glimpse, piece)
        self._map.feed(piece)
        self._position += len(piece)

    def finish(self) -> tuple[PartitionTable | None, tuple[Partition, ...], BlockMap]:
        if self._position == 0:
            raise ImageUnsupported("The image is empty.")
        if self._table:
            check_extent(self._table, self._position)
        named = tuple(name_contents(partition, bytes(glimpse)) for partition, glimpse in self._glimpses.items())
        return self._table, named, self._map.finish()

    def _look_at_head(self, head: bytes) -> None:
        inner = decoders.sniff(head)
        if inner != decoders.RAW:
            raise ImageUnsupported(f"The image is packed twice: unpack it once, and give the {inner} file in it.")
        self._table = read_partition_table(head)
        self._glimpses = {one: bytearray() for one in self._table.partitions} if self._table else {}

    def _look_at(self, partition: Partition, glimpse: bytearray, piece: bytearray) -> None:
        wanted = min(GLIMPSE_BYTES, partition.size_bytes) - len(glimpse)
        start = partition.first_byte + len(glimpse) - self._position
        if wanted > 0 and 0 <= start < len(piece):
            glimpse += piece[start : start + wanted]
