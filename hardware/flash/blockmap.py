"""Which blocks of an image have to be on the device: block maps (bmap 2.0), read, built and checked.

A range of the map is either data, known by its sha256, or zeros. What no range covers is a hole: the image's maker
does not care what the device holds there. Only a map that came with an image has holes; zeros that we find in an
image ourselves may be the contents of a file or of a journal, so they are ranges of their own, which a target that
can clears without being sent any of them.
"""

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hardware.errors import BlockMapInvalid

BLOCK_BYTES = 4096
MAX_RANGE_BLOCKS = 4096  # of data that we map ourselves: 16 MiB, so that a difference can be told to be somewhere
MIN_ZERO_BLOCKS = 64  # a shorter run of zeros is written with its neighbours: 256 KiB
MAX_XML_BYTES = 32 * 1024**2

_ZEROS = bytes(BLOCK_BYTES)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"(\d{1,15})(?:-(\d{1,15}))?")
_FILE_CHECKSUM = re.compile(rb"<BmapFileChecksum>\s*([0-9a-f]{64})\s*</BmapFileChecksum>")


class BlockRange(NamedTuple):
    """Blocks `first` to `last`, both included. `sha256` is of their bytes (in hex), None if all of them are 0."""

    first: int
    last: int
    sha256: str | None


class Extent(NamedTuple):
    """A range in bytes."""

    offset: int
    length: int
    sha256: str | None

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def is_zeros(self) -> bool:
        return self.sha256 is None


@dataclass(frozen=True)
class BlockMap:
    """The ranges of an image of `size_bytes`, ascending, none touching another's blocks."""

    size_bytes: int
    block_bytes: int
    ranges: tuple[BlockRange, ...]

    @property
    def extents(self) -> Iterator[Extent]:
        """The ranges in bytes; the last ends with the image."""
        for first, last, sha256 in self.ranges:
            offset = first * self.block_bytes
            yield Extent(offset, min((last + 1) * self.block_bytes, self.size_bytes) - offset, sha256)

    @property
    def data_bytes(self) -> int:
        """What has to be sent to any device."""
        return sum(extent.length for extent in self.extents if not extent.is_zeros)

    @property
    def zero_bytes(self) -> int:
        """What has to read as zeros: cleared where the device can, else sent as well."""
        return sum(extent.length for extent in self.extents if extent.is_zeros)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` reads it."""
        rows = [[first, last, sha256 or ""] for first, last, sha256 in self.ranges]
        return {"size_bytes": self.size_bytes, "block_bytes": self.block_bytes, "ranges": rows}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "BlockMap":
        ranges = tuple(BlockRange(first, last, sha256 or None) for first, last, sha256 in stored["ranges"])
        return cls(stored["size_bytes"], stored["block_bytes"], ranges)

    def to_bmap(self) -> bytes:
        """The map as a bmap 2.0 file, for bmaptool and its like. Zeros are mapped there, since it knows only holes."""
        count = -(-self.size_bytes // self.block_bytes)
        mapped = sum(last - first + 1 for first, last, _ in self.ranges)
        lines = [
            '<?xml version="1.0" ?>',
            '<bmap version="2.0">',
            f"    <ImageSize> {self.size_bytes} </ImageSize>",
            f"    <BlockSize> {self.block_bytes} </BlockSize>",
            f"    <BlocksCount> {count} </BlocksCount>",
            f"    <MappedBlocksCount> {mapped} </MappedBlocksCount>",
            "    <ChecksumType> sha256 </ChecksumType>",
            f"    <BmapFileChecksum> {'0' * 64} </BmapFileChecksum>",
            "    <BlockMap>",
        ]
        for (first, last, _), extent in zip(self.ranges, self.extents, strict=True):
            span = str(first) if first == last else f"{first}-{last}"
            lines.append(f'        <Range chksum="{extent.sha256 or zeros_sha256(extent.length)}"> {span} </Range>')
        text = "\n".join([*lines, "    </BlockMap>", "</bmap>", ""]).encode()
        return text.replace(b"0" * 64, hashlib.sha256(text).hexdigest().encode(), 1)


def zeros_sha256(length: int) -> str:
    digest = hashlib.sha256()
    for _ in range(length // 2**20):
        digest.update(_ZERO_MEBIBYTE)
    digest.update(_ZERO_MEBIBYTE[: length % 2**20])
    return digest.hexdigest()


_ZERO_MEBIBYTE = bytes(2**20)


# Reading


def read_bmap(xml: bytes) -> BlockMap:
    """The map in a bmap 2.0 file. Pure; ranges without a checksum are refused, since nothing could be verified by them.

    Raises BlockMapInvalid.
    """
    if len(xml) > MAX_XML_BYTES or b"<!" in re.sub(rb"<!--.*?-->", b"", xml, flags=re.DOTALL):
        raise BlockMapInvalid("The block map is not a bmap file.")
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BlockMapInvalid("The block map is not XML, so it is damaged or something else.") from error
    if root.tag != "bmap" or root.get("version") != "2.0":
        raise BlockMapInvalid("The block map is not of version 2.0: make a new one with `bmaptool create`.")
    _check_file(xml, root)
    size, block = _number(root, "ImageSize"), _number(root, "BlockSize")
    if not size or block not in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536):
        raise BlockMapInvalid("The block map gives no usable size of the image or its blocks.")
    ranges = tuple(_range(element) for element in root.iterfind("BlockMap/Range"))
    _check_ranges(ranges, -(-size // block))
    mapped = sum(last - first + 1 for first, last, _ in ranges)
    if _number(root, "MappedBlocksCount") != mapped or _number(root, "BlocksCount") != -(-size // block):
        raise BlockMapInvalid("The block map's counts do not fit its ranges.")
    return BlockMap(size, block, ranges)


def _check_file(xml: bytes, root: ElementTree.Element) -> None:
    """The checksum of the file itself, in which its own place is taken by zeros."""
    if (root.findtext("ChecksumType") or "").strip() != "sha256":
        raise BlockMapInvalid("The block map's checksums are not sha256: make a new one with `bmaptool create`.")
    found = _FILE_CHECKSUM.search(xml)
    if not found:
        raise BlockMapInvalid("The block map has no checksum of itself.")
    blanked = xml[: found.start(1)] + b"0" * 64 + xml[found.end(1) :]
    if hashlib.sha256(blanked).hexdigest().encode() != found[1]:
        raise BlockMapInvalid("The block map is damaged: its checksum of itself is wrong.")


def _number(root: ElementTree.Element, tag: str) -> int:
    text = (root.findtext(tag) or "").strip()
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BlockMapInvalid(f"The block map's {tag} is not a number.")
    return int(text)


def _range(element: ElementTree.Element) -> BlockRange:
    found = _RANGE.fullmatch((element.text or "").strip())
    checksum = element.get("chksum") or ""
    if not found or not _SHA256.fullmatch(checksum):
        raise BlockMapInvalid("A range of the block map has no place or no checksum.")
    return BlockRange(int(found[1]), int(found[2] or found[1]), checksum)


def _check_ranges(ranges: tuple[BlockRange, ...], blocks: int) -> None:
    free = 0
    for first, last, _ in ranges:
        if not free <= first <= last < blocks:
            raise BlockMapInvalid("The block map's ranges overlap, are out of order or reach past the image's end.")
        free = last + 1


# Building and checking


class MapBuilder:
    """Builds the map of an image from its bytes, fed in order in pieces of whole blocks (the last one excepted)."""

    def __init__(self) -> None:
        self._ranges: list[BlockRange] = []
        self._first = 0  # of the range of data that is open
        self._next = 0  # the block after all that is in `_ranges` or the open range
        self._zeros = 0  # blocks of zeros seen since
        self._size = 0
        self._digest = hashlib.sha256()

    def feed(self, data: bytes | bytearray) -> None:
        view, at = memoryview(data), 0
        self._size += len(data)
        while at < len(data):
            end = at
            while _is_zero_block(data, end):
                end += BLOCK_BYTES
            self._zeros += -(-(min(end, len(data)) - at) // BLOCK_BYTES)
            at = end
            while end < len(data) and not _is_zero_block(data, end):
                end += BLOCK_BYTES
            if end > at:
                self._settle_zeros()
                self._add(view[at:end])
            at = end

    def finish(self) -> BlockMap:
        if self._zeros:
            self._close()
            self._ranges.append(BlockRange(self._next, self._next + self._zeros - 1, None))
        self._close()
        return BlockMap(self._size, BLOCK_BYTES, tuple(self._ranges))

    def _settle_zeros(self) -> None:
        """Data follows zeros: few of them are data too, many a range of their own."""
        if self._zeros >= MIN_ZERO_BLOCKS:
            self._close()
            self._ranges.append(BlockRange(self._next, self._next + self._zeros - 1, None))
            self._next += self._zeros
            self._first = self._next
        elif self._zeros:
            self._add(memoryview(bytes(self._zeros * BLOCK_BYTES)))
        self._zeros = 0

    def _add(self, view: memoryview) -> None:
        while view:
            room = (MAX_RANGE_BLOCKS - (self._next - self._first)) * BLOCK_BYTES
            taken, view = view[:room], view[room:]
            self._digest.update(taken)
            self._next += -(-len(taken) // BLOCK_BYTES)
            if self._next - self._first == MAX_RANGE_BLOCKS:
                self._close()

    def _close(self) -> None:
        if self._next > self._first:
            self._ranges.append(BlockRange(self._first, self._next - 1, self._digest.hexdigest()))
        self._first = self._next
        self._digest = hashlib.sha256()


def _is_zero_block(data: bytes | bytearray, at: int) -> bool:
    return data.startswith(_ZEROS, at) or (0 < len(data) - at < BLOCK_BYTES and not any(data[at:]))


class MapChecker:
    """Compares the bytes of an image, fed in order in pieces of any size, with the checksums of its map."""

    def __init__(self, block_map: BlockMap) -> None:
        self._extents = block_map.extents
        self._extent = next(self._extents, None)
        self._digest = hashlib.sha256()
        self._position = 0
        self._map = block_map

    def feed(self, data: bytes | bytearray | memoryview, offset: int | None = None) -> None:
        """`offset` says where the data belongs if something was left out before it.

        Raises BlockMapInvalid at the end of the first range that differs.
        """
        view = memoryview(data)
        if offset is not None:
            self._position = offset
        end = self._position + len(view)
        while self._extent and self._extent.offset < end:
            extent, begin = self._extent, self._position
            piece = view[max(extent.offset - begin, 0) : extent.end - begin]
            if extent.is_zeros:
                self._check(extent, bytes(piece) == bytes(len(piece)))
            else:
                self._digest.update(piece)
            if extent.end > end:
                break
            self._check(extent, extent.is_zeros or self._digest.hexdigest() == extent.sha256)
            self._extent, self._digest = next(self._extents, None), hashlib.sha256()
        self._position = end

    def finish(self) -> BlockMap:
        """The map, which holds. Raises BlockMapInvalid if it is of a larger or smaller image."""
        if self._position != self._map.size_bytes:
            raise BlockMapInvalid(
                f"The block map is of an image of {self._map.size_bytes:,} bytes and this one has {self._position:,}."
            )
        return self._map

    def _check(self, extent: Extent, holds: bool) -> None:
        if not holds:
            raise BlockMapInvalid(
                f"The image differs from its block map in the {extent.length:,} bytes at offset {extent.offset:,}."
            )
