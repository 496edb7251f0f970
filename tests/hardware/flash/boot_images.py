"""Images whose boot partition is a FAT of each width, made and looked into with the tools that everybody uses."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hardware.flash.blockmap import BlockMap, BlockRange
from hardware.flash.image import ImageFacts, inspect
from hardware.flash.partitions import Partition
from tests.hardware.flash.disk_images import MIB, run

BOOKWORM = "console=serial0,115200 root=PARTUUID=1-02 rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
TRIXIE = "console=serial0,115200 root=PARTUUID=1-02 rootwait resize\n"
PI_FILES = {"cmdline.txt": BOOKWORM, "config.txt": "arm_64bit=1\n"}
CLOUD_FILES = {"user-data": "#cloud-config\n# nothing yet\n", "meta-data": "instance_id: rpios-image\n"}
# Bits of a FAT entry -> size of the partition in MiB, sectors of a cluster
WIDTHS = {12: (4, 4), 16: (16, 4), 32: (40, 1)}


@dataclass(frozen=True)
class BootImage:
    path: Path
    facts: ImageFacts
    partition: Partition

    @property
    def block_map(self) -> BlockMap:
        return self.facts.block_map


def make_boot_image(path: Path, files: dict[str, str], *, width: int = 32, label: str = "bootfs") -> BootImage:
    """An MBR, a FAT at 1 MiB with these files, and 2 MiB of noise in a partition behind it."""
    size, cluster = WIDTHS[width]
    with path.open("wb") as file:
        file.truncate((size + 4) * MIB)
    run(
        "sfdisk",
        "--quiet",
        path,
        text=f"label: dos\nstart=1MiB, size={size}MiB, type=c, bootable\nsize=2MiB, type=83\n",
    )
    options = ["-F", width, "-s", cluster, "-n", label, "--offset", 2048]
    run("mkfs.vfat", *options, path, size * 1024)
    for name, text in files.items():
        source = path.with_suffix(".txt")
        source.write_text(text)
        run("mcopy", "-i", f"{path}@@{MIB}", source, f"::{name}")
    with path.open("r+b") as file:
        file.seek((size + 1) * MIB)
        file.write(random.Random(width).randbytes(2 * MIB))
    return look(path)


def look(path: Path) -> BootImage:
    facts = inspect(path)
    assert facts.boot_partition
    return BootImage(path, facts, facts.boot_partition)


def with_holes(block_map: BlockMap) -> BlockMap:
    """The map as a maker gives it who leaves every run of zeros to chance."""
    ranges = tuple(BlockRange(*one) for one in block_map.ranges if one.sha256)
    return BlockMap(block_map.size_bytes, block_map.block_bytes, ranges)


def boot_part(disk: Path, partition: Partition, to: Path) -> Path:
    """The partition alone, for programs that know no offsets."""
    with disk.open("rb") as file:
        file.seek(partition.first_byte)
        to.write_bytes(file.read(partition.size_bytes))
    return to


def fsck(disk: Path) -> str:
    """ "" if Debian's fsck.fat finds nothing to say, else what it says."""
    done = subprocess.run(["fsck.fat", "-n", "-v", disk], capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout


def contents(disk: Path, name: str) -> bytes:
    return subprocess.run(
        ["mtype", "-i", disk, f"::{name}"], capture_output=True, check=True, timeout=60, env={"MTOOLS_SKIP_CHECK": "1"}
    ).stdout  # fmt: skip
