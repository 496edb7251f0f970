"""The storage of a simulated SOM: one sparse file per medium, and what a boot finds on it.

A medium is as it came until somebody writes to it: a SOM with such an eMMC boots the system that the simulator plays.
What was written stays over restarts of the simulator, as it stays in an eMMC without power.
"""

import os
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: The kernel's name of each medium on a Raspberry Pi, which its storage gadget gives the disk; in the order of booting.
DEVICES = {"emmc": "mmcblk0", "nvme": "nvme0n1"}
_SECTOR_BYTES = 512
_HEAD_BYTES = 34 * _SECTOR_BYTES  # master boot record, GPT's header and its customary 128 entries
_MTOOLS_SECONDS = 2.0
#: Where images look for the host name on their first boot, and how it is written there (cloud-init, Raspberry Pi OS).
_HOSTNAME_SOURCES = {
    "user-data": re.compile(r"^hostname:\s*[\"']?([\w.-]+)", re.MULTILINE),
    "vendor-data": re.compile(r"^hostname:\s*[\"']?([\w.-]+)", re.MULTILINE),
    "meta-data": re.compile(r"^local-hostname:\s*[\"']?([\w.-]+)", re.MULTILINE),
    "custom.toml": re.compile(r"^\s*hostname\s*=\s*[\"']([\w.-]+)", re.MULTILINE),
}


class Medium(NamedTuple):
    """One medium: "emmc" or "nvme", the device that it is on its SOM, the file that holds it, its size."""

    name: str
    device: str
    file: Path
    size_bytes: int

    @property
    def is_as_it_came(self) -> bool:
        """Whether nobody has written to it."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return True
        return not status.st_blocks and not status.st_mtime_ns


class Storage:
    """The media of the SOM in one slot."""

    def __init__(self, directory: Path, slot: int, emmc_bytes: int) -> None:
        """Take over what the files of an earlier simulator hold; nothing is made yet."""
        self._directory, self._slot = directory, slot
        self._sizes = {"emmc": emmc_bytes, "nvme": 0}
        for name in self._sizes:
            if self._file(name).exists():
                self._sizes[name] = self._file(name).stat().st_size

    def media(self) -> list[Medium]:
        """Return the media that there are, in the order in which the SOM tries to boot them."""
        return [Medium(name, DEVICES[name], self._file(name), size) for name, size in self._sizes.items() if size]

    def make(self) -> list[Medium]:
        """Return the media, a file for each. Raises OSError."""
        for medium in self.media():
            if not medium.file.exists():
                self._directory.mkdir(exist_ok=True)
                with medium.file.open("xb") as file:
                    file.truncate(medium.size_bytes)
                os.utime(medium.file, ns=(0, 0))
        return self.media()

    def exchange(self, name: str, size_bytes: int) -> None:
        """Put another medium, as it came, in the place of one; 0 takes it out."""
        self._file(name).unlink(missing_ok=True)
        self._sizes[name] = size_bytes

    def discard(self) -> None:
        """Be gone, with everything on it."""
        for name in self._sizes:
            self._file(name).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Leave no file behind that holds nothing."""
        for medium in self.media():
            if medium.is_as_it_came:
                medium.file.unlink(missing_ok=True)
        with suppress(OSError):  # it holds other media, or was never made
            self._directory.rmdir()

    def first_written(self) -> Medium | None:
        """Return the medium that has something to boot, if any was written to."""
        return next((medium for medium in self.media() if not medium.is_as_it_came), None)

    def system_name(self, factory: str) -> str | None:
        """Return the host name of the system that boots, None if nothing does.

        `factory` is that of the system which came with the SOM, and of one that says nothing about its name.
        """
        if self.first_written() is None:
            return factory
        for medium in self.media():
            if medium.is_as_it_came:
                if medium.name == "emmc":
                    return factory
            elif partitions := _partitions(medium.file):
                names = (_hostname(medium.file, start) for start in partitions)
                return next(filter(None, names), factory)
        return None

    def _file(self, name: str) -> Path:
        return self._directory / f"slot-{self._slot}-{name}.img"


def _partitions(file: Path) -> list[int]:
    """Return where the partitions of a disk begin, in bytes; none if it has no table (UEFI 2.10, chapter 5)."""
    with file.open("rb") as disk:
        head = disk.read(_HEAD_BYTES)
    if head[510:512] != b"\x55\xaa":
        return []
    entries = [struct.unpack_from("<4xB3xI", head, 446 + 16 * index) for index in range(4)]
    if entries[0][0] != 0xEE:
        return [first * _SECTOR_BYTES for kind, first in entries if kind]
    if head[512:520] != b"EFI PART":
        return []
    guids = [struct.unpack_from("<16s16xQ", head, 1024 + 128 * index) for index in range(128)]
    return [first * _SECTOR_BYTES for kind, first in guids if any(kind)]


def _hostname(file: Path, start: int) -> str | None:
    """Return the host name that the files of a FAT partition give the system, read by mtools; None if none does."""
    with file.open("rb") as disk:
        disk.seek(start)
        sector = disk.read(_SECTOR_BYTES)
    if b"FAT" not in (sector[54:57], sector[82:85]):  # where FAT12, FAT16 and FAT32 say what they are
        return None
    for name, pattern in _HOSTNAME_SOURCES.items():
        if match := pattern.search(_text(file, start, name)):
            return match[1]
    return None


def _text(file: Path, start: int, name: str) -> str:
    # Imported only for a SOM that was written to: a board without one stays small.
    import subprocess

    command = ["mtype", "-i", f"{file}@@{start}", f"::{name}"]
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_MTOOLS_SECONDS,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""  # without mtools the system that boots has the name that came with the SOM
    return done.stdout.decode(errors="replace")
