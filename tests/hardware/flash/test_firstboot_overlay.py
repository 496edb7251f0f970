"""First-boot files get into the boot partition of a written image, whatever its FAT, and nothing else changes."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.errors import Stopped, VerifyError, WriteError
from hardware.flash.disks import find_disks
from hardware.flash.firstboot.errors import BootPartitionError
from hardware.flash.firstboot.forms import Kind
from hardware.flash.firstboot.overlay import BootPartition, Overlay
from hardware.flash.target import DiskTarget, FileTarget
from hardware.flash.writer import FlashJob, flash
from hardware.program_errors import ProgramMissing
from tests.hardware.flash.boot_images import (
    CLOUD_FILES,
    PI_FILES,
    WIDTHS,
    BootImage,
    boot_part,
    contents,
    fsck,
    look,
    make_boot_image,
    with_holes,
)
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, pack, run, sha256, soiled
from tests.hardware.flash.faulty import Faulty

FILES = {
    "user-data": b"#cloud-config\nhostname: lab-3\n" * 300,
    "meta-data": b"instance-id: one\n",
    "a file with a long name, and spaces.toml": b"x = 1\n",
    "ssh": b"",
}
Images = Callable[..., BootImage]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    made: dict[tuple[int, str], BootImage] = {}

    def make(width: int = 32, label: str = "bootfs") -> BootImage:
        if (width, label) not in made:
            path = tmp_path_factory.mktemp("boot") / "disk.img"
            made[width, label] = make_boot_image(path, PI_FILES | CLOUD_FILES, width=width, label=label)
        return made[width, label]

    return make


def overlay_of(image: BootImage, workdir: Path, files: dict[str, bytes] | None = None, holes: bool = False) -> Overlay:
    block_map = with_holes(image.block_map) if holes else image.block_map
    with BootPartition.extract(image.path, block_map, image.partition, workdir) as boot:
        return boot.overlay(FILES if files is None else files)


def differing(one: bytes, other: bytes) -> list[int]:
    """The sectors in which two disks differ."""
    return [at for at in range(0, len(one), 512) if one[at : at + 512] != other[at : at + 512]]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_customised_disk_is_clean_and_equal_outside_its_boot_partition(images, width, tmp_path):
    image = images(width)
    before = sha256(image.path)
    overlay = overlay_of(image, tmp_path / "work")
    disk = tmp_path / "disk"
    disk.write_bytes(image.path.read_bytes())
    target = FileTarget.open(disk)
    overlay.apply(target)
    target.close()

    assert sha256(image.path) == before, "the image itself is as it was"
    original, written = image.path.read_bytes(), disk.read_bytes()
    first, end = image.partition.first_byte, image.partition.end_byte
    assert written[:first] == original[:first]
    assert written[end:] == original[end:]
    boot = boot_part(disk, image.partition, tmp_path / "boot")
    assert fsck(boot) == ""
    assert {name: contents(boot, name) for name in FILES} == FILES
    assert contents(boot, "cmdline.txt").decode() == PI_FILES["cmdline.txt"], "what was there is still there"
    covered = {offset + at for offset, data in overlay.ranges for at in range(0, len(data), 512)}
    assert set(differing(original, written)) == covered, "not a sector more than needed"
    assert overlay.size_bytes < 64 * 1024
    assert list((tmp_path / "work").iterdir()) == [], "no copy stays behind"


@pytest.mark.root
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_the_same_on_a_real_disk(images, width, tmp_path):
    image, backing = images(width), soiled(tmp_path / "disk", 64 * MIB)
    with loop_device(backing) as device:
        found = next(disk for disk in find_disks() if disk.name == device.name)
        target = DiskTarget.open(found.identity)
        overlay = overlay_of(image, tmp_path / "work")
        (outcome,) = flash(image.path, image.block_map, [FlashJob(target, threading.Event(), finish=overlay.apply)])
        target.close()
        assert (outcome.state, outcome.contents) == ("done", "image"), outcome.error
    boot = boot_part(backing, image.partition, tmp_path / "boot")
    assert fsck(boot) == ""
    assert {name: contents(boot, name) for name in FILES} == FILES
    original, written = image.path.read_bytes(), backing.read_bytes()
    assert written[:MIB] == original[:MIB]
    assert written[image.partition.end_byte : len(original)] == original[image.partition.end_byte :]


@pytest.mark.parametrize("width", WIDTHS)
def test_holes_of_a_given_block_map_are_filled_where_the_files_need_them(images, width, tmp_path):
    """What the maker's map leaves to chance is old bytes on the device, never zeros that one could build on."""
    image = images(width)
    block_map = with_holes(image.block_map)
    assert block_map.zero_bytes == 0
    many = {f"a file with quite a long name, number {number}.txt": b"?" * number for number in range(40)}
    overlay = overlay_of(image, tmp_path / "work", FILES | many, holes=True)
    disk = soiled(tmp_path / "disk", 64 * MIB)
    target = FileTarget.open(disk)
    (outcome,) = flash(image.path, block_map, [FlashJob(target, threading.Event(), finish=overlay.apply)])
    target.close()
    assert (outcome.state, outcome.contents) == ("done", "image"), outcome.error
    boot = boot_part(disk, image.partition, tmp_path / "boot")
    assert fsck(boot) == ""
    assert {name: contents(boot, name) for name in FILES | many} == FILES | many
    assert overlay.size_bytes < 2 * MIB, "the holes that nobody needs are left to chance"


@pytest.mark.parametrize("holes", [False, True])
def test_one_slot_s_files_are_not_in_the_next_one_s_overlay(images, holes, tmp_path):
    image = images(16)
    block_map = with_holes(image.block_map) if holes else image.block_map
    with BootPartition.extract(image.path, block_map, image.partition, tmp_path / "work") as boot:
        first = boot.overlay({"user-data": b"slot 2 " * 5000, "only for slot 2.txt": b"?"})
        with pytest.raises(BootPartitionError):
            boot.overlay({"user-data": b"x" * 20 * MIB})
        second = boot.overlay({"user-data": b"slot 3 " * 5000})
        assert boot.names() == {*PI_FILES, *CLOUD_FILES}
    disk = soiled(tmp_path / "disk", 64 * MIB)
    target = FileTarget.open(disk)
    flash(image.path, block_map, [FlashJob(target, threading.Event(), finish=second.apply)])
    target.close()
    boot_disk = boot_part(disk, image.partition, tmp_path / "boot")
    assert fsck(boot_disk) == ""
    assert contents(boot_disk, "user-data") == b"slot 3 " * 5000
    assert "only for slot 2" not in run("mdir", "-i", boot_disk, "::")
    assert b"slot 2" in b"".join(data for _, data in first.ranges)
    assert b"slot 2" not in b"".join(data for _, data in second.ranges)


@pytest.mark.root
def test_no_room_to_work_in_is_said_in_words(images, tmp_path):
    image = images(16)
    with (
        mounted(Path("tmpfs"), tmp_path / "small", "-t", "tmpfs", "-o", "size=16k") as small,
        pytest.raises(BootPartitionError, match=r"could not be worked on: No space left on device\."),
    ):
        BootPartition.extract(image.path, image.block_map, image.partition, small / "work")


@pytest.mark.parametrize("format", ["xz", "zst"])
def test_a_packed_image_gives_the_same_overlay(images, format, tmp_path):
    image = images(32)
    packed = look(pack(image.path, format, tmp_path / "packed"))
    ours, theirs = overlay_of(packed, tmp_path / "one"), overlay_of(image, tmp_path / "two")
    assert [(at, len(data)) for at, data in ours.ranges] == [(at, len(data)) for at, data in theirs.ranges]


def test_a_file_that_was_there_is_replaced_whatever_its_length_and_attributes(images, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(images(16).path.read_bytes())
    run("mattrib", "+r", "+h", "-i", f"{disk}@@{MIB}", "::user-data")
    image = look(disk)
    target = FileTarget.open(disk)
    for data in (b"long " * 50_000, b"short"):
        overlay_of(look(disk), tmp_path / "work", {"user-data": data}).apply(target)
        boot = boot_part(disk, image.partition, tmp_path / "boot")
        assert contents(boot, "user-data") == data
        assert fsck(boot) == ""
    target.close()


def test_a_full_boot_partition_is_refused_in_words_and_nothing_stays_behind(images, tmp_path):
    files = {"meta-data": b"instance-id: one\n", "user-data": b"#" * 5 * MIB}
    with pytest.raises(
        BootPartitionError, match=r"too full: user-data takes 5,242,880 bytes and 4,\d\d\d,\d\d\d are free"
    ):
        overlay_of(images(12), tmp_path / "work", files)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_name_that_is_a_directory_is_refused(images, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(images(12).path.read_bytes())
    run("mmd", "-i", f"{disk}@@{MIB}", "::ssh")
    with pytest.raises(BootPartitionError, match="The file ssh could not be put"):
        overlay_of(look(disk), tmp_path / "work")


def test_a_partition_that_is_no_fat_is_refused_in_words(images, tmp_path):
    image = images(12)
    rest = next(one for one in image.facts.partitions if one.file_system != "vfat")
    with (
        BootPartition.extract(image.path, image.block_map, rest, tmp_path / "work") as boot,
        pytest.raises(BootPartitionError, match="could not be read as a FAT file system"),
    ):
        boot.kind()


def test_without_mtools_the_package_is_named(images, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="apt install mtools"):
        overlay_of(images(12), tmp_path / "work")


def test_the_kind_is_read_from_the_partition_itself(images, tmp_path):
    pi = images(12)
    with BootPartition.extract(pi.path, pi.block_map, pi.partition, tmp_path) as boot:
        assert boot.kind() is Kind.CLOUD_INIT_PI
    old = make_boot_image(tmp_path / "old.img", PI_FILES, width=12)
    with BootPartition.extract(old.path, old.block_map, old.partition, tmp_path) as boot:
        assert boot.kind() is Kind.CUSTOM_TOML
    bare = make_boot_image(tmp_path / "bare.img", {"boot.scr": "?"}, width=12)
    with BootPartition.extract(bare.path, bare.block_map, bare.partition, tmp_path) as boot:
        assert boot.kind() is Kind.NONE


class Liar(Faulty):
    """Takes what it is given and stores something else."""

    def write(self, offset: int, data: memoryview) -> None:
        self.inner.write(offset, memoryview(bytes(data)[:-1] + b"?"))


class Pulled(Faulty):
    def sync(self) -> None:
        raise WriteError(self.name, 0, "No such device")


def test_what_does_not_read_back_is_an_error_that_names_the_place(images, tmp_path):
    image, disk = images(12), tmp_path / "disk"
    disk.write_bytes(image.path.read_bytes())
    overlay, target = overlay_of(image, tmp_path / "work"), FileTarget.open(disk)
    with pytest.raises(VerifyError) as caught:
        overlay.apply(Liar(target))
    assert caught.value.offset_bytes == overlay.ranges[0][0]
    with pytest.raises(WriteError, match="No such device"):
        overlay.apply(Pulled(target))
    target.close()


def test_a_stop_ends_the_copying(images, tmp_path):
    stop = threading.Event()
    stop.set()
    image = images(12)
    with pytest.raises(Stopped):
        BootPartition.extract(image.path, image.block_map, image.partition, tmp_path / "work", stop)
    assert list((tmp_path / "work").iterdir()) == []


def test_an_overlay_keeps_its_secrets_out_of_what_is_printed(images, tmp_path):
    overlay = overlay_of(images(12), tmp_path, {"user-data": b"a secret", "meta-data": b"x"})
    assert "secret" not in repr(overlay)
    assert overlay.words.startswith("user-data, meta-data: ")
    assert overlay.words.endswith(" places")


def test_nobody_else_may_read_the_copy(images, tmp_path):
    image = images(12)
    with BootPartition.extract(image.path, image.block_map, image.partition, tmp_path / "work"):
        assert (tmp_path / "work").stat().st_mode & 0o077 == 0
