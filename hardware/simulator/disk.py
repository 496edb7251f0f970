"""A simulated SOM's USB disk as something to write an image to: a file that goes wrong in the ways of a real disk."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hardware.clock import SystemClock
from hardware.errors import DeviceNotFound
from hardware.flash.disks import Disk, DiskIdentity, find_disks
from hardware.flash.target import FileTarget, planned_disk, punch_hole, read_errors, write_errors

_MEGABYTE = 1_000_000
_LOOK_SECONDS = 0.1
#: A run of zeros of this length is stored as a hole, so that a SOM of 30 GB does not fill the disk that simulates it.
_HOLE_BYTES = 65_536
_ZEROS = bytes(_HOLE_BYTES)


def open_disk(wanted: DiskIdentity, *, protected: Sequence[Path] = (), sys: Path) -> "SimulatedDisk":
    """Open the disk that was planned for, for us alone among those who open it so. `sys` is the fake /sys it is in.

    `protected` means nothing here: no file of the portal's lies on such a disk. Raises DeviceNotFound,
    TargetAmbiguous, TargetChanged or TargetInUse as `DiskTarget.open` does; nothing has been written then.
    """
    disk = planned_disk(wanted, find_disks(sys))
    node = sys.parent / "dev" / disk.name
    try:
        attached = json.loads(node.read_text())
    except FileNotFoundError as error:
        raise DeviceNotFound(f"The disk {wanted}") from error
    return SimulatedDisk.of(disk, node, attached)


class SimulatedDisk(FileTarget):
    """A medium of a simulated SOM while it is a USB disk (BlockTarget).

    Each transfer looks if the disk is still there, and does what the simulator's faults say:
    `bad_from` and `unreadable_from` (bytes), `mb_per_s` (both ways; divided waits as all), `lies`.
    """

    clears = False  # a USB disk is sent its zeros
    identity: DiskIdentity

    @classmethod
    def of(cls, disk: Disk, node: Path, attached: dict[str, Any]) -> "SimulatedDisk":
        """Open and lock the file behind a disk that was found. Raises DeviceNotFound, TargetInUse."""
        target = cls.open(Path(attached["file"]))
        target.name = f"{disk.name} at {disk.identity.place} (simulated)"
        target.identity = disk.identity
        target._node, target._attached = node, attached["attached"]
        return target

    def __init__(self, file: int, path: Path) -> None:
        super().__init__(file, path)
        self._node, self._attached = Path(), ""
        self._clock = SystemClock()
        self._free_at = 0.0

    def write(self, offset: int, data: memoryview) -> None:
        with write_errors(self.name, offset):
            faults = self._transfer(len(data), offset + len(data), "bad_from")
        if faults.get("lies"):
            data = _spoilt(data)
        elif offset + len(data) <= self.size_bytes and _is_zeros(data) and punch_hole(self._file, offset, len(data)):
            return
        super().write(offset, data)

    def sync(self) -> None:
        with write_errors(self.name, self._written_to):
            self._look()
        super().sync()

    def read(self, offset: int, buffer: memoryview) -> None:
        with read_errors(self.name, offset):
            self._transfer(len(buffer), offset + len(buffer), "bad_from", "unreadable_from")
        super().read(offset, buffer)

    def _transfer(self, length: int, end: int, *limits: str) -> dict[str, Any]:
        """Let a transfer take its time. Raises OSError where the disk is gone or does not work."""
        faults = self._look()
        if speed := faults.get("mb_per_s"):
            self._free_at = max(self._free_at, self._clock.monotonic()) + length / (speed * _MEGABYTE)
            while (left := self._free_at - self._clock.monotonic()) > 0:
                self._clock.wait(min(left, _LOOK_SECONDS))
                faults = self._look()  # the cable may have been pulled meanwhile
        if any(end > faults[limit] for limit in limits if limit in faults):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return faults

    def _look(self) -> dict[str, Any]:
        """Return the faults in force. Raises OSError if the disk is gone, even if another is in its place."""
        try:
            attached: dict[str, Any] = json.loads(self._node.read_bytes())
        except FileNotFoundError as error:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error
        if attached["attached"] != self._attached:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        faults: dict[str, Any] = attached["faults"]
        return faults


def _is_zeros(data: memoryview) -> bool:
    return len(data) >= _HOLE_BYTES and all(
        data[start : start + _HOLE_BYTES].tobytes() == _ZEROS[: min(_HOLE_BYTES, len(data) - start)]
        for start in range(0, len(data), _HOLE_BYTES)
    )


def _spoilt(data: memoryview) -> memoryview:
    """What a lying disk keeps: one bit in the middle is not what it was."""
    kept = bytearray(data)
    if kept:
        kept[len(kept) // 2] ^= 1
    return memoryview(kept)
