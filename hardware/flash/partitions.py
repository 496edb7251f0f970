"""What lies where on a disk: its partition table (GPT, MBR), read from the first MiB, and file systems' names. Pure.

Sources: UEFI specification 2.10, section 5.3 (GPT); the customary master boot record; each file system's superblock.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from hardware.errors import ImageCorrupt, ImageTruncated, ImageUnsupported

HEAD_BYTES = 1024**2  # enough of an image to read its partition table
GLIMPSE_BYTES = 72 * 1024  # enough of a partition to know its file system; btrfs names itself at 64 KiB

Scheme = Literal["gpt", "mbr"]


@dataclass(frozen=True)
class Partition:
    """One partition. `kind` is its type in words, `name` its name in the table (GPT only).

    `bootable` is what the table says (active, EFI system); `file_system` and `label` are the contents' own, or empty.
    """

    number: int
    first_byte: int
    size_bytes: int
    kind: str
    name: str = ""
    bootable: bool = False
    file_system: str = ""
    label: str = ""

    @property
    def end_byte(self) -> int:
        return self.first_byte + self.size_bytes


@dataclass(frozen=True)
class PartitionTable:
    scheme: Scheme
    partitions: tuple[Partition, ...]


def read_partition_table(head: bytes) -> PartitionTable | None:
    """The partition table of a disk that starts with `head`; None if it has none.

    Raises ImageCorrupt if there is one, but damaged, ImageUnsupported if it lies outside the first MiB.
    """
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return None
    entries = [struct.unpack_from("<B3xB3xII", head, 446 + 16 * index) for index in range(4)]
    if any(flag not in (0x00, 0x80) for flag, *_ in entries) or _is_fat_boot_sector(head):
        return None  # the boot sector of a file system that has the disk for itself
    if any(kind == 0xEE for _, kind, *_ in entries):
        return PartitionTable("gpt", _gpt(head))
    partitions = tuple(
        Partition(number, first * 512, sectors * 512, _mbr_kind(kind), bootable=flag == 0x80)
        for number, (flag, kind, first, sectors) in enumerate(entries, start=1)
        if kind and sectors
    )
    return PartitionTable("mbr", partitions) if partitions else None


def check_extent(table: PartitionTable, size_bytes: int) -> None:
    """Raises ImageTruncated if a partition reaches past the end of an image of that size."""
    for partition in table.partitions:
        if partition.end_byte > size_bytes:
            raise ImageTruncated(
                f"The image is cut short: its partition {partition.number} ends at {partition.end_byte:,} bytes "
                f"and the image has {size_bytes:,}."
            )


def boot_partition(partitions: tuple[Partition, ...]) -> Partition | None:
    """The FAT partition that firmware or U-Boot reads: the one marked bootable, else the first; None without FAT."""
    fat = [partition for partition in partitions if partition.file_system == "vfat"]
    return next((partition for partition in fat if partition.bootable), fat[0] if fat else None)


# MBR

_MBR_KINDS = {
    **dict.fromkeys((0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E), "FAT"),
    **dict.fromkeys((0x05, 0x0F, 0x85), "extended"),
    **{0x07: "NTFS or exFAT", 0x82: "Linux swap", 0x83: "Linux", 0x8E: "Linux LVM", 0xEF: "EFI system"},
}


def _mbr_kind(kind: int) -> str:
    return _MBR_KINDS.get(kind, f"type 0x{kind:02x}")


# GPT

_GPT_KINDS = {
    UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"): "EFI system",
    UUID("21686148-6449-6e6f-744e-656564454649"): "BIOS boot",
    UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"): "basic data",
    UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"): "Linux",
    UUID("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"): "Linux swap",
    UUID("bc13c2ff-59e6-4262-a352-b275fd6f7172"): "Linux extended boot",
    UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"): "Linux root (ARM-64)",
    UUID("e6d6d379-f507-44c2-a23c-238f2a3df928"): "Linux LVM",
}
_LEGACY_BOOTABLE = 1 << 2
_HEADER = struct.Struct("<8s4sII4xQQQQ16sQIII")


def _gpt(head: bytes) -> tuple[Partition, ...]:
    sector = next((size for size in (512, 4096) if head[size : size + 8] == b"EFI PART"), None)
    if sector is None or len(head) < sector + _HEADER.size:
        raise ImageCorrupt("The image says that it has a GPT, but there is none.")
    _, _, length, checksum, _, _, first, last, _, at, count, entry_bytes, entries_checksum = _HEADER.unpack_from(
        head, sector
    )
    header = head[sector : sector + length]
    if not 92 <= length <= sector or zlib.crc32(header[:16] + bytes(4) + header[20:]) != checksum:
        raise ImageCorrupt("The image's GPT is damaged: its header does not have the checksum it should have.")
    if entry_bytes < 128 or entry_bytes % 8 or not count:
        raise ImageCorrupt("The image's GPT is damaged: its entries have an impossible size.")
    entries = head[at * sector : at * sector + count * entry_bytes]
    if len(entries) < count * entry_bytes:
        raise ImageUnsupported("The image's GPT does not lie within its first MiB.")
    if zlib.crc32(entries) != entries_checksum:
        raise ImageCorrupt("The image's GPT is damaged: its entries do not have the checksum they should have.")
    found = [_gpt_entry(number, entries[number * entry_bytes :], sector) for number in range(count)]
    partitions = tuple(partition for partition in found if partition)
    _check_order(partitions, first * sector, (last + 1) * sector)
    return partitions


def _gpt_entry(index: int, entry: bytes, sector: int) -> Partition | None:
    kind, first, last, attributes, name = struct.unpack_from("<16s16xQQQ72s", entry)
    if kind == bytes(16):
        return None
    uuid = UUID(bytes_le=kind)
    words = _GPT_KINDS.get(uuid, f"type {uuid}")
    return Partition(
        number=index + 1,
        first_byte=first * sector,
        size_bytes=(last - first + 1) * sector,
        kind=words,
        name=_printable(name.decode("utf-16-le", "replace")),
        bootable=words == "EFI system" or bool(attributes & _LEGACY_BOOTABLE),
    )


def _check_order(partitions: tuple[Partition, ...], usable_from: int, usable_to: int) -> None:
    free = usable_from
    for partition in sorted(partitions, key=lambda one: one.first_byte):
        if partition.size_bytes <= 0 or partition.first_byte < free or partition.end_byte > usable_to:
            raise ImageCorrupt(
                f"The image's GPT is damaged: partition {partition.number} overlaps another or lies outside the disk."
            )
        free = partition.end_byte


# File systems


def name_contents(partition: Partition, glimpse: bytes) -> Partition:
    """The partition with the file system and label that its first GLIMPSE_BYTES tell, if any."""
    file_system, label = _file_system(glimpse.ljust(GLIMPSE_BYTES, b"\0"))
    return replace(partition, file_system=file_system, label=label)


def _file_system(start: bytes) -> tuple[str, str]:
    if _is_fat_boot_sector(start):
        label = start[71:82] if start[82:87] == b"FAT32" else start[43:54]
        return "vfat", "" if label.startswith(b"NO NAME") else _text(label)
    if start[1080:1082] == b"\x53\xef":
        compatible, incompatible = struct.unpack_from("<II", start, 1024 + 92)
        kind = "ext4" if incompatible & 0x40 else "ext3" if compatible & 0x4 else "ext2"
        return kind, _text(start[1144:1160])
    if start[65600:65608] == b"_BHRfS_M":
        return "btrfs", _text(start[65536 + 299 : 65536 + 555])
    if start[4086:4096] == b"SWAPSPACE2":
        return "swap", _text(start[1052:1068])
    for magic, at, kind in ((b"hsqs", 0, "squashfs"), (b"XFSB", 0, "xfs"), (b"\x10\x20\xf5\xf2", 1024, "f2fs")):
        if start.startswith(magic, at):
            return kind, _text(start[108:120]) if kind == "xfs" else ""
    return "", ""


def _is_fat_boot_sector(sector: bytes) -> bool:
    jumps = sector[:1] in (b"\xeb", b"\xe9")
    return jumps and sector[510:512] == b"\x55\xaa" and (sector[54:57] == b"FAT" or sector[82:87] == b"FAT32")


def _text(raw: bytes) -> str:
    return _printable(raw.decode("utf-8", "replace"))


def _printable(text: str) -> str:
    return "".join(letter for letter in text.partition("\0")[0] if letter.isprintable()).strip()
