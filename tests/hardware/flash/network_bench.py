"""A SOM that runs Linux, whose disks are this machine's loop devices."""

from pathlib import Path

from hardware.flash.disks import DiskIdentity
from hardware.flash.network import RemoteTarget, find_disk, place_of
from hardware.flash.sshkeys import SshKeys
from tests.hardware.flash.disk_images import MIB, noise, run
from tests.sshd import SshServer


class Bench:
    """Opens disks of the SOM, and closes them."""

    def __init__(self, som: SshServer, keys: SshKeys) -> None:
        self.som = som
        self.keys = keys
        self.opened: list[RemoteTarget] = []

    def identity(self, device: Path) -> DiskIdentity:
        return find_disk(place_of(self.som.address, device.name), self.keys).identity

    def open(self, device: Path) -> RemoteTarget:
        size = int(run("blockdev", "--getsize64", device))
        return self.open_planned(DiskIdentity(place_of(self.som.address, device.name), "", "", "", size))

    def open_planned(self, wanted: DiskIdentity) -> RemoteTarget:
        target = RemoteTarget.open(wanted, self.keys)
        self.opened.append(target)
        return target


def write_through(target: RemoteTarget, count: int) -> None:
    """As many MiB from the start on, and all of it onto the device."""
    for number in range(count):
        target.write(number * MIB, memoryview(noise(MIB)))
    target.sync()


def read_through(target: RemoteTarget, count: int) -> None:
    for number in range(count):
        target.read(number * MIB, memoryview(bytearray(MIB)))
