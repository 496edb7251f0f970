"""Files in the root directory of a FAT file system that lies in a file, by Debian's mtools. Linux only.

mtools' exit status alone is no proof: it answers 0 to some copies that a full file system cut short (seen with
4.0.32), so whatever is put in is read back.
"""

import os
import subprocess
from pathlib import Path

from hardware.flash.firstboot.errors import BootPartitionError
from hardware.flash.programs import installed
from hardware.program_errors import ProgramMissing, ProgramTimeout

PACKAGE = "mtools (apt install mtools)"
PROGRAM_SECONDS = 60.0  # hundreds of times what a copy of some kB takes; a hung disk must not hold a run for ever

# Its own check of the disk's geometry turns away partitions that every kernel and boot loader reads.
_ENVIRONMENT = {"MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}


def require() -> None:
    """Raises ProgramMissing if mtools is not there, before it is needed."""
    installed("mcopy", PACKAGE)


def names(disk: Path) -> frozenset[str]:
    """The files of the root directory, directories left out. Blocks for the disk.

    Raises BootPartitionError, ProgramMissing and ProgramTimeout if mtools is not there or does not answer.
    """
    listed = _run("mdir", "-a", "-b", "-i", disk, "::").decode(errors="replace").splitlines()
    return frozenset(line.removeprefix("::/") for line in listed if line.startswith("::/") and not line.endswith("/"))


def read(disk: Path, name: str) -> bytes:
    """A file's contents. Raises as `names`. Blocks for the disk."""
    return _run("mtype", "-i", disk, f"::/{name}")


def put(disk: Path, source: Path, name: str) -> None:
    """Makes `source` the file of that name, in place of one that was there, and reads it back.

    Raises as `names`, BootPartitionError also if there is no room; the file system may be changed then. Blocks for the
    disk.
    """
    done = _done("mcopy", "-o", "-i", disk, source, f"::/{name}")
    if done.returncode or name not in names(disk) or read(disk, name) != source.read_bytes():
        size, free = source.stat().st_size, _free_bytes(disk)
        if free < size:
            raise BootPartitionError(
                f"The image's boot partition is too full: {name} takes {size:,} bytes and {free:,} are free."
            )
        raise BootPartitionError(f"The file {name} could not be put into the image's boot partition.")


def _free_bytes(disk: Path) -> int:
    """As the last line of a listing says it, in groups of digits."""
    listed = _run("mdir", "-i", disk, "::").decode(errors="replace")
    last = listed.rpartition("bytes free")[0].rpartition("\n")[2]
    return int("".join(letter for letter in last if letter.isdigit()) or 0)


def _run(program: str, *arguments: str | Path) -> bytes:
    done = _done(program, *arguments)
    if done.returncode:
        raise BootPartitionError("The image's boot partition could not be read as a FAT file system.")
    return done.stdout


def _done(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    words = [program, *(os.fspath(argument) for argument in arguments)]
    try:
        return subprocess.run(
            words,
            env={"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PROGRAM_SECONDS,
        )
    except FileNotFoundError as error:
        raise ProgramMissing(program, PACKAGE) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramTimeout(program, PROGRAM_SECONDS, "") from error


def metadata_bytes(boot_sector: bytes) -> int:
    """Where the files' contents begin: what lies before is the file system's own. Pure.

    Source: Microsoft's FAT specification 1.03, section "Boot Sector and BPB". Raises BootPartitionError.
    """
    sector, reserved, entries = (int.from_bytes(boot_sector[at : at + 2], "little") for at in (11, 14, 17))
    fat_sectors = int.from_bytes(boot_sector[22:24], "little") or int.from_bytes(boot_sector[36:40], "little")
    fats = boot_sector[16]
    if sector not in (512, 1024, 2048, 4096) or not reserved or not fats or not fat_sectors:
        raise BootPartitionError("The image's boot partition has no FAT file system.")
    return (reserved + fats * fat_sectors) * sector + -(-entries * 32 // sector) * sector
