"""Expands what is packed, a bounded piece at a time, and turns every way in which it can be wrong into one sentence.

All decoders are the C libraries of the formats themselves and let other threads run while they work.
"""

import bz2
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BufferedReader
from typing import Protocol, cast

from backports import zstd

from hardware.errors import ImageCorrupt, ImageError, ImageNeedsMemory, ImageTruncated, ImageUnsupported

MAX_WINDOW_BYTES = 128 * 1024**2  # what a decoder may keep of the past; `xz -9` needs 64 MiB, `zstd --long` 128 MiB
INPUT_BYTES = 256 * 1024

RAW, XZ, GZ, BZ2, ZST, ZIP = FORMATS = ("raw", "xz", "gz", "bz2", "zst", "zip")
SNIFF_BYTES = 64 * 1024

_RECOMPRESS = {
    XZ: "expand it and compress it again with `xz -9` or less",
    ZST: "expand it and compress it again with `zstd -19`, without --long=31 or --ultra",
}
_FOREIGN = (
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and compress the image with xz"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it and compress the image with xz"),
    (0, b"\x3a\xff\x26\xed", "an Android sparse image", "turn it into a raw one with simg2img"),
    (0, b"QFI\xfb", "a QEMU disk (qcow2)", "turn it into a raw one with `qemu-img convert -O raw`"),
    (0, b"\x04\x22\x4d\x18", "packed with lz4", "expand it and compress it with zstd"),
    (0, b"LZIP", "packed with lzip", "expand it and compress it with xz"),
    (257, b"ustar", "a tar archive", "unpack it and upload the image in it"),
    (0x8001, b"CD001", "an optical disc's image (ISO 9660)", "use the image made for eMMC or SD cards"),
)


class Expander(Protocol):
    """The source of an image's bytes, from its first to its last."""

    def readinto(self, buffer: memoryview) -> int:
        """Puts 1 or more bytes at the start of `buffer`, 0 at the end. Raises ImageError. Blocks."""
        ...


class _Inflater(Protocol):
    """What decoders of one packed stream have in common; zlib's is brought into this shape below."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def sniff(head: bytes) -> str:
    """The format of a file that starts with `head` (SNIFF_BYTES of it, or all): one of FORMATS. Pure.

    Raises ImageUnsupported if it is the kind of file that is not a disk image and never turns into one here.
    """
    for format, magic in _MAGIC.items():
        if head.startswith(magic):
            return format
    if len(head) >= 4 and _is_zstd(head):
        return ZST
    for offset, magic, what, advice in _FOREIGN:
        # A hybrid image is a disc and a disk at once, and wanted as the latter.
        if head[offset : offset + len(magic)] == magic and not (offset == 0x8001 and head[510:512] == b"\x55\xaa"):
            raise ImageUnsupported(f"This is {what}, not a disk image: {advice}.")
    return RAW


_MAGIC = {XZ: b"\xfd7zXZ\x00", GZ: b"\x1f\x8b\x08", BZ2: b"BZh", ZIP: b"PK\x03\x04"}


def _is_zstd(head: bytes) -> bool:
    magic = int.from_bytes(head[:4], "little")
    return magic == 0xFD2FB528 or magic & ~0xF == 0x184D2A50  # a frame, or one to be skipped before it


def window_bytes(format: str, head: bytes) -> int:
    """How much of the past the decoder keeps in memory, as the head of the file says. Pure."""
    if format == XZ:
        return _xz_window(head)
    if format == ZST:
        return _zstd_window(head)
    return {GZ: 32 * 1024, BZ2: 4 * 1024**2, ZIP: 4 * 1024**2}.get(format, 0)


def _xz_window(head: bytes) -> int:
    """The dictionary of the first block (xz file format 1.1, section 3.1); what follows is held to the limit anyway."""
    if len(head) < 16 or head[12] == 0:
        return 0
    header, flags, at = head[12 : 12 + (head[12] + 1) * 4], head[13], 2
    for _ in range((flags >> 6 & 1) + (flags >> 7)):
        at = _after_number(header, at)
    for _ in range((flags & 3) + 1):
        kind, size_at = header[at : at + 1], _after_number(header, at)
        size = header[size_at] if size_at < len(header) else 0
        if kind == b"\x21" and size == 1 and size_at + 1 < len(header):
            bits = header[size_at + 1]
            return (2 | bits & 1) << (bits // 2 + 11) if bits < 40 else 2**32 - 1
        at = size_at + 1 + size
    return 0


def _after_number(data: bytes, at: int) -> int:
    """Where a variable-length number ends."""
    while at < len(data) and data[at] & 0x80:
        at += 1
    return at + 1


def _zstd_window(head: bytes) -> int:
    """The window of the first frame (RFC 8878, section 3.1.1.1)."""
    at = 0
    while len(head) >= at + 8 and struct.unpack_from("<I", head, at)[0] != 0xFD2FB528:
        at += 8 + cast(int, struct.unpack_from("<I", head, at + 4)[0])
    if len(head) < at + 14:
        return 0
    descriptor = head[at + 4]
    if not descriptor & 0x20:
        exponent, mantissa = head[at + 5] >> 3, head[at + 5] & 7
        return (1 << 10 + exponent) // 8 * (8 + mantissa)
    size_at = at + 5 + (0, 1, 2, 4)[descriptor & 3]
    length = (1, 2, 4, 8)[descriptor >> 6]
    return int.from_bytes(head[size_at : size_at + length], "little") + (256 if length == 2 else 0)


def refuse_window(format: str, window: int) -> None:
    """Raises ImageNeedsMemory if a decoder would keep more than MAX_WINDOW_BYTES."""
    if window > MAX_WINDOW_BYTES:
        raise ImageNeedsMemory(
            f"Expanding this image takes {window / 1024**2:,.0f} MiB of memory and the limit is "
            f"{MAX_WINDOW_BYTES // 1024**2} MiB: {_RECOMPRESS[format]}."
        )


def expander(format: str, file: BufferedReader) -> Expander:
    """The bytes of the image that `file`, which is of this format, holds. Reads `file` from where it stands.

    Raises ImageError where a look at the file is enough.
    """
    if format == RAW:
        return _Raw(file)
    if format == ZIP:
        return _Zipped(file)
    return _Packed(format, file)


class _Raw:
    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def readinto(self, buffer: memoryview) -> int:
        try:
            return self._file.readinto(buffer)
        except OSError as error:
            raise _unreadable(error) from error


class _Packed:
    """One packed stream after another, as `cat a.xz b.xz` makes them and parallel compressors do on purpose."""

    def __init__(self, format: str, file: BufferedReader) -> None:
        self._format = format
        self._file = file
        self._pending = b""
        self._inflater: _Inflater | None = _INFLATERS[format]()

    def readinto(self, buffer: memoryview) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, limit: int) -> bytes:
        while self._inflater is not None or self._next_stream():
            inflater = cast(_Inflater, self._inflater)
            if not self._pending and inflater.needs_input:
                self._pending = _read(self._file, INPUT_BYTES)
                if not self._pending:
                    raise ImageTruncated(f"The image is cut short: its {self._format} data breaks off.")
            data = self._inflate(inflater, limit)
            if data:
                return data
        return b""

    def _inflate(self, inflater: _Inflater, limit: int) -> bytes:
        try:
            data = inflater.decompress(self._pending, limit)
        except (OSError, ValueError, EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError) as error:
            reason = str(error)
            if "memory" in reason.lower():
                raise ImageNeedsMemory(
                    f"Expanding this image takes more than {MAX_WINDOW_BYTES // 1024**2} MiB of memory: "
                    f"{_RECOMPRESS[self._format]}."
                ) from error
            raise ImageCorrupt(f"The image's {self._format} data is damaged: {_phrase(reason)}.") from error
        self._pending = b""
        if inflater.eof:
            self._pending, self._inflater = inflater.unused_data, None
        return data

    def _next_stream(self) -> bool:
        """Whether another stream follows. Zeros between them are padding (xz: 2.2; gzip: tapes)."""
        self._pending = self._pending.lstrip(b"\0")
        while len(self._pending) < 8 and (more := _read(self._file, INPUT_BYTES)):
            self._pending = (self._pending + more).lstrip(b"\0")
        if not self._pending:
            return False
        head = self._pending
        if not (head.startswith(_MAGIC[self._format]) if self._format in _MAGIC else len(head) >= 4 and _is_zstd(head)):
            raise ImageCorrupt(f"The image's {self._format} data is followed by something else.")
        self._inflater = _INFLATERS[self._format]()
        return True


class _Gunzip:
    """zlib in the shape of the other decoders."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        expanded = self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)
        self.eof = self._inflater.eof
        self.unused_data = self._inflater.unused_data
        # With a full answer there may be more to come even of what it took in.
        self.needs_input = not self._inflater.unconsumed_tail and len(expanded) < max_length
        return expanded


def _unxz() -> _Inflater:
    # The limit is of all that liblzma allocates: the dictionary and a little beside it.
    return cast(_Inflater, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES + 1024**2))


def _unzstd() -> _Inflater:
    log2 = MAX_WINDOW_BYTES.bit_length() - 1
    return cast(_Inflater, zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: log2}))


_INFLATERS: dict[str, Callable[[], _Inflater]] = {
    XZ: _unxz,
    GZ: _Gunzip,
    BZ2: lambda: cast(_Inflater, bz2.BZ2Decompressor()),
    ZST: _unzstd,
}
_ZIP_ERRORS = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error)
_ZIP_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}


class _Zipped:
    """The only file in a zip archive."""

    def __init__(self, file: BufferedReader) -> None:
        try:
            archive = zipfile.ZipFile(file)
            files = [one for one in archive.infolist() if not (one.is_dir() or one.filename.startswith("__MACOSX/"))]
        except _ZIP_ERRORS as error:
            raise ImageTruncated("The zip archive's table of contents is missing or damaged.") from error
        if len(files) != 1:
            raise ImageUnsupported(f"The zip archive holds {len(files)} files, and an image has to be the only one.")
        if files[0].flag_bits & 1:
            raise ImageUnsupported("The zip archive is protected by a password: unpack it first.")
        if files[0].compress_type not in _ZIP_METHODS:
            raise ImageUnsupported("The zip archive uses a rare way to compress: pack the image with plain zip or xz.")
        try:
            self._member = archive.open(files[0])
        except _ZIP_ERRORS as error:
            raise ImageCorrupt("The zip archive is damaged: its file is not where the table says.") from error

    def readinto(self, buffer: memoryview) -> int:
        try:
            data = self._member.read(len(buffer))
        except EOFError as error:
            raise ImageTruncated("The image is cut short: its zip data breaks off.") from error
        except _ZIP_ERRORS as error:
            raise ImageCorrupt(f"The image's zip data is damaged: {_phrase(str(error))}.") from error
        buffer[: len(data)] = data
        return len(data)


def _read(file: BufferedReader, limit: int) -> bytes:
    try:
        return file.read(limit)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> ImageError:
    return ImageError(f"The image could not be read: {os.strerror(error.errno or 0)}.")


def _phrase(reason: str) -> str:
    """A library's own words as the end of a sentence of ours."""
    words = " ".join(reason.split()).replace(". ", "; ").rstrip(".")
    return words[:1].lower() + words[1:] if words else "no reason given"
