"""The USB socket in which a slot's SOM, or a card reader for it, is plugged in: what answers there, and its disks.

A host sees a device that answers, never a cable: nothing here claims to have seen one.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hardware.contracts import BlockTarget, Clock
from hardware.errors import DeviceNotFound, Stopped, TargetRefused
from hardware.flash.disks import LOOK_SECONDS, SYS, Disk, DiskIdentity, find_disks
from hardware.flash.media import Medium, match_medium
from hardware.flash.programs import OnLine
from hardware.flash.rpiboot import Rpiboot
from hardware.flash.target import DiskTarget

#: Boot ROMs whose USB ids we can name. Sources: Raspberry Pi's rpiboot; linux-sunxi.org for FEL.
BOOT_ROMS = {
    "0a5c:2711": "the boot ROM of a BCM2711 (CM4)",
    "0a5c:2712": "the boot ROM of a BCM2712 (CM5)",
    "0a5c:2763": "the boot ROM of a BCM2835 (CM1, CM3)",
    "0a5c:2764": "the boot ROM of a BCM2837 (CM3)",
    "1f3a:efe8": "an Allwinner chip in FEL mode, which found no U-Boot to start",
}

# UNVERIFIED, ours: a boot ROM answers within a second of its start, the gadget's Linux takes some 5 s to start.
BOOT_ROM_SECONDS = 15.0
STORAGE_SECONDS = 45.0
SETTLE_SECONDS = 3.0  # an NVMe drive is found later than an eMMC (UNVERIFIED); so long nothing may have come or gone


class UsbState(StrEnum):
    """What answers at a USB path. EMPTY: nothing; whether a cable is plugged in there cannot be seen."""

    EMPTY = "empty"
    BOOT_ROM = "boot-rom"
    DISKS = "disks"
    OTHER = "other"


@dataclass(frozen=True)
class UsbSight:
    """What answers at a USB path at one instant. `vendor` and `product` are USB ids in hex, `name` its own words.

    `number` is the kernel's, a new one each time that something is plugged in or starts anew: it tells two devices of
    one kind apart, and says nothing else.
    """

    path: str
    state: UsbState
    vendor: str = ""
    product: str = ""
    serial: str = ""
    name: str = ""
    disks: tuple[Disk, ...] = ()
    number: str = field(default="", compare=False)

    @property
    def ids(self) -> str:
        """ "0a5c:2711"; empty if nothing answers."""
        return f"{self.vendor}:{self.product}" if self.vendor else ""

    @property
    def what(self) -> str:
        """The beginning of a sentence for a person: what is where."""
        if self.state is UsbState.EMPTY:
            return f"Nothing answers at USB {self.path}"
        if self.state is UsbState.DISKS:
            sizes = " and ".join(f"{disk.identity.size_bytes / 1e9:.1f} GB" for disk in self.disks)
            return f"At USB {self.path}: {'a disk' if len(self.disks) == 1 else 'disks'} of {sizes}"
        known = BOOT_ROMS.get(self.ids) or ("a boot ROM" if self.state is UsbState.BOOT_ROM else self.name)
        return f"At USB {self.path}: {known or 'a device'} ({self.ids})"

    @property
    def words(self) -> str:
        """A sentence for a person, at most 200 characters."""
        remark = "; a cable alone cannot be seen." if self.state is UsbState.EMPTY else "."
        return self.what[: 200 - len(remark)] + remark


class Opener(Protocol):
    """Opens a disk for us alone (`DiskTarget.open`)."""

    def __call__(self, wanted: DiskIdentity, *, protected: Sequence[Path], sys: Path) -> BlockTarget: ...


class UsbPort:
    """One socket, by the kernel's path of it ("1-1.2"). Looking costs a few small reads of /sys."""

    def __init__(
        self, path: str, *, sys: Path = SYS, rpiboot: Rpiboot | None = None, opener: Opener = DiskTarget.open
    ) -> None:
        self.path = path
        self._sys = sys
        self._rpiboot = rpiboot or Rpiboot()
        self._opener = opener

    def look(self, boot_rom: str = "") -> UsbSight:
        """What answers there now. `boot_rom` are the USB ids of a boot ROM beside those of `BOOT_ROMS`."""
        device = self._sys / "bus" / "usb" / "devices" / self.path
        vendor = _text(device / "idVendor")
        if not vendor:
            return UsbSight(self.path, UsbState.EMPTY)
        product, disks = _text(device / "idProduct"), self._disks()
        ids = f"{vendor}:{product}"
        state = UsbState.DISKS if disks else UsbState.OTHER
        if ids == boot_rom or ids in BOOT_ROMS:
            state = UsbState.BOOT_ROM
        name = " ".join(filter(None, (_text(device / "manufacturer"), _text(device / "product"))))
        serial, number = _text(device / "serial"), _text(device / "devnum")
        return UsbSight(self.path, state, vendor, product, serial, name, disks, number)

    def require_clear(self, boot_rom: str = "") -> None:
        """Makes sure, before a line is pressed, that what answers afterwards is what was pressed.

        Raises TargetRefused if a boot ROM or a disk is there already: it may be another slot's.
        """
        sight = self.look(boot_rom)
        if sight.state in (UsbState.BOOT_ROM, UsbState.DISKS):
            raise TargetRefused(
                f"{sight.what}, which was there before this slot was started and may be another's: unplug it first."
            )

    def await_boot_rom(
        self,
        boot_rom: str,
        clock: Clock,
        *,
        stop: threading.Event | None = None,
        on_sight: Callable[[UsbSight], None] = lambda sight: None,
        timeout_seconds: float = BOOT_ROM_SECONDS,
    ) -> UsbSight:
        """Waits until the boot ROM with these USB ids answers; `on_sight` gets what is seen when it changes. Blocks.

        Raises TargetRefused if another boot ROM answers, or disks; DeviceNotFound at the end; Stopped.
        """
        if not boot_rom:
            raise TargetRefused("The type of this SOM does not say what USB ids its boot ROM has, so none is trusted.")

        def fits(sight: UsbSight) -> bool:
            if sight.state is UsbState.BOOT_ROM and sight.ids == boot_rom:
                return True
            if sight.state in (UsbState.BOOT_ROM, UsbState.DISKS):
                wanted = BOOT_ROMS.get(boot_rom, "a boot ROM")
                raise TargetRefused(
                    f"{sight.what}, where {wanted} ({boot_rom}) was expected: the cable leads elsewhere."
                )
            return False

        sight = self._await(fits, clock, stop, on_sight, timeout_seconds, boot_rom)
        if sight is None:
            raise DeviceNotFound(f"The boot ROM ({boot_rom}) at USB {self.path}")
        return sight

    def start_storage(
        self, clock: Clock, stop: threading.Event | None = None, on_line: OnLine = lambda line: None
    ) -> None:
        """Feeds the boot ROM there the mass-storage gadget (`Rpiboot.start_storage`): same errors. Blocks."""
        self._rpiboot.start_storage(self.path, clock, stop=stop, on_line=on_line)

    def await_storage(
        self,
        clock: Clock,
        *,
        stop: threading.Event | None = None,
        on_sight: Callable[[UsbSight], None] = lambda sight: None,
        timeout_seconds: float = STORAGE_SECONDS,
    ) -> tuple[Disk, ...]:
        """Waits for disks there and until no more of them come, and returns them. Blocks.

        Raises DeviceNotFound at the end, Stopped.
        """
        since, seen = clock.monotonic(), tuple[Disk, ...]()

        def settled(sight: UsbSight) -> bool:
            nonlocal since, seen
            if sight.disks != seen:
                since, seen = clock.monotonic(), sight.disks
            return bool(seen) and clock.monotonic() - since >= SETTLE_SECONDS

        sight = self._await(settled, clock, stop, on_sight, timeout_seconds)
        if sight is None:
            raise DeviceNotFound(f"A disk at USB {self.path}")
        return sight.disks

    def match(self, medium: Medium, *, emmc_gb: int | None) -> Disk:
        """The one disk there that is this medium, told by its size (`media.match_medium`): same errors."""
        return match_medium(self._disks(), medium, self.path, emmc_gb=emmc_gb)

    def open(self, identity: DiskIdentity, *, protected: Sequence[Path] = ()) -> BlockTarget:
        """Opens the disk that was planned for, exclusively (`DiskTarget.open`): same errors."""
        return self._opener(identity, protected=protected, sys=self._sys)

    def _disks(self) -> tuple[Disk, ...]:
        return tuple(disk for disk in find_disks(self._sys) if disk.identity.place == self.path)

    def _await(
        self,
        fits: Callable[[UsbSight], bool],
        clock: Clock,
        stop: threading.Event | None,
        on_sight: Callable[[UsbSight], None],
        timeout_seconds: float,
        boot_rom: str = "",
    ) -> UsbSight | None:
        """The first sight that fits, None if there was none in time. Raises Stopped."""
        deadline, last = clock.monotonic() + timeout_seconds, None
        while True:
            sight = self.look(boot_rom)
            if sight != last:
                on_sight(sight)
                last = sight
            if fits(sight):
                return sight
            if clock.monotonic() >= deadline:
                return None
            if clock.wait(LOOK_SECONDS, stop):
                raise Stopped(f"Waiting at USB {self.path}")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
