"""A disk of a SOM that runs Linux: written over SSH as surely as one that is plugged in here; with a real server."""

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.errors import (
    DeviceNotFound,
    TargetChanged,
    TargetInUse,
    TargetRefused,
)
from hardware.flash.blockmap import BlockMap
from hardware.flash.disks import DiskIdentity
from hardware.flash.image import ImageFacts
from hardware.flash.network import RemoteTarget, list_disks
from hardware.flash.writer import FlashJob, Outcome, flash
from tests.hardware.flash.conftest import Disks
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, noise, run, soiled
from tests.hardware.flash.network_bench import Bench, write_through
from tests.sshd import PATH, SshServer

pytestmark = pytest.mark.root


@pytest.fixture
def partitioned(shelf: Path) -> Iterator[Path]:
    """A disk with a partition."""
    backing = soiled(shelf / "parts", 28 * MIB)
    run("sfdisk", "--quiet", backing, text="label: gpt\nstart=1MiB, size=8MiB\n")
    with loop_device(backing, "--partscan") as device:
        if not Path(f"{device}p1").exists():
            pytest.skip("this kernel makes no partitions of loop devices")
        yield device


def read(target: RemoteTarget, offset: int, length: int) -> bytes:
    view = memoryview(bytearray(length))
    target.read(offset, view)
    return bytes(view)


def write_one(image: Path, block_map: BlockMap, target: RemoteTarget, stop: threading.Event | None = None) -> Outcome:
    (outcome,) = flash(image, block_map, [FlashJob(target, stop or threading.Event())])
    return outcome


# Listing and opening


def test_the_disks_of_a_som_are_listed_with_what_uses_them(bench: Bench, disk: Disks, tmp_path: Path) -> None:
    free, taken = disk(), disk()
    run("mkfs.ext4", "-q", taken)
    with mounted(taken, tmp_path / "mnt"):
        listed = {one.name: one for one in list_disks(bench.som.address, bench.keys)}
    assert listed[free.name].uses == ()
    assert listed[free.name].identity == DiskIdentity(f"{bench.som.address}:{free}", "", "", "", 28 * MIB)
    assert listed[taken.name].uses == (f"is mounted on {tmp_path}/mnt",)


def test_a_free_disk_is_opened_for_one_portal_alone(bench: Bench, disk: Disks) -> None:
    device = disk()
    target = bench.open_planned(bench.identity(device))
    assert target.name == f"{device.name} at {bench.som.address}"
    assert (target.size_bytes, target.reads_back_by) == (28 * MIB, "O_DIRECT on the SOM")
    with pytest.raises(TargetInUse, match="is held by another program"):
        bench.open(device)
    target.close()
    bench.open(device)


def test_a_mounted_disk_is_refused_there(bench: Bench, disk: Disks, tmp_path: Path) -> None:
    device = disk()
    run("mkfs.ext4", "-q", device)
    with mounted(device, tmp_path / "mnt"), pytest.raises(TargetInUse, match=f"it is mounted on {tmp_path}/mnt\\.$"):
        bench.open(device)


def test_a_disk_with_a_mounted_partition_is_refused_there(bench: Bench, partitioned: Path, tmp_path: Path) -> None:
    part = Path(f"{partitioned}p1")
    run("mkfs.vfat", part)
    with mounted(part, tmp_path / "mnt"), pytest.raises(TargetInUse, match="is mounted on"):
        bench.open(partitioned)
    bench.open(partitioned)


def test_swap_space_is_refused_there(bench: Bench, disk: Disks) -> None:
    device = disk()
    run("mkswap", device)
    try:
        run("swapon", device)
    except subprocess.CalledProcessError:
        pytest.skip("this kernel lets nobody add swap space")
    try:
        with pytest.raises(TargetInUse, match=r"is swap space"):
            bench.open(device)
    finally:
        run("swapoff", device)


def test_a_disk_that_something_is_built_upon_is_refused_there(bench: Bench, disk: Disks) -> None:
    device, name = disk(), f"np-test-{os.getpid()}"
    try:
        run("dmsetup", "create", name, text=f"0 2048 linear {device} 0\n")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no device mapper here")
    try:
        with pytest.raises(TargetInUse, match="belongs to dm-"):
            bench.open(device)
    finally:
        run("dmsetup", "remove", name)


def test_a_write_protected_disk_is_refused_there(bench: Bench, disk: Disks) -> None:
    with pytest.raises(TargetRefused, match="is write-protected"):
        bench.open(disk(28 * MIB, "--read-only"))


def test_the_disk_that_the_som_runs_from_is_refused_there(bench: Bench) -> None:
    listed = list_disks(bench.som.address, bench.keys)
    root = next((one for one in listed if "holds the system that runs there" in one.uses), None)
    if not root:
        pytest.skip("this machine's root is not on a disk")
    with pytest.raises(TargetInUse, match="it holds the system that runs there"):
        bench.open_planned(root.identity)


def test_another_disk_than_the_planned_one_is_refused_there(bench: Bench, disk: Disks) -> None:
    wanted = bench.identity(disk())
    with pytest.raises(TargetChanged, match="there now has 29360128 bytes"):
        bench.open_planned(replace(wanted, size_bytes=30 * MIB))
    with pytest.raises(TargetChanged):
        bench.open_planned(replace(wanted, serial="another's"))
    with pytest.raises(DeviceNotFound):
        bench.open_planned(replace(wanted, place=f"{bench.som.address}:/dev/nosuchdisk"))


def test_a_partition_is_no_disk(bench: Bench, partitioned: Path) -> None:
    with pytest.raises(DeviceNotFound):
        bench.open(Path(f"{partitioned}p1"))


def test_a_disk_that_is_mounted_after_it_was_opened_is_not_written(bench: Bench, disk: Disks, tmp_path: Path) -> None:
    device = disk()
    run("mkfs.ext4", "-q", device)
    target = bench.open(device)
    before = device.read_bytes()[: 2 * MIB]
    with mounted(device, tmp_path / "mnt", "-o", "ro,noload"):
        with pytest.raises(TargetInUse, match="is mounted on"):
            write_through(target, 1)
        assert device.read_bytes()[: 2 * MIB] == before


# The right bytes


def busybox(directory: Path) -> str:
    """A PATH whose programs are busybox's; Debian's has no flock."""
    directory.mkdir()
    for applet in run("busybox", "--list").split():
        (directory / applet).symlink_to(shutil.which("busybox") or "busybox")
    (directory / "flock").symlink_to(shutil.which("flock") or "flock")
    return str(directory)


def without_direct(directory: Path) -> str:
    """A PATH with a dd that knows no way past the cache, as that of an old busybox."""
    directory.mkdir()
    (directory / "dd").write_text('#!/bin/sh\ncase $* in *direct*) exit 1 ;; esac; exec /usr/bin/dd "$@"\n')
    (directory / "dd").chmod(0o755)
    return f"{directory}:{PATH}"


@pytest.fixture(params=["Debian", "busybox", "old"])
def programs(request: pytest.FixtureRequest, som: SshServer, tmp_path: Path) -> str:
    """What the SOM has of them."""
    if request.param == "busybox":
        som.configure(busybox(tmp_path / "busybox"))
    if request.param == "old":
        som.configure(without_direct(tmp_path / "old"))
    return str(request.param)


def test_a_remote_disk_holds_what_a_local_one_would(
    programs: str, bench: Bench, disk: Disks, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path
) -> None:
    subprocess.run(
        ["dd", f"if={packed['raw']}", f"of={soiled(shelf / 'expected', 28 * MIB)}", "conv=notrunc"], check=True
    )
    target = bench.open(disk())
    outcome = write_one(packed["xz"], facts["xz"].block_map, target)
    assert (outcome.state, outcome.error, outcome.contents) == ("done", None, "image")
    target.close()
    assert (shelf / "disk1").read_bytes() == (shelf / "expected").read_bytes()


def test_any_order_and_any_length_end_where_they_belong(bench: Bench, disk: Disks, shelf: Path) -> None:
    chance = random.Random(7)
    expected = bytearray(disk().read_bytes())
    target = bench.open(
        Path(run("losetup", "--noheadings", "--output", "NAME", "--associated", shelf / "disk1").strip())
    )
    for number in range(24):
        length = chance.choice([1, 511, 4096, 70_000, 2 * MIB, chance.randrange(1, MIB)])
        offset = chance.randrange(len(expected) - length)
        data = bytes(length) if number % 5 == 0 else chance.randbytes(length)
        target.write(offset, memoryview(data))
        expected[offset : offset + length] = data
        if number % 4 == 0:
            target.sync()
        if number % 3 == 0:
            start = chance.randrange(len(expected) - 3 * MIB)
            for at in range(start, start + 2 * MIB, 300_000):  # on and on, so that more is asked for than is taken
                assert read(target, at, 300_000) == expected[at : at + 300_000]
    target.write(len(expected) - 512, memoryview(b"e" * 512))
    expected[-512:] = b"e" * 512
    assert read(target, len(expected) - 4096, 4096) == expected[-4096:]
    target.sync()
    target.close()
    assert (shelf / "disk1").read_bytes() == expected


def test_zeros_are_not_sent(bench: Bench, disk: Disks, shelf: Path) -> None:
    target, sent = bench.open(disk()), 0
    original = target._session.send

    def count(*parts: bytes | memoryview, seconds: float = 1) -> None:
        nonlocal sent
        sent += sum(map(len, parts))
        original(*parts)

    target._session.send = count  # type: ignore[method-assign]
    target.write(MIB, memoryview(bytes(16 * MIB)))
    target.sync()
    assert sent < 1000
    assert (shelf / "disk1").read_bytes()[MIB : 17 * MIB] == bytes(16 * MIB)


def test_what_is_read_comes_from_the_disk_and_not_from_a_cache(
    programs: str, bench: Bench, disk: Disks, shelf: Path
) -> None:
    target = bench.open(disk())
    target.write(0, memoryview(noise(MIB)))
    target.sync()
    assert read(target, 0, MIB) == noise(MIB)
    with (shelf / "disk1").open("r+b") as backing:  # behind the block device's back, as a card that forgets
        backing.write(b"forgotten")
    assert read(target, 0, 9) == b"forgotten"
    way = "blockdev --flushbufs" if programs == "old" else "O_DIRECT"
    assert target.reads_back_by == f"{way} on the SOM"


def test_what_a_log_in_prints_does_no_harm(bench: Bench, disk: Disks) -> None:
    bench.som.configure(more='ForceCommand echo Welcome; echo; eval "$SSH_ORIGINAL_COMMAND"\n')
    bench.open(disk())


def test_another_account_becomes_root_by_sudo(bench: Bench, disk: Disks, tmp_path: Path) -> None:
    """As `id` tells it: sudo itself is real, with the pipes that it puts between."""
    pretence = tmp_path / "pretence"
    pretence.mkdir()
    (pretence / "id").write_text('#!/bin/sh\n[ "$SUDO_USER" ] || { echo 1000; exit; }\nexec /usr/bin/id "$@"\n')
    (pretence / "id").chmod(0o755)
    bench.som.configure(f"{pretence}:{PATH}")
    target = bench.open(disk())
    target.write(0, memoryview(noise(4 * MIB)))
    target.sync()
    assert read(target, 0, 4 * MIB) == noise(4 * MIB)
