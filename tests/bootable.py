"""A disk image that a real U-Boot boots: a FAT boot partition with a boot script, made with everybody's tools."""

import os
import struct
import subprocess
import zlib
from pathlib import Path

MIB = 1024**2
#: Where Debian has the programs that make disks, whoever runs the tests.
WITH_SBIN = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
BOOT_START = MIB
#: Says "flashed storage speaks", and then what the file user-data in its boot partition holds.
TELL = """
echo flashed storage speaks
load ${devtype} ${devnum}:${distro_bootpart} ${loadaddr} user-data
setexpr.s text *${loadaddr}
echo "${text}"
"""


def boot_script(commands: str) -> bytes:
    """A boot.scr: U-Boot's legacy image header (include/image.h) before the commands."""
    text = commands.encode()
    data = struct.pack(">II", len(text), 0) + text
    # magic, header's checksum, time, size, load address, entry, data's checksum; Linux, arm64, script, not packed; name
    fields = [0x27051956, 0, 0, len(data), 0, 0, zlib.crc32(data), 5, 22, 6, 0, b"boot"]
    header = struct.Struct(">7I4B32s")
    fields[1] = zlib.crc32(header.pack(*fields))
    return header.pack(*fields) + data


def make_bootable(path: Path, files: dict[str, bytes], *, size_mib: int = 16, commands: str = TELL) -> Path:
    """An image with a master boot record and, from its first MiB on, a FAT partition with boot.scr and `files`.

    Raises CalledProcessError.
    """
    with path.open("wb") as image:
        image.truncate(size_mib * MIB)
    table = f"label: dos\nstart={BOOT_START // 512}, type=c, bootable\n"
    _run(["sfdisk", "--quiet", str(path)], table.encode())
    _run(["mkfs.vfat", "-n", "BOOTFS", "--offset", "2048", str(path), str((size_mib - 1) * 1024)])
    for name, content in {"boot.scr": boot_script(commands), **files}.items():
        _run(["mcopy", "-o", "-i", f"{path}@@{BOOT_START}", "-", f"::{name}"], content)
    return path


def _run(command: list[str], text: bytes = b"") -> None:
    subprocess.run(command, input=text, capture_output=True, check=True, timeout=60, env=WITH_SBIN)
