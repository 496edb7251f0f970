"""Which disks this machine has, where they are plugged in, and what uses them: all of it as the kernel tells in /sys.

A disk is known by its place (USB path such as "1-1.2", or the device's own path where it is not on USB), vendor,
product, serial number and size. Names like sda say nothing: they are given anew each time.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import DeviceNotFound, TargetAmbiguous

SYS = Path("/sys")
PROC = Path("/proc")

_USB_PATH = re.compile(r"\d+-\d+(\.\d+)*")
LOOK_SECONDS = 0.5  # a person has just plugged something in: soon enough for the eye


@dataclass(frozen=True)
class DiskIdentity:
    """What a plan binds a target to. `vendor` and `product` are USB ids in hex or empty, like an unknown `serial`."""

    place: str
    vendor: str
    product: str
    serial: str
    size_bytes: int

    def __str__(self) -> str:
        ids = f"{self.vendor}:{self.product}, " if self.vendor else ""
        serial = f"serial {self.serial}, " if self.serial else ""
        return f"{self.place} ({ids}{serial}{self.size_bytes:,} bytes)"


@dataclass(frozen=True)
class Disk:
    """A disk that is there now. `name` is the kernel's (sda), `number` its device number as "major:minor".

    `can_clear`: the device itself writes zeros where it is told to, without being sent any. `is_read_only`: it has a
    switch for that, or its maker has.
    """

    identity: DiskIdentity
    name: str
    number: str
    model: str
    can_clear: bool
    is_read_only: bool = False

    @property
    def node(self) -> Path:
        return Path("/dev", self.name.replace("!", "/"))


def find_disks(sys: Path = SYS) -> tuple[Disk, ...]:
    """All disks that hold a medium, in the order of their names. Reads a few small files of the kernel's."""
    try:
        names = sorted(path.name for path in (sys / "block").iterdir())
    except OSError:
        return ()
    found = (_disk(sys / "block" / name) for name in names)
    return tuple(disk for disk in found if disk)


def disk_at(number: str, sys: Path = SYS) -> Disk | None:
    """The whole disk with this device number ("8:0"); None if there is none, or it is a partition."""
    entry = sys / "dev" / "block" / number
    return None if (entry / "partition").exists() else _disk(entry)


def match_disk(
    disks: Iterable[Disk], place: str, *, min_bytes: int = 1, max_bytes: int | None = None, what: str = "A disk"
) -> Disk:
    """The one disk in that place whose size is within the bounds: a module's eMMC and its NVMe drive share a USB path.

    Raises DeviceNotFound if there is none, TargetAmbiguous if there are several: nobody guesses which to overwrite.
    """
    there = [disk for disk in disks if _is_at(disk, place)]
    fit = [disk for disk in there if min_bytes <= disk.identity.size_bytes <= (max_bytes or disk.identity.size_bytes)]
    if len(fit) > 1:
        listed = ", ".join(f"{disk.name} ({disk.identity.size_bytes:,} bytes)" for disk in fit)
        raise TargetAmbiguous(f"More than one disk at {place} could be meant, so none is written: {listed}.")
    if not fit:
        others = f" (there is only {', '.join(str(disk.identity) for disk in there)})" if there else ""
        raise DeviceNotFound(f"{what} at {place}{others}")
    return fit[0]


def _is_at(disk: Disk, place: str) -> bool:
    if disk.identity.place == place:
        return True
    # A path of udev's, such as /dev/disk/by-path/..., leads to the device's own.
    return place.startswith("/") and os.path.realpath(place) == str(disk.node)


def _disk(entry: Path) -> Disk | None:
    size_bytes = 512 * int(_text(entry / "size") or "0")  # the kernel counts 512 bytes whatever the disk's own blocks
    number = _text(entry / "dev")
    if not size_bytes or not number:
        return None
    real = entry.resolve()
    usb = _usb_device(real)
    identity = DiskIdentity(
        place=usb.name if usb else str(Path("/dev", real.name.replace("!", "/"))),
        vendor=_text(usb / "idVendor") if usb else "",
        product=_text(usb / "idProduct") if usb else "",
        serial=_text(usb / "serial") if usb else _text(entry / "device" / "serial") or _text(entry / "device" / "cid"),
        size_bytes=size_bytes,
    )
    model = " ".join(filter(None, (_text(entry / "device" / "vendor"), _text(entry / "device" / "model"))))
    clears = int(_text(entry / "queue" / "write_zeroes_max_bytes") or "0") > 0
    return Disk(identity, real.name, number, model, clears, _text(entry / "ro") == "1")


def _usb_device(real: Path) -> Path | None:
    """The USB device that a disk belongs to: the last part of its path in /sys that is a USB path."""
    return next((parent for parent in real.parents if _USB_PATH.fullmatch(parent.name)), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


# What uses a disk


def uses_of(disk: Disk, *, protected: Sequence[Path] = (), sys: Path = SYS, proc: Path = PROC) -> list[str]:
    """Why this disk must not be written to, in words that complete "the disk ..."; empty if nothing speaks against it.

    `protected` are files or directories that the portal lives from; the root file system always counts.
    """
    members = _members(sys / "dev" / "block" / disk.number)
    uses = [f"is mounted on {point}" for number, point in _mounts(proc) if number in members]
    uses += [f"is swap space ({area})" for area in _swaps(proc) if _number_of(Path(area)) in members]
    uses += [f"belongs to {holder}" for holder in _holders(sys, members)]
    for path in (Path("/"), *protected):
        if _number_of_disk_below(path, sys) & members:
            uses.append(f"holds {path}, which the portal lives from")
    return list(dict.fromkeys(uses))


def _members(entry: Path) -> set[str]:
    """The device numbers of a disk and its partitions."""
    parts = [path.parent for path in entry.glob("*/partition")]
    return {number for path in (entry, *parts) if (number := _text(path / "dev"))}


def _mounts(proc: Path) -> list[tuple[str, str]]:
    """Device number and place of every mount. btrfs and the like have numbers of their own, but name their device."""
    found = []
    for line in _text(proc / "self" / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")[1:2]
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        found.append((fields[2], point))
        if source and source[0].startswith("/dev/"):
            found.append((_number_of(Path(source[0])), point))
    return found


def _swaps(proc: Path) -> list[str]:
    return [line.split()[0] for line in _text(proc / "swaps").splitlines()[1:]]


def _holders(sys: Path, members: set[str]) -> list[str]:
    """What the kernel has built upon the disk: volumes, arrays, encrypted devices."""
    found = (path.name for number in members for path in (sys / "dev" / "block" / number / "holders").glob("*"))
    return sorted(set(found))


def _number_of(path: Path) -> str:
    """The device number of a block device's node; empty if it is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if status.st_rdev else ""


def _number_of_disk_below(path: Path, sys: Path) -> set[str]:
    """The device numbers of what a file lies on, down through volumes and arrays to the disks."""
    try:
        device = path.stat().st_dev
    except OSError:
        return set()
    found, ahead = set(), [sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"]
    while ahead:
        entry = ahead.pop()
        if (number := _text(entry / "dev")) and number not in found:
            found.add(number)
            ahead += list((entry / "slaves").glob("*"))
    return found
