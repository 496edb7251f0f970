"""The USB side of the simulated board: what SOMs show on their Type-C, as the kernel of the portal's machine tells it.

`DIR/sys` is laid out like /sys, so that the code which reads the one reads the other; `DIR/dev` has a small file for
each disk, in place of its node in /dev. A cable alone is invisible there, as it is in /sys: only a device that answers
is seen.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hardware.simulator.storage import Medium

#: No disk of a real machine has this number or a name like these, so nobody can take the one for the other.
DISK_MAJOR, DISK_NAMES = 3000, [f"simd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
_MINORS = 16  # room for partitions, as the kernel leaves it (sd.c)
_SECTOR_BYTES = 512  # the unit of /sys/block/*/size


class Face(NamedTuple):
    """How a SOM shows itself on USB: the ids and texts of its descriptors, and whether its media are disks there."""

    vendor: str
    product: str
    maker: str
    name: str
    has_disks: bool = False

    @property
    def ids(self) -> str:
        """Vendor and product in hex, as lsusb writes them."""
        return f"{self.vendor}:{self.product}"


# Ids: nanocluster.md section 7 and upstream rpiboot; the texts are those that lsusb shows owners.
BCM2711_ROM = Face("0a5c", "2711", "Broadcom", "BCM2711 Boot")
BCM2712_ROM = Face("0a5c", "2712", "Broadcom", "BCM2712D0 Boot")
#: What rpiboot's mass-storage gadget is seen as.
GADGET = Face("0a5c", "0104", "Raspberry Pi", "Raspberry Pi multi-function USB device", has_disks=True)
#: U-Boot's UMS on an Allwinner chip: the defaults of its USB gadget [inferred].
UMS = Face("1f3a", "1010", "Allwinner Technology", "USB download gadget", has_disks=True)


def usb_path(slot: int) -> str:
    """Return where a slot's Type-C is plugged in: the OTG port of slot 1, or a port of a hub."""
    return "1-2" if slot == 1 else f"1-1.{slot}"


class Kernel:
    """The fake /sys and /dev below one directory."""

    def __init__(self, directory: Path) -> None:
        """Begin without any device, whatever a killed simulator left. Raises OSError."""
        self._sys, self._nodes = directory / "sys", directory / "dev"
        self._attached: dict[str, list[str]] = {}
        self._faults: dict[str, dict[str, Any]] = {}
        self._last_number = 1  # a bus counts devices from 1, which is its root hub
        self.clean()
        for folder in (self._sys / "block", self._sys / "dev" / "block", self._sys / "bus/usb/devices", self._nodes):
            folder.mkdir(parents=True)

    def clean(self) -> None:
        """Take everything away, the directories included."""
        _remove(self._nodes)
        _remove(self._sys)

    def disks(self, path: str) -> list[str]:
        """Return the names of the disks that are there at a USB path."""
        return self._attached.get(path, [])

    def attach(self, path: str, face: Face, serial: str, media: list[Medium]) -> None:
        """Let a device appear, with a disk for each medium. Raises OSError."""
        self._last_number += 1
        device = self._place(path)
        texts = {"idVendor": face.vendor, "idProduct": face.product, "manufacturer": face.maker, "product": face.name}
        _write(device, **texts, serial=serial, busnum=path.partition("-")[0], devnum=str(self._last_number))
        _link(self._sys / "bus/usb/devices" / path, device)
        self._attached[path] = []
        for unit, medium in enumerate(media):
            self._attach_disk(path, unit, medium)

    def detach(self, path: str) -> None:
        """Let a device vanish, its disks first; nothing happens if there is none."""
        for name in self._attached.pop(path, []):
            (self._sys / "block" / name).unlink()
            (self._sys / "dev" / "block" / _number(name)).unlink()
            (self._nodes / name).unlink()
        (self._sys / "bus/usb/devices" / path).unlink(missing_ok=True)
        _remove(self._place(path))

    def upset(self, path: str, faults: dict[str, Any]) -> None:
        """Let the disks at a path, and those that will be there, misbehave: see `disk.SimulatedDisk`."""
        if faults == self._faults.get(path, {}):
            return
        self._faults[path] = faults
        for name in self.disks(path):
            node = json.loads((self._nodes / name).read_text())
            self._write_node(name, {**node, "faults": faults})

    def _attach_disk(self, path: str, unit: int, medium: Medium) -> None:
        taken = {name for names in self._attached.values() for name in names}
        name = next(name for name in DISK_NAMES if name not in taken)
        scsi = self._place(path) / f"{path}:1.0" / "host0" / "target0:0:0" / f"0:0:0:{unit}"
        block = scsi / "block" / name
        _write(scsi, vendor=medium.device, model="File-Stor Gadget", rev="0601")
        _write(block, size=str(medium.size_bytes // _SECTOR_BYTES), ro="0", removable="1", dev=_number(name))
        _write(block / "queue", logical_block_size="512", write_zeroes_max_bytes="0")  # f_mass_storage has no command
        (block / "holders").mkdir()
        _link(block / "device", scsi)
        node = {
            "file": str(medium.file),
            "size_bytes": medium.size_bytes,
            "attached": f"{os.getpid()}.{self._last_number}",
        }
        self._write_node(name, {**node, "faults": self._faults.get(path, {})})
        _link(self._sys / "dev" / "block" / _number(name), block)
        _link(self._sys / "block" / name, block)
        self._attached[path].append(name)

    def _write_node(self, name: str, node: dict[str, Any]) -> None:
        draft = self._nodes / f".{name}"
        draft.write_text(json.dumps(node))
        draft.replace(self._nodes / name)

    def _place(self, path: str) -> Path:
        """Where a device's files really lie: below those of the hubs that lead to it."""
        bus, _, ports = path.partition("-")
        numbers = ports.split(".")
        hubs = [f"{bus}-{'.'.join(numbers[: depth + 1])}" for depth in range(len(numbers))]
        return Path(self._sys, "devices", "platform", "simulated-usb", f"usb{bus}", *hubs)


class Socket:
    """A SOM's USB socket: what it shows there is seen once a cable is plugged in."""

    def __init__(self, path: str, kernel: Kernel, record: Callable[..., None]) -> None:
        self.path = path
        self.is_plugged = False
        self._kernel = kernel
        self._record = record
        self._shown: tuple[Face, str, list[Medium]] | None = None
        self._seen: Face | None = None

    def show(self, face: Face, serial: str, media: list[Medium]) -> None:
        """Be this device from now on."""
        self._shown = face, serial, media
        self._update(anew=True)

    def hide(self) -> None:
        """Be no device."""
        self._shown = None
        self._update()

    def plug(self, is_plugged: bool) -> None:
        """Put the cable in, or pull it."""
        self.is_plugged = is_plugged
        self._update()

    def upset(self, faults: dict[str, Any]) -> None:
        """Let the disks misbehave."""
        self._kernel.upset(self.path, faults)

    def as_json(self) -> dict[str, Any]:
        """Return what `ctl state` shows."""
        device = self._seen.ids if self._seen else None
        return {"path": self.path, "plugged": self.is_plugged, "device": device, "disks": self._kernel.disks(self.path)}

    @property
    def seen(self) -> Face | None:
        """What the portal's machine sees here; None without a device or a cable."""
        return self._seen

    def _update(self, anew: bool = False) -> None:
        wanted = self._shown if self.is_plugged else None
        if self._seen and (wanted is None or anew):
            self._kernel.detach(self.path)
            self._seen = None
            self._record(usb=self.path, device=None)
        if wanted and not self._seen:
            self._kernel.attach(self.path, *wanted)
            self._seen = wanted[0]
            self._record(usb=self.path, device=self._seen.ids)


def _number(name: str) -> str:
    return f"{DISK_MAJOR}:{_MINORS * DISK_NAMES.index(name)}"


def _write(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")


def _link(link: Path, target: Path) -> None:
    link.symlink_to(os.path.relpath(target, link.parent))


def _remove(folder: Path) -> None:
    """Remove a directory and all in it. (shutil would cost every simulated board two megabytes.)"""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _remove(Path(entry.path))
        else:
            os.unlink(entry.path)
    folder.rmdir()
