"""A disk is written by one program alone, never while it is used, never instead of another; here with loop devices."""

import mmap
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.errors import (
    DeviceNotFound,
    ReadError,
    TargetChanged,
    TargetInUse,
    TargetRefused,
    WriteError,
)
from hardware.flash.disks import DiskIdentity, find_disks, match_disk
from hardware.flash.pieces import page_aligned
from hardware.flash.target import DiskTarget, FileTarget
from tests.hardware.flash.conftest import Disks
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, noise, run, soiled

pytestmark = pytest.mark.root

PROJECT = Path(__file__).resolve().parents[3]


def identity(device: Path) -> DiskIdentity:
    return match_disk(find_disks(), str(device)).identity


def aligned(data: bytes) -> memoryview:
    view = page_aligned(len(data))
    view[:] = data
    return view


def read(target: DiskTarget | FileTarget, offset: int, length: int) -> bytes:
    view = memoryview(bytearray(length))
    target.read(offset, view)
    return bytes(view)


def write_all(target: DiskTarget, data: bytes) -> None:
    for offset in range(0, len(data), MIB):
        target.write(offset, aligned(data[offset : offset + MIB]))
        target.sync()


# Opening a disk


def test_a_free_disk_is_opened_past_the_cache_and_for_us_alone(disk: Disks) -> None:
    device = disk()
    target = DiskTarget.open(identity(device))
    assert (target.is_direct, target.size_bytes, target.reads_back_by) == (True, 28 * MIB, "O_DIRECT")
    assert target.name == f"{device.name} at {device}"
    with pytest.raises(TargetInUse, match="held by another program"):
        DiskTarget.open(identity(device))
    with pytest.raises(OSError, match="busy"):
        os.open(device, os.O_RDWR | os.O_EXCL)
    target.close()
    DiskTarget.open(identity(device)).close()


def test_the_disk_is_free_again_when_its_writer_is_killed(disk: Disks) -> None:
    device = disk()
    hold = (
        "import sys, time; from pathlib import Path;"
        "from hardware.flash.disks import find_disks, match_disk; from hardware.flash.target import DiskTarget;"
        "target = DiskTarget.open(match_disk(find_disks(), sys.argv[1]).identity);"
        "print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, device], cwd=PROJECT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(TargetInUse):
            DiskTarget.open(identity(device))
        holder.kill()
    DiskTarget.open(identity(device)).close()


def test_a_mounted_disk_is_refused_with_where_it_is_mounted(disk: Disks, tmp_path: Path) -> None:
    device = disk()
    run("mkfs.ext4", "-q", device)
    with mounted(device, tmp_path / "mnt"), pytest.raises(TargetInUse, match=f"is mounted on {tmp_path}/mnt"):
        DiskTarget.open(identity(device))
    DiskTarget.open(identity(device)).close()


def test_a_disk_with_a_mounted_partition_is_refused(disk: Disks, tmp_path: Path) -> None:
    device = disk()
    run("addpart", device, 1, 2048, 40960)  # by hand: not every kernel looks for tables on loop devices
    part = Path(f"{device}p1")
    try:
        run("mkfs.ext4", "-q", part)
        refused_while_mounted(device, part, tmp_path)
    finally:
        run("delpart", device, 1)


def refused_while_mounted(device: Path, part: Path, tmp_path: Path) -> None:
    with mounted(part, tmp_path / "mnt"):
        with pytest.raises(TargetInUse, match=f"is mounted on {tmp_path}/mnt"):
            DiskTarget.open(identity(device))
        with pytest.raises(TargetInUse, match="held by another program"):  # what the kernel says, if /proc did not
            DiskTarget.open(identity(device), proc=tmp_path / "nothing")


def test_a_disk_in_use_as_swap_space_is_refused(disk: Disks) -> None:
    device = disk()
    run("mkswap", device)
    run("swapon", device)
    try:
        with pytest.raises(TargetInUse, match="is swap space"):
            DiskTarget.open(identity(device))
    finally:
        run("swapoff", device)


def test_the_disk_that_the_portals_data_lies_on_is_refused(disk: Disks, tmp_path: Path) -> None:
    device = disk()
    run("mkfs.ext4", "-q", device)
    with mounted(device, tmp_path / "mnt") as data, pytest.raises(TargetInUse, match="the portal lives from"):
        DiskTarget.open(identity(device), protected=[data])


@pytest.mark.parametrize("change", [{"size_bytes": 27 * MIB}, {"serial": "other"}, {"vendor": "0a5c"}])
def test_another_disk_than_planned_is_refused(change: dict[str, object], disk: Disks) -> None:
    planned = replace(identity(disk()), **change)
    with pytest.raises(TargetChanged, match="planned for"):
        DiskTarget.open(planned)


def test_a_disk_that_is_swapped_while_it_is_opened_is_refused(
    disk: Disks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another one takes its place, name and number between the look and the opening."""
    device = disk()
    planned = identity(device)
    really_open = os.open

    def swap_then_open(path: Path, flags: int) -> int:
        run("losetup", "--detach", device)
        run("losetup", device, soiled(tmp_path / "other", 30 * MIB))
        return really_open(path, flags)

    with monkeypatch.context() as patched:
        patched.setattr("hardware.flash.target.os.open", swap_then_open)
        with pytest.raises(TargetChanged, match="changed while"):
            DiskTarget.open(planned)


def test_a_disk_that_is_gone_is_not_found(disk: Disks) -> None:
    planned = replace(identity(disk()), place="1-1.2")
    with pytest.raises(DeviceNotFound, match=r"1-1\.2"):
        DiskTarget.open(planned)


def test_a_disk_that_is_write_protected_is_refused(disk: Disks) -> None:
    device = disk(28 * MIB, "--read-only")
    with pytest.raises(TargetRefused, match="write-protected"):
        DiskTarget.open(identity(device))


# Bytes on a disk


def test_what_is_written_is_read_back_from_the_device(disk: Disks, shelf: Path) -> None:
    target = DiskTarget.open(identity(disk()))
    data = noise(MIB)
    target.write(3 * MIB, aligned(data))
    target.sync()
    assert (shelf / "disk1").read_bytes()[3 * MIB : 4 * MIB] == data
    assert read(target, 3 * MIB, MIB) == data
    target.close()


def test_reading_back_asks_the_device_and_not_the_memory_of_this_machine(disk: Disks, shelf: Path) -> None:
    device = disk()
    target = DiskTarget.open(identity(device))
    with device.open("rb") as cached, (shelf / "disk1").open("r+b") as medium:
        before = cached.read(4096)
        medium.write(b"the medium lost its memory")
        medium.flush()
        cached.seek(0)
        assert cached.read(4096) == before, "the kernel still remembers it otherwise"
        assert read(target, 0, 26) == b"the medium lost its memory"
    target.close()


@pytest.mark.parametrize("sector", [512, 4096])
def test_bytes_that_fill_no_block_leave_their_neighbours_alone(sector: int, disk: Disks, shelf: Path) -> None:
    target = DiskTarget.open(identity(disk(28 * MIB, "--sector-size", sector)))
    expected = bytearray((shelf / "disk1").read_bytes())
    for offset, data in ((100, b"small"), (510, noise(5000)), (28 * MIB - 3, b"end"), (8192, noise(4096))):
        target.write(offset, memoryview(data))
        expected[offset : offset + len(data)] = data
        assert read(target, offset, len(data)) == data
    target.sync()
    target.close()
    assert (shelf / "disk1").read_bytes() == expected


def test_a_disk_that_can_clears_without_being_sent_zeros(disk: Disks, shelf: Path) -> None:
    target = DiskTarget.open(identity(disk()))
    assert target.clears
    assert target.clear(4 * MIB, 8 * MIB)
    assert not target.clear(100, 50), "that is not a matter of whole blocks"
    target.sync()
    target.close()
    found = (shelf / "disk1").read_bytes()
    assert found[4 * MIB : 12 * MIB] == bytes(8 * MIB)
    assert found[:100].startswith(b"what was here before")
    assert 0 not in (found[4 * MIB - 1], found[12 * MIB])


def test_writing_past_the_end_of_a_disk_fails_with_the_offset(disk: Disks) -> None:
    target = DiskTarget.open(identity(disk()))
    with pytest.raises(WriteError, match="No space left") as caught:
        target.write(27 * MIB + 4096, aligned(noise(MIB)))
    assert caught.value.offset_bytes == 27 * MIB + 4096
    with pytest.raises(ReadError):
        read(target, 28 * MIB - 100, 200)
    target.close()


def test_a_disk_whose_medium_fails_is_a_write_error_with_the_offset(tmp_path: Path) -> None:
    """Its bytes lie on a file system that is full."""
    with mounted(Path("tmpfs"), tmp_path / "small", "-t", "tmpfs", "-o", "size=4m") as small:
        backing = small / "disk"
        with backing.open("wb") as file:
            file.truncate(16 * MIB)
        with loop_device(backing) as device:
            target = DiskTarget.open(identity(device))
            with pytest.raises(WriteError, match=r"Input/output error|No space left") as caught:
                write_all(target, noise(16 * MIB))
            assert 2 * MIB <= caught.value.offset_bytes <= 5 * MIB
            target.close()


# Files


def test_a_file_target_is_named_as_such_and_locked(tmp_path: Path) -> None:
    path = soiled(tmp_path / "emmc.bin", 4 * MIB)
    target = FileTarget.open(path)
    assert target.name == "the file emmc.bin"
    with pytest.raises(TargetInUse, match=r"emmc\.bin"):
        FileTarget.open(path)
    target.close()
    FileTarget.open(path).close()


def test_a_file_target_keeps_its_size_and_clears_by_making_holes(tmp_path: Path) -> None:
    path = soiled(tmp_path / "emmc.bin", 4 * MIB)
    target = FileTarget.open(path)
    before = path.stat().st_blocks
    target.write(100, memoryview(b"hello"))
    assert target.clear(MIB, 2 * MIB)
    target.sync()
    assert read(target, 100, 5) == b"hello"
    assert read(target, MIB - 1, 2 * MIB + 2)[1:-1] == bytes(2 * MIB)
    assert path.stat().st_blocks < before - 3000
    with pytest.raises(WriteError, match="No space left"):
        target.write(4 * MIB - 2, memoryview(b"beyond"))
    assert path.stat().st_size == 4 * MIB
    target.close()


def test_a_disk_is_no_file_and_a_missing_file_is_not_made(disk: Disks, tmp_path: Path) -> None:
    with pytest.raises(TargetRefused, match="opened as a disk"):
        FileTarget.open(disk())
    with pytest.raises(DeviceNotFound):
        FileTarget.open(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_limit_of_the_process_is_a_write_error_with_the_offset(tmp_path: Path) -> None:
    target = FileTarget.open(soiled(tmp_path / "emmc.bin", 4 * MIB))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, hard))
    try:
        with pytest.raises(WriteError, match="File too large") as caught:
            target.write(2 * MIB, memoryview(b"too much"))
        assert caught.value.offset_bytes == 2 * MIB
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        target.close()


def test_pieces_of_memory_for_a_disk_begin_with_a_page() -> None:
    assert len(page_aligned(3 * mmap.PAGESIZE)) == 3 * mmap.PAGESIZE
