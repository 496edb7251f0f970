"""Partition tables of sfdisk and sgdisk are read, damaged ones are refused, and nothing makes it fall over."""

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import ImageCorrupt, ImageError, ImageUnsupported
from hardware.flash.image import ImageFacts, inspect
from hardware.flash.partitions import (
    GLIMPSE_BYTES,
    HEAD_BYTES,
    Partition,
    PartitionTable,
    boot_partition,
    name_contents,
    read_partition_table,
)
from tests.hardware.flash.disk_images import MIB, loop_device, run


def disk(path: Path, script: str, size: int = 64 * MIB, *options: str) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    run("sfdisk", "--quiet", *options, path, text=script)
    return path


def table_of(path: Path) -> PartitionTable:
    with path.open("rb") as file:
        table = read_partition_table(file.read(HEAD_BYTES))
    assert table
    return table


def test_a_gpt_is_read_with_names_kinds_file_systems_and_labels(facts: dict[str, ImageFacts]) -> None:
    assert facts["raw"].scheme == "gpt"
    boot, root = facts["raw"].partitions
    assert boot == Partition(1, MIB, 8 * MIB, "EFI system", "boot", True, "vfat", "BOOTFS")
    assert root == Partition(2, 10 * MIB, 14 * MIB, "Linux", "root", False, "ext4", "rootfs")
    assert facts["raw"].boot_partition == boot


def test_the_table_of_a_raspberry_pi_image_is_read(tmp_path: Path) -> None:
    path = disk(tmp_path / "a", "label: dos\nstart=8192, size=32768, type=c\nstart=40960, type=83\n")
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "bootfs", "--offset", 8192, path, 16 * 1024)
    run("mkfs.ext4", "-q", "-E", f"offset={20 * MIB}", path, "30M")
    found = inspect(path)
    assert found.scheme == "mbr"
    assert [(one.kind, one.file_system, one.label) for one in found.partitions] == [
        ("FAT", "vfat", "bootfs"),
        ("Linux", "ext4", ""),
    ]
    assert found.boot_partition == found.partitions[0]


def test_what_sfdisk_says_of_many_partitions_is_what_we_read(tmp_path: Path) -> None:
    for label, bootable in (("gpt", 'attrs="LegacyBIOSBootable"'), ("dos", "bootable")):
        script = f"label: {label}\n" + "size=2MiB\n" * 3 + f"size=5MiB, {bootable}\n"
        path = disk(tmp_path / label, script)
        told = [line.split() for line in run("sfdisk", "-o", "start,sectors", "-qlu", "S", path).splitlines()[1:]]
        read = [(one.first_byte // 512, one.size_bytes // 512) for one in table_of(path).partitions]
        assert read == [(int(start), int(sectors)) for start, sectors in told]
        assert [one.bootable for one in table_of(path).partitions] == [False, False, False, True]


@pytest.mark.root
def test_a_disk_of_4096_byte_sectors_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(16 * MIB)
    with loop_device(path, "--sector-size", 4096) as device:
        run("sfdisk", "--quiet", device, text="label: gpt\nstart=1MiB, size=3MiB\n")
    assert [(one.first_byte, one.size_bytes) for one in table_of(path).partitions] == [(MIB, 3 * MIB)]


def test_a_file_system_without_a_table_has_none(tmp_path: Path) -> None:
    for make in (["mkfs.vfat"], ["mkfs.ext4", "-q"]):
        path = tmp_path / make[0]
        with path.open("wb") as file:
            file.truncate(4 * MIB)
        run(*make, path)
        found = inspect(path)
        assert (found.scheme, found.partitions, found.boot_partition) == ("", (), None)


def test_the_boot_partition_is_the_fat_one_that_is_marked(tmp_path: Path) -> None:
    plain = Partition(1, 0, 1, "FAT", file_system="vfat")
    marked = Partition(2, 1, 1, "FAT", bootable=True, file_system="vfat")
    root = Partition(3, 2, 1, "Linux", bootable=True, file_system="ext4")
    assert boot_partition((plain, marked, root)) == marked
    assert boot_partition((plain, root)) == plain
    assert boot_partition((root,)) is None


@pytest.mark.parametrize(
    ("at", "words"),
    [(512, "there is none"), (512 + 40, "header"), (1024 + 33, "entries"), (512 + 16, "header")],
)
def test_a_damaged_gpt_is_refused(at: int, words: str, image: Path) -> None:
    head = bytearray(image.read_bytes()[:HEAD_BYTES])
    head[at] ^= 0xFF
    with pytest.raises(ImageCorrupt, match=words):
        read_partition_table(bytes(head))


def test_a_gpt_elsewhere_than_in_the_first_mebibyte_is_refused(tmp_path: Path) -> None:
    path = disk(tmp_path / "a", "label: gpt\nstart=8MiB, size=1MiB\n")
    run("sgdisk", "--move-main-table=4096", path)
    with pytest.raises(ImageUnsupported, match="first MiB"):
        table_of(path)


@given(st.binary(min_size=512, max_size=4096), st.booleans())
def test_no_head_of_a_disk_makes_it_fall_over(noise: bytes, signed: bool) -> None:
    head = noise[:510] + b"\x55\xaa" + noise[512:] if signed else noise
    with contextlib.suppress(ImageError):
        read_partition_table(head)
    name_contents(Partition(1, 0, 1, ""), noise[:GLIMPSE_BYTES])


def test_no_damage_to_a_real_table_makes_it_fall_over(image: Path) -> None:
    """Nor is a damaged GPT ever taken for a whole one that says something else."""
    whole = image.read_bytes()[: 64 * 1024]
    expected, chance = read_partition_table(whole), random.Random(3)
    for _ in range(3000):
        head = bytearray(whole)
        head[chance.choice([chance.randrange(446, 512), chance.randrange(512, 604), chance.randrange(1024, 1280)])] = (
            chance.randrange(256)
        )
        try:
            found = read_partition_table(bytes(head))
        except ImageError:
            continue
        assert found is None or found.scheme == "mbr" or found == expected
