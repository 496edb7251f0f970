"""What answers at a slot's USB socket, when a boot ROM is trusted, and which of its disks is which medium."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.contracts import BlockTarget
from hardware.errors import DeviceNotFound, Stopped, TargetAmbiguous, TargetRefused
from hardware.flash.disks import DiskIdentity
from hardware.flash.media import Medium
from hardware.flash.target import FileTarget
from hardware.flash.usbport import UsbPort, UsbSight, UsbState
from tests.hardware.flash.fake_sys import FakeSys

PATH, CM4_ROM, CM5_ROM = "1-1.2", "0a5c:2711", "0a5c:2712"
EMMC_32, EMMC_8, NVME = 31_268_536_320, 7_818_182_656, 256_060_514_304


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


@pytest.fixture
def port(fake: FakeSys) -> UsbPort:
    return UsbPort(PATH, sys=fake.sys)


# Looking


def test_where_nothing_answers_no_cable_is_claimed_to_be_seen(port: UsbPort) -> None:
    assert port.look() == UsbSight(PATH, UsbState.EMPTY)
    assert "a cable alone cannot be seen" in port.look().words


@pytest.mark.parametrize(("ids", "chip"), [(CM4_ROM, "BCM2711"), (CM5_ROM, "BCM2712"), ("1f3a:efe8", "FEL")])
def test_a_boot_rom_is_known_by_its_ids(fake: FakeSys, port: UsbPort, ids: str, chip: str) -> None:
    fake.usb_device(PATH, ids, serial="10000000ab", product="BCM Boot", manufacturer="Broadcom")
    sight = port.look()
    assert (sight.state, sight.ids, sight.serial, sight.name) == (
        UsbState.BOOT_ROM,
        ids,
        "10000000ab",
        "Broadcom BCM Boot",
    )
    assert chip in sight.words
    assert ids in sight.words


def test_a_third_partys_boot_rom_is_one_to_who_knows_its_ids(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_device(PATH, "1234:5678", product="Radish")
    assert (port.look().state, port.look("1234:5678").state) == (UsbState.OTHER, UsbState.BOOT_ROM)
    assert "Radish (1234:5678)" in port.look().words


def test_disks_are_seen_with_their_sizes_and_only_those_of_this_port(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_disk("sda", PATH, EMMC_32, "8:0")
    fake.usb_disk("sdb", PATH, NVME, "8:16", lun=1)
    fake.usb_disk("sdc", "1-1.22", EMMC_32, "8:32")
    sight = port.look()
    assert (sight.state, [disk.name for disk in sight.disks]) == (UsbState.DISKS, ["sda", "sdb"])
    assert sight.words == "At USB 1-1.2: disks of 31.3 GB and 256.1 GB."


def test_a_device_in_the_next_socket_or_behind_a_hub_here_is_another(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_device("1-1.3", CM4_ROM)
    fake.usb_device("1-1.2.4", CM4_ROM)
    assert port.look().state is UsbState.EMPTY


# Which boot ROM is trusted


@pytest.mark.parametrize("what", ["boot rom", "disk"])
def test_what_was_there_before_the_press_is_refused(fake: FakeSys, port: UsbPort, what: str) -> None:
    port.require_clear(CM4_ROM)
    if what == "disk":
        fake.usb_disk("sda", PATH, EMMC_32, "8:0")
    else:
        fake.usb_device(PATH, CM4_ROM)
    with pytest.raises(TargetRefused, match="unplug it first"):
        port.require_clear(CM4_ROM)


def test_a_running_system_that_shows_itself_on_usb_may_be_restarted(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_device(PATH, "1d6b:0104", product="Ethernet gadget")
    port.require_clear(CM4_ROM)


def test_a_boot_rom_is_waited_for_and_every_change_is_told(
    fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock
) -> None:
    seen: list[UsbState] = []
    fake.usb_device(PATH, "1d6b:0104")
    virtual_clock.at(1, lambda: fake.unplug(PATH))
    virtual_clock.at(3, lambda: fake.usb_device(PATH, CM5_ROM) and None)
    began = virtual_clock.monotonic()
    sight = port.await_boot_rom(CM5_ROM, virtual_clock, on_sight=lambda sight: seen.append(sight.state))
    assert sight.ids == CM5_ROM
    assert seen == [UsbState.OTHER, UsbState.EMPTY, UsbState.BOOT_ROM]
    assert 3 <= virtual_clock.monotonic() - began < 4


def test_the_boot_rom_of_another_som_is_refused_at_once(
    fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock
) -> None:
    virtual_clock.at(2, lambda: fake.usb_device(PATH, CM4_ROM) and None)
    began = virtual_clock.monotonic()
    with pytest.raises(TargetRefused, match=r"BCM2711 .*where the boot ROM of a BCM2712 .*expected.*elsewhere"):
        port.await_boot_rom(CM5_ROM, virtual_clock)
    assert virtual_clock.monotonic() - began < 3


def test_a_disk_where_a_boot_rom_is_expected_is_refused(
    fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock
) -> None:
    fake.usb_disk("sda", PATH, EMMC_32, "8:0")
    with pytest.raises(TargetRefused, match=r"a disk of 31\.3 GB"):
        port.await_boot_rom(CM5_ROM, virtual_clock)


def test_a_type_without_boot_rom_ids_trusts_none(fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock) -> None:
    fake.usb_device(PATH, CM4_ROM)
    with pytest.raises(TargetRefused, match="none is trusted"):
        port.await_boot_rom("", virtual_clock)


def test_waiting_ends_with_its_deadline_or_when_stopped(port: UsbPort, virtual_clock: VirtualClock) -> None:
    began = virtual_clock.monotonic()
    with pytest.raises(DeviceNotFound, match=r"boot ROM \(0a5c:2712\) at USB 1-1\.2 was not found"):
        port.await_boot_rom(CM5_ROM, virtual_clock, timeout_seconds=20)
    assert 20 <= virtual_clock.monotonic() - began < 21
    stop = threading.Event()
    virtual_clock.at(3, stop.set)
    with pytest.raises(Stopped, match=r"Waiting at USB 1-1\.2 was stopped"):
        port.await_storage(virtual_clock, stop=stop)


# Disks


def test_storage_is_complete_once_nothing_more_has_come_for_a_while(
    fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock
) -> None:
    virtual_clock.at(5, lambda: fake.usb_disk("sda", PATH, EMMC_32, "8:0") and None)
    virtual_clock.at(7, lambda: fake.usb_disk("sdb", PATH, NVME, "8:16", lun=1) and None)
    began = virtual_clock.monotonic()
    assert [disk.name for disk in port.await_storage(virtual_clock)] == ["sda", "sdb"]
    assert 10 <= virtual_clock.monotonic() - began < 11.5


def test_storage_that_goes_away_again_is_not_taken_for_there(
    fake: FakeSys, port: UsbPort, virtual_clock: VirtualClock
) -> None:
    virtual_clock.at(1, lambda: fake.usb_disk("sda", PATH, EMMC_32, "8:0") and None)
    virtual_clock.at(3, lambda: fake.unplug(PATH))
    with pytest.raises(DeviceNotFound, match=r"A disk at USB 1-1\.2"):
        port.await_storage(virtual_clock, timeout_seconds=30)


@pytest.mark.parametrize(
    ("medium", "emmc_gb", "name"),
    [
        (Medium.EMMC, 32, "sda"),
        (Medium.NVME, 32, "sdb"),
        (Medium.EMMC, None, "sda"),
        (Medium.NVME, None, "sdb"),
    ],
)
def test_emmc_and_nvme_are_told_apart_by_size(
    fake: FakeSys, port: UsbPort, medium: Medium, emmc_gb: int | None, name: str
) -> None:
    fake.usb_disk("sda", PATH, EMMC_32, "8:0")
    fake.usb_disk("sdb", PATH, NVME, "8:16", lun=1)
    assert port.match(medium, emmc_gb=emmc_gb).name == name


@pytest.mark.parametrize(
    ("sizes", "medium", "emmc_gb"),
    [
        ([EMMC_32, EMMC_32], Medium.EMMC, 32),
        ([EMMC_32, EMMC_8], Medium.EMMC, None),  # a small NVMe drive, and nobody wrote down the eMMC's size
        ([EMMC_32, NVME], Medium.NVME, 0),  # a card and a drive on a Lite
        ([EMMC_32, NVME, NVME], Medium.NVME, 32),
        ([EMMC_32, EMMC_8], Medium.DISK, None),  # two cards in one reader
    ],
)
def test_two_disks_that_fit_are_none(
    fake: FakeSys, port: UsbPort, sizes: list[int], medium: Medium, emmc_gb: int | None
) -> None:
    for index, size in enumerate(sizes):
        fake.usb_disk(f"sd{'abc'[index]}", PATH, size, f"8:{16 * index}", lun=index)
    with pytest.raises(TargetAmbiguous, match=r"none is written: sd\w of"):
        port.match(medium, emmc_gb=emmc_gb)


@pytest.mark.parametrize(
    ("size", "medium", "emmc_gb", "words"),
    [
        (NVME, Medium.EMMC, 32, r"An eMMC of 32 GB at USB 1-1\.2 \(there is only sda of 256,060,514,304 bytes\)"),
        (EMMC_8, Medium.EMMC, 32, "An eMMC of 32 GB"),
        (EMMC_32, Medium.NVME, 32, "An NVMe drive of another size"),
        (EMMC_32, Medium.NVME, None, "An NVMe drive of another size than an eMMC of 64 GB"),
        (NVME, Medium.EMMC, None, "An eMMC of at most 64 GB"),
    ],
)
def test_a_disk_of_the_wrong_size_is_not_the_medium(
    fake: FakeSys, port: UsbPort, size: int, medium: Medium, emmc_gb: int | None, words: str
) -> None:
    fake.usb_disk("sda", PATH, size, "8:0")
    with pytest.raises(DeviceNotFound, match=words):
        port.match(medium, emmc_gb=emmc_gb)


@pytest.mark.parametrize(
    ("vendor", "size", "medium", "emmc_gb"),
    [
        ("nvme0n1", EMMC_32, Medium.EMMC, 32),  # a small drive on a module whose eMMC is dead
        ("nvme0n1", EMMC_32, Medium.EMMC, None),
        ("nvme0n1", NVME, Medium.SD_CARD, 0),  # the card is not in
        ("mmcblk0", NVME, Medium.NVME, 0),  # a large card, and no drive
    ],
)
def test_a_name_that_contradicts_is_believed(
    fake: FakeSys, port: UsbPort, vendor: str, size: int, medium: Medium, emmc_gb: int | None
) -> None:
    fake.usb_disk("sda", PATH, size, "8:0", vendor=vendor)
    with pytest.raises(DeviceNotFound, match="there is only sda"):
        port.match(medium, emmc_gb=emmc_gb)


def test_a_lites_card_is_told_from_its_drive_by_name_only(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_disk("sda", PATH, EMMC_32, "8:0", vendor="mmcblk0")
    fake.usb_disk("sdb", PATH, EMMC_32, "8:16", vendor="nvme0n1", lun=1)
    assert port.match(Medium.SD_CARD, emmc_gb=0).name == "sda"
    assert port.match(Medium.NVME, emmc_gb=0).name == "sdb"
    with pytest.raises(DeviceNotFound, match="An SD card at USB"):
        port.match(Medium.SD_CARD, emmc_gb=32)  # the disk of that size is the eMMC then


def test_a_module_without_emmc_has_none_to_write(fake: FakeSys, port: UsbPort) -> None:
    fake.usb_disk("sda", PATH, EMMC_32, "8:0")
    with pytest.raises(TargetRefused, match="has no eMMC"):
        port.match(Medium.EMMC, emmc_gb=0)


@pytest.mark.parametrize("emmc_gb", [8, 16, 32, 64])
def test_an_emmc_may_hold_a_little_less_than_it_says_or_count_in_powers_of_two(
    fake: FakeSys, port: UsbPort, emmc_gb: int
) -> None:
    for size in (int(0.96 * emmc_gb * 10**9) // 512 * 512, emmc_gb * 2**30):
        entry = fake.usb_disk("sda", PATH, size, "8:0")
        assert port.match(Medium.EMMC, emmc_gb=emmc_gb).identity.size_bytes == size
        fake.unplug(PATH)
        assert not entry.exists()


def test_a_disk_is_opened_by_whoever_opens_disks_here(fake: FakeSys, tmp_path: Path) -> None:
    storage = tmp_path / "emmc"
    storage.write_bytes(bytes(4096))
    asked: list[object] = []

    def opener(wanted: DiskIdentity, *, protected: Sequence[Path], sys: Path) -> BlockTarget:
        asked.extend((wanted, protected, sys))
        return FileTarget.open(storage)

    identity = DiskIdentity(PATH, "0a5c", "0104", "abc", 4096)
    target = UsbPort(PATH, sys=fake.sys, opener=opener).open(identity, protected=[tmp_path])
    target.close()
    assert asked == [identity, [tmp_path], fake.sys]
