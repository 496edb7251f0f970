"""The SOMs' storage, BOOT button and Type-C: what hands do, what the portal's machine then sees, and what boots."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hardware.flash.disks import Disk, find_disks
from hardware.simulator import hands
from hardware.simulator.board import BoardError
from hardware.simulator.som import BootStage
from hardware.simulator.testing import InProcessBoard
from hardware.simulator.usb import usb_path
from tests.bootable import WITH_SBIN, make_bootable

CM4, CM5, M4N, LM3H = 2, 3, 5, 6
EMMC_BYTES = {CM4: 31_268_536_320, CM5: 62_537_072_640}
ROM = {CM4: "0a5c:2711", CM5: "0a5c:2712"}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[InProcessBoard]:
    board = InProcessBoard(directory=tmp_path)
    yield board
    board.board.close()


def press(board: InProcessBoard, slot: int, seconds: float = 1.0) -> None:
    """Pull the slot's line low for so long: a restart of a CM4, the power button of a CM5."""
    with board.smbus() as smbus:
        smbus.write_byte_data(0x18, 0x01, 0xFF & ~(1 << slot))
        smbus.write_byte_data(0x18, 0x03, 0x00)
        board.clock.wait(seconds)
        smbus.write_byte_data(0x18, 0x01, 0xFF)


def show_storage(board: InProcessBoard, slot: int) -> tuple[Disk, ...]:
    """Do what a person and rpiboot do until the SOM's media are disks."""
    hands.press_boot_button(board.board, slot, True)
    hands.plug_usb(board.board, slot, True)
    press(board, slot)
    board.clock.wait(1)
    hands.send_boot_files(board.board, f"1-1.{slot}")
    board.clock.wait(3)
    return disks(board)


def disks(board: InProcessBoard) -> tuple[Disk, ...]:
    assert board.board.directory is not None
    return find_disks(board.board.directory / "sys")


def usb(board: InProcessBoard, slot: int) -> str | None:
    """The ids of what answers at the slot's USB path, as the kernel tells them."""
    assert board.board.directory is not None
    socket = board.board.slots[slot].usb
    assert socket is not None
    device = board.board.directory / "sys/bus/usb/devices" / socket.path
    if not device.exists():
        return None
    return ":".join((device / name).read_text().strip() for name in ("idVendor", "idProduct"))


def media(board: InProcessBoard, slot: int, name: str = "emmc") -> Path:
    assert board.board.directory is not None
    return board.board.directory / "disks" / f"slot-{slot}-{name}.img"


def stage(board: InProcessBoard, slot: int) -> BootStage:
    som = board.board.slots[slot].som
    assert som is not None
    return som.stage


def heard(board: InProcessBoard, slot: int) -> str:
    """What the SOM has said since the last time."""
    said = b""
    uart = board.board.slots[slot].uart
    assert uart is not None
    with uart.link.open("rb", buffering=0) as line:
        os.set_blocking(line.fileno(), False)
        while piece := line.read(4096):
            said += piece
    return said.decode()


# What is seen on USB


@pytest.mark.parametrize("slot", [CM4, CM5])
def test_a_som_that_starts_while_boot_is_held_shows_its_boot_rom(board: InProcessBoard, slot: int) -> None:
    hands.plug_usb(board.board, slot, True)
    hands.press_boot_button(board.board, slot, True)
    assert usb(board, slot) is None, "a button does nothing to a SOM that is off"
    press(board, slot)
    assert usb(board, slot) is None or slot == CM5  # the CM5 started while its button was held
    board.clock.wait(1)
    assert usb(board, slot) == ROM[slot]
    assert disks(board) == ()
    state = board.board.state()["slots"][str(slot)]
    assert (state["power"], state["boot"], state["link"]) == ("On", "boot-rom", 0)
    board.clock.wait(60)
    assert heard(board, slot) == ""


def test_without_a_cable_the_boot_rom_waits_unseen_until_there_is_one(board: InProcessBoard) -> None:
    hands.press_boot_button(board.board, CM4, True)
    press(board, CM4)
    board.clock.wait(60)
    assert usb(board, CM4) is None
    hands.plug_usb(board.board, CM4, True)
    assert usb(board, CM4) == ROM[CM4]
    hands.plug_usb(board.board, CM4, False)
    assert usb(board, CM4) is None


def test_a_cable_alone_is_not_seen(board: InProcessBoard) -> None:
    hands.plug_usb(board.board, CM4, True)
    press(board, CM4)
    board.clock.wait(30)
    assert stage(board, CM4) is BootStage.LOGIN
    assert usb(board, CM4) is None


def test_boot_files_make_the_media_disks_of_their_size(board: InProcessBoard) -> None:
    hands.put_medium(board.board, CM5, "nvme", hands.NVME_BYTES)
    assert [disk.identity.size_bytes for disk in show_storage(board, CM5)] == [EMMC_BYTES[CM5], hands.NVME_BYTES]
    assert usb(board, CM5) == "0a5c:0104"
    emmc, nvme = (disk.identity for disk in disks(board))
    assert (emmc.place, emmc.vendor, emmc.product) == ("1-1.3", "0a5c", "0104")
    assert emmc.serial == nvme.serial != ""
    assert media(board, CM5).stat().st_size == EMMC_BYTES[CM5]
    assert media(board, CM5).stat().st_blocks == 0, "nothing was written, so nothing takes room"


def test_a_boot_rom_leaves_the_bus_before_it_comes_back_as_a_disk(board: InProcessBoard) -> None:
    hands.press_boot_button(board.board, CM4, True)
    hands.plug_usb(board.board, CM4, True)
    press(board, CM4)
    board.clock.wait(1)
    hands.send_boot_files(board.board, "1-1.2")
    with pytest.raises(BoardError, match=r"No boot ROM waits at 1-1\.2\."):
        hands.send_boot_files(board.board, "1-1.2")
    board.clock.wait(1.5)
    assert usb(board, CM4) is None
    board.clock.wait(1)
    assert usb(board, CM4) == "0a5c:0104"
    seen = [entry["device"] for entry in board.trace() if entry.get("usb") == "1-1.2"]
    assert seen == ["0a5c:2711", None, "0a5c:0104"]


@pytest.mark.parametrize("what", ["cable", "reset", "power", "mains", "removal"])
def test_pulling_the_cable_or_a_new_start_takes_the_disks_away(board: InProcessBoard, what: str) -> None:
    assert len(show_storage(board, CM4)) == 1
    hands.press_boot_button(board.board, CM4, False)
    if what == "cable":
        hands.plug_usb(board.board, CM4, False)
    elif what == "mains":
        board.board.cycle_mains()
    elif what == "removal":
        board.board.remove(CM4)
    else:
        press(board, CM4, seconds=1 if what == "reset" else 0)
    assert disks(board) == ()
    assert usb(board, CM4) is None
    assert board.board.directory is not None
    assert list((board.board.directory / "dev").iterdir()) == []


def test_a_button_of_a_cm5_does_nothing_to_its_download_mode_until_it_is_held(board: InProcessBoard) -> None:
    show_storage(board, CM5)
    press(board, CM5)
    board.clock.wait(30)
    assert len(disks(board)) == 1
    press(board, CM5, 8)
    assert disks(board) == ()
    assert board.board.state()["slots"][str(CM5)]["latched"]


def test_two_soms_have_names_serials_and_numbers_of_their_own(board: InProcessBoard) -> None:
    show_storage(board, CM4)
    show_storage(board, CM5)
    found = disks(board)
    assert [disk.name for disk in found] == ["simda", "simdb"]
    assert len({disk.identity.serial for disk in found}) == 2
    assert len({disk.number for disk in found}) == 2
    assert not any(disk.node.exists() for disk in found), "no disk of this machine can be taken for one"


def test_a_device_that_comes_back_has_another_number_on_its_bus(board: InProcessBoard) -> None:
    show_storage(board, CM4)
    assert board.board.directory is not None
    number = board.board.directory / "sys/bus/usb/devices/1-1.2/devnum"
    before = number.read_text()
    hands.plug_usb(board.board, CM4, False)
    hands.plug_usb(board.board, CM4, True)
    assert number.read_text() != before


def test_an_lm3h_shows_its_storage_in_slot_1_without_boot_files(board: InProcessBoard) -> None:
    hands.press_boot_button(board.board, 1, True)
    hands.plug_usb(board.board, 1, True)
    hands.press_reset_button(board.board)
    board.clock.wait(5)
    (disk,) = disks(board)
    assert (disk.identity.place, disk.identity.vendor, disk.identity.product) == ("1-2", "1f3a", "1010")
    hands.press_boot_button(board.board, 1, False)
    hands.press_reset_button(board.board)
    board.clock.wait(30)
    assert disks(board) == ()
    assert stage(board, 1) is BootStage.LOGIN


@pytest.mark.parametrize(
    ("slot", "sentence"),
    [
        (LM3H, "A LM3H shows its storage only in slot 1."),
        (M4N, "The simulated M4N has no download mode."),
        (7, "Slot 7 is empty."),
    ],
)
def test_what_has_no_download_mode_says_so(board: InProcessBoard, slot: int, sentence: str) -> None:
    with pytest.raises(BoardError) as refusal:
        hands.press_boot_button(board.board, slot, True)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("slot", "name", "size", "sentence"),
    [
        (CM4, "tape", 512, "A medium is emmc or nvme, not 'tape'."),
        (CM4, "emmc", 1000, "A medium has a multiple of 512 bytes, up to 8796093022208, not 1000."),
        (LM3H, "nvme", 512, "A LM3H has no place for an NVMe drive."),
        (1, "emmc", 512, "The SOM in slot 1 is on: its storage cannot be changed."),
    ],
)
def test_a_medium_that_cannot_be_put_in_is_refused(
    board: InProcessBoard, slot: int, name: str, size: int, sentence: str
) -> None:
    with pytest.raises(BoardError) as refusal:
        hands.put_medium(board.board, slot, name, size)
    assert str(refusal.value) == sentence


# What boots


def write(board: InProcessBoard, slot: int, image: Path | bytes, name: str = "emmc") -> None:
    """Put bytes on a medium from outside, and take BOOT's finger away."""
    show_storage(board, slot)
    with media(board, slot, name).open("r+b") as medium:
        medium.write(image if isinstance(image, bytes) else image.read_bytes())
    hands.press_boot_button(board.board, slot, False)


def boot(board: InProcessBoard, slot: int) -> str:
    heard(board, slot)
    press(board, slot)
    board.clock.wait(30)
    return heard(board, slot)


def test_storage_that_nobody_wrote_to_boots_what_came_with_the_som(board: InProcessBoard) -> None:
    show_storage(board, CM4)
    hands.press_boot_button(board.board, CM4, False)
    assert boot(board, CM4).endswith("cm4-2 login: ")


@pytest.mark.parametrize(
    "content", [b"no partition table", bytes(1024), bytes(510) + b"\x55\xaa"], ids=["noise", "zeros", "empty table"]
)
def test_storage_without_a_partition_finds_no_bootable_device(board: InProcessBoard, content: bytes) -> None:
    write(board, CM4, content)
    said = boot(board, CM4)
    assert "No bootable device" in said
    assert "login:" not in said
    state = board.board.state()["slots"][str(CM4)]
    assert (state["power"], state["boot"], state["link"]) == ("On", "stopped", 0)
    assert state["media"]["emmc"]["written"] is True


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("user-data", b"#cloud-config\nmanage_etc_hosts: true\nhostname: kestrel\n"),
        ("user-data", b'#cloud-config\nhostname: "kestrel"\n'),
        ("vendor-data", b'#cloud-config\nhostname: "kestrel"\n'),
        ("meta-data", b'instance-id: "one"\nlocal-hostname: "kestrel"\n'),
        ("custom.toml", b'config_version = 1\n\n[system]\nhostname = "kestrel"\n'),
    ],
)
def test_written_storage_boots_under_the_host_name_in_its_boot_partition(
    board: InProcessBoard, tmp_path: Path, name: str, content: bytes
) -> None:
    write(board, CM4, make_bootable(tmp_path / "image", {name: content}))
    assert boot(board, CM4).endswith("kestrel login: ")


def test_a_system_that_is_told_no_name_has_the_one_that_came_with_the_som(
    board: InProcessBoard, tmp_path: Path
) -> None:
    write(board, CM4, make_bootable(tmp_path / "image", {"config.txt": b""}))
    assert boot(board, CM4).endswith("cm4-2 login: ")


def test_the_partitions_of_a_gpt_are_found(board: InProcessBoard, tmp_path: Path) -> None:
    image = make_bootable(tmp_path / "image", {"user-data": b"hostname: kestrel\n"})
    table = 'label: gpt\nstart=2048, size=30000, type=uefi, name="boot"\n'
    subprocess.run(["sfdisk", "--quiet", str(image)], input=table.encode(), check=True, timeout=20, env=WITH_SBIN)
    write(board, CM4, image)
    assert boot(board, CM4).endswith("kestrel login: ")


def test_a_som_without_emmc_boots_from_its_nvme_drive(board: InProcessBoard, tmp_path: Path) -> None:
    hands.put_medium(board.board, CM4, "emmc", 0)
    hands.put_medium(board.board, CM4, "nvme", 256_000_000_000)
    write(board, CM4, make_bootable(tmp_path / "image", {"user-data": b"hostname: kestrel\n"}), "nvme")
    assert len(disks(board)) == 1
    assert boot(board, CM4).endswith("kestrel login: ")


def test_what_was_written_outlives_the_simulator_but_not_the_som(board: InProcessBoard, tmp_path: Path) -> None:
    write(board, CM4, make_bootable(tmp_path / "image", {"user-data": b"hostname: kestrel\n"}))
    board.board.close()
    again = InProcessBoard(directory=tmp_path)
    assert disks(again) == ()
    assert boot(again, CM4).endswith("kestrel login: ")
    again.board.remove(CM4)
    assert not media(again, CM4).exists()
    again.board.insert(CM4, "CM4")
    assert boot(again, CM4).endswith("cm4-2 login: ")
    again.board.close()


def test_a_new_som_has_nothing_of_one_that_was_in_its_slot_before(board: InProcessBoard, tmp_path: Path) -> None:
    board.board.insert(7, "CM4")
    write(board, 7, b"another system")
    board.board.close()
    again = InProcessBoard(directory=tmp_path)
    assert media(again, 7).exists(), "a simulator that ends takes no SOM out"
    again.board.insert(7, "CM5")
    assert not media(again, 7).exists()
    assert again.board.state()["slots"]["7"]["media"] == {"emmc": {"bytes": EMMC_BYTES[CM5], "written": False}}
    again.board.close()


def test_a_killed_simulators_devices_are_gone_when_the_next_one_starts(tmp_path: Path) -> None:
    killed = InProcessBoard(directory=tmp_path)
    assert len(show_storage(killed, CM4)) == 1
    again = InProcessBoard(directory=tmp_path)
    assert disks(again) == ()
    assert usb(again, CM4) is None
    again.board.close()


# Whatever hands do


def act(board: InProcessBoard, chance: random.Random) -> None:
    """Do anything to any slot; what cannot be done now is refused."""
    slot = chance.choice([1, CM4, CM5, 7])
    deeds: list[Callable[[], object]] = [
        lambda: hands.press_boot_button(board.board, slot, chance.random() < 0.7),
        lambda: hands.plug_usb(board.board, slot, chance.random() < 0.7),
        lambda: press(board, slot, chance.choice([0.1, 1, 8])),
        lambda: hands.send_boot_files(board.board, usb_path(slot)),
        lambda: hands.press_reset_button(board.board),
        lambda: hands.put_medium(board.board, slot, chance.choice(["emmc", "nvme"]), 512 * chance.randrange(3)),
        lambda: board.board.cycle_mains(),
        lambda: board.board.remove(slot),
        lambda: board.board.insert(slot, chance.choice(["CM4", "CM5", "LM3H"])),
        lambda: board.board.upset_system(slot, chance.choice(["hang", "panic", "shutdown"])),
        lambda: board.clock.wait(chance.choice([0.3, 1.2, 20])),
    ]
    weights = [4, 3, 6, 4, 2, 1, 1, 1, 2, 1, 6]
    with suppress(BoardError):
        chance.choices(deeds, weights)[0]()


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 100))])
def test_what_is_seen_on_usb_is_always_what_a_powered_som_shows_over_a_cable(board: InProcessBoard, seed: int) -> None:
    chance = random.Random(seed)
    assert board.board.directory is not None
    nodes = board.board.directory / "dev"
    assert show_storage(board, CM4)
    for _ in range(150):
        act(board, chance)
        slots = {number: state for number, state in board.board.state()["slots"].items() if state["usb"]["device"]}
        for number, state in slots.items():
            assert state["usb"]["plugged"]
            assert state["power"] == "On"
            assert state["boot"] in ("boot-rom", "usb-storage")
            assert usb(board, int(number)) == state["usb"]["device"]
        there = sorted(disk for state in slots.values() for disk in state["usb"]["disks"])
        assert [disk.name for disk in disks(board)] == there == sorted(path.name for path in nodes.iterdir())
        assert {disk.identity.place for disk in disks(board)} <= {state["usb"]["path"] for state in slots.values()}
