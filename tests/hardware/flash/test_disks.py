"""Disks are known by where they are plugged in and what they are, as the kernel tells; two that fit are none."""

import os
from pathlib import Path

import pytest

from hardware.errors import DeviceNotFound, TargetAmbiguous
from hardware.flash.disks import Disk, DiskIdentity, disk_at, find_disks, match_disk, uses_of
from tests.hardware.flash.fake_sys import FakeSys

GIB = 1024**3


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


def test_a_usb_disk_is_known_by_its_port_ids_serial_and_size(fake: FakeSys) -> None:
    fake.usb_disk("sda", "1-1.2", 32 * GIB, "8:0")
    (disk,) = find_disks(fake.sys)
    assert disk == Disk(
        DiskIdentity("1-1.2", "0a5c", "0104", "abc", 32 * GIB), "sda", "8:0", "Linux File-Stor Gadget", False
    )
    assert disk.node == Path("/dev/sda")
    assert disk_at("8:0", fake.sys) == disk
    assert str(disk.identity) == "1-1.2 (0a5c:0104, serial abc, 34,359,738,368 bytes)"


def test_a_disk_elsewhere_is_known_by_its_path(fake: FakeSys) -> None:
    fake.plain_disk("loop3", GIB, "7:3")
    assert match_disk(find_disks(fake.sys), "/dev/loop3").identity == DiskIdentity("/dev/loop3", "", "", "", GIB)


def test_a_reader_without_a_card_is_no_disk(fake: FakeSys) -> None:
    fake.usb_disk("sda", "1-1.2", 0, "8:0")
    assert find_disks(fake.sys) == ()


def test_only_the_disk_in_the_right_port_is_matched(fake: FakeSys) -> None:
    fake.usb_disk("sda", "1-1.2", 32 * GIB, "8:0")
    fake.usb_disk("sdb", "1-1.22", 32 * GIB, "8:16")
    assert match_disk(find_disks(fake.sys), "1-1.2").name == "sda"
    with pytest.raises(DeviceNotFound, match=r"at 1-1\.3 was not found"):
        match_disk(find_disks(fake.sys), "1-1.3")


def test_two_disks_in_one_port_are_told_apart_by_size_or_refused(fake: FakeSys) -> None:
    fake.usb_disk("sda", "1-1.2", 32 * GIB, "8:0")
    fake.usb_disk("sdb", "1-1.2", 500 * GIB, "8:16", lun=1)
    assert match_disk(find_disks(fake.sys), "1-1.2", max_bytes=64 * GIB).name == "sda"
    assert match_disk(find_disks(fake.sys), "1-1.2", min_bytes=100 * GIB).name == "sdb"
    with pytest.raises(TargetAmbiguous, match="none is written"):
        match_disk(find_disks(fake.sys), "1-1.2")
    with pytest.raises(DeviceNotFound, match="there is only"):
        match_disk(find_disks(fake.sys), "1-1.2", min_bytes=1000 * GIB)


def test_a_disk_that_nobody_uses_is_free(fake: FakeSys) -> None:
    fake.usb_disk("sda", "1-1.2", GIB, "8:0")
    fake.usb_disk("sdb", "1-1.3", GIB, "8:16")
    fake.mount("8:16", "/media/other")
    assert fake.uses(find_disks(fake.sys)[0]) == []


def test_a_mounted_disk_or_partition_is_in_use(fake: FakeSys) -> None:
    entry = fake.usb_disk("sda", "1-1.2", GIB, "8:0")
    fake.put(entry / "sda1", partition=1, dev="8:1")
    (disk,) = find_disks(fake.sys)
    fake.mount("8:1", r"/media/my\040stick")
    assert fake.uses(disk) == ["is mounted on /media/my stick"]
    fake.mount("8:0", "/mnt")
    assert len(fake.uses(disk)) == 2


def test_a_disk_under_a_volume_is_in_use(fake: FakeSys) -> None:
    entry = fake.usb_disk("sda", "1-1.2", GIB, "8:0")
    fake.put(entry / "sda1", partition=1, dev="8:1")
    (fake.sys / "dev/block/8:1").symlink_to(entry / "sda1")
    fake.put(entry / "sda1" / "holders" / "dm-0")
    assert fake.uses(find_disks(fake.sys)[0]) == ["belongs to dm-0"]


def test_the_disks_below_the_portals_own_files_are_its_own(fake: FakeSys, tmp_path: Path) -> None:
    """Through a volume on top of a partition on top of the disk."""
    device = tmp_path.stat().st_dev
    entry = fake.usb_disk("sda", "1-1.2", GIB, "8:0")
    fake.put(entry / "sda1", partition=1, dev="8:1")
    volume = fake.sys / "devices/virtual/block/dm-0"
    number = f"{os.major(device)}:{os.minor(device)}"
    fake.put(volume, size=1, dev=number)
    fake.put(volume / "slaves")
    (volume / "slaves" / "sda1").symlink_to(entry / "sda1")
    (fake.sys / "dev/block" / number).symlink_to(volume)
    (disk,) = find_disks(fake.sys)
    found = uses_of(disk, protected=[tmp_path], sys=fake.sys, proc=fake.proc)
    assert f"holds {tmp_path}, which the portal lives from" in found


def test_this_machines_own_disk_is_never_free() -> None:
    root = [disk for disk in find_disks() if uses_of(disk)]
    for disk in root:
        assert any("mounted on" in use or "holds /" in use for use in uses_of(disk))
    assert root or not find_disks()
