"""The part of /sys and /proc that tells of disks and USB, with the very paths that a Raspberry Pi 4 shows."""

import shutil
from pathlib import Path

from hardware.flash.disks import Disk, uses_of


class FakeSys:
    """Attributes: `sys` and `proc`, what stands for /sys and /proc."""

    def __init__(self, root: Path) -> None:
        self.sys = root / "sys"
        self.proc = root / "proc"
        (self.sys / "block").mkdir(parents=True)
        (self.sys / "dev" / "block").mkdir(parents=True)
        (self.sys / "bus/usb/devices").mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self" / "mountinfo").write_text("")

    def put(self, path: Path, **texts: object) -> None:
        path.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text(f"{text}\n")

    def usb_device(self, usb: str, ids: str = "0a5c:0104", **texts: object) -> Path:
        device = self.sys / "devices/platform/scb/fd500000.pcie/pci0000:00/0000:01:00.0/usb1" / usb.split(".")[0] / usb
        vendor, product = ids.split(":")
        self.put(device, idVendor=vendor, idProduct=product, **texts)
        link = self.sys / "bus/usb/devices" / usb
        if not link.is_symlink():
            link.symlink_to(device)
        return device

    def unplug(self, usb: str) -> None:
        link = self.sys / "bus/usb/devices" / usb
        for entry in (*(self.sys / "block").iterdir(), *(self.sys / "dev/block").iterdir()):
            if link.resolve() in entry.resolve().parents:
                entry.unlink()
        shutil.rmtree(link.resolve())
        link.unlink()

    def usb_disk(
        self, name: str, usb: str, size: int, number: str, serial: str = "abc", lun: int = 0, vendor: str = "Linux"
    ) -> Path:
        device = self.usb_device(usb, serial=serial)
        scsi = device / f"{usb}:1.0/host0/target0:0:0/0:0:0:{lun}"
        self.put(scsi, vendor=vendor, model="File-Stor Gadget")
        return self._block(scsi / "block" / name, size, number, scsi)

    def plain_disk(self, name: str, size: int, number: str) -> Path:
        return self._block(self.sys / "devices/virtual/block" / name, size, number, None)

    def _block(self, entry: Path, size: int, number: str, device: Path | None) -> Path:
        self.put(entry, size=size // 512, dev=number)
        self.put(entry / "queue", write_zeroes_max_bytes=0)
        if device:
            (entry / "device").symlink_to(device)
        (self.sys / "block" / entry.name).symlink_to(entry)
        (self.sys / "dev/block" / number).symlink_to(entry)
        return entry

    def mount(self, number: str, point: str, source: str = "none") -> None:
        with (self.proc / "self" / "mountinfo").open("a") as file:
            file.write(f"36 35 {number} / {point} rw,noatime shared:1 - ext4 {source} rw\n")

    def uses(self, disk: Disk) -> list[str]:
        return uses_of(disk, sys=self.sys, proc=self.proc)
