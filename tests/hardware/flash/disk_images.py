"""Real disk images, made with the tools that everybody uses, and real disks of this machine to put them on."""

import hashlib
import random
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024**2
PACKERS = {
    "xz": ["xz", "-0", "--check=crc64"],
    "gz": ["gzip", "-1"],
    "bz2": ["bzip2", "-1"],
    "zst": ["zstd", "-q", "-1", "--check"],
}
SFDISK = """label: gpt
start=1MiB, size=8MiB, type=uefi, name="boot"
start=10MiB, size=14MiB, type=linux, name="root"
"""


def run(*command: object, text: str | None = None) -> str:
    """Runs a program and returns what it said. Raises CalledProcessError."""
    words = [str(word) for word in command]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True, timeout=60).stdout


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def make_image(path: Path) -> Path:
    """25 MiB: a GPT, a FAT boot partition with a file, an ext4 root whose only file has noise and zeros in it."""
    with path.open("wb") as file:
        file.truncate(25 * MIB)
    run("sfdisk", "--quiet", path, text=SFDISK)
    run("mkfs.vfat", "-n", "BOOTFS", "--offset", 2048, path, 8 * 1024)
    tree = path.with_suffix(".tree")
    tree.mkdir()
    (tree / "noise.bin").write_bytes(noise(4 * MIB) + bytes(MIB) + b"the end")
    run("mkfs.ext4", "-q", "-L", "rootfs", "-d", tree, "-E", f"offset={10 * MIB}", path, "14M")
    script = path.with_suffix(".txt")
    script.write_text("console=serial0\n" * 100)
    run("mcopy", "-i", f"{path}@@{MIB}", script, "::cmdline.txt")
    return path


def pack(image: Path, format: str, to: Path) -> Path:
    """The image packed by the format's own program."""
    if format == "raw":
        return image
    if format == "zip":
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(image, "some name.bin")
        return to
    with to.open("wb") as file:
        subprocess.run([*PACKERS[format], "-c", str(image)], stdout=file, check=True, timeout=60)
    return to


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def loop_device(backing: Path, *options: object) -> Iterator[Path]:
    """A block device whose bytes lie in a file."""
    device = Path(run("losetup", "--find", "--show", *options, backing).strip())
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextmanager
def mounted(what: Path, where: Path, *options: str) -> Iterator[Path]:
    where.mkdir(exist_ok=True)
    run("mount", *options, what, where)
    try:
        yield where
    finally:
        run("umount", where)


def soiled(path: Path, size: int) -> Path:
    """A file full of what an earlier image left behind."""
    pattern = b"what was here before, and must not be taken for something new\n"
    with path.open("wb") as file:
        while file.tell() < size:
            file.write((pattern * 20000)[: size - file.tell()])
    return path
