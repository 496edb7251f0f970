"""A simulated SOM's USB disk as a target: what is written is kept, and each fault shows as a real disk's would."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.errors import (
    DeviceNotFound,
    ReadError,
    TargetAmbiguous,
    TargetChanged,
    TargetInUse,
    VerifyError,
    WriteError,
)
from hardware.flash.disks import Disk, find_disks
from hardware.flash.image import inspect
from hardware.flash.target import FileTarget
from hardware.flash.writer import FlashJob, flash
from hardware.simulator import hands
from hardware.simulator.disk import SimulatedDisk, open_disk
from hardware.simulator.storage import Medium
from hardware.simulator.testing import InProcessBoard
from hardware.simulator.usb import GADGET, Kernel

SLOT = 2
MIB = 1024**2
DATA = bytes(range(256)) * 256


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcessBoard]:
    """A board whose CM4 shows its eMMC."""
    monkeypatch.setenv("NANOPORTAL_TIME_SCALE", "1")
    board = InProcessBoard(directory=tmp_path)
    hands.press_boot_button(board.board, SLOT, True)
    hands.plug_usb(board.board, SLOT, True)
    restart(board)
    board.clock.wait(1)
    hands.send_boot_files(board.board, "1-1.2")
    board.clock.wait(3)
    yield board
    board.board.close()


def restart(board: InProcessBoard) -> None:
    with board.smbus() as smbus:
        smbus.write_byte_data(0x18, 0x01, 0xFF & ~(1 << SLOT))
        smbus.write_byte_data(0x18, 0x03, 0x00)
        smbus.write_byte_data(0x18, 0x01, 0xFF)


def fake_sys(board: InProcessBoard) -> Path:
    assert board.board.directory is not None
    return board.board.directory / "sys"


def disk(board: InProcessBoard) -> Disk:
    (found,) = find_disks(fake_sys(board))
    return found


@pytest.fixture
def target(board: InProcessBoard) -> Iterator[SimulatedDisk]:
    target = open_disk(disk(board).identity, sys=fake_sys(board))
    yield target
    target.close()


def read(target: SimulatedDisk, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    target.read(offset, memoryview(buffer))
    return bytes(buffer)


def backing(board: InProcessBoard) -> Path:
    assert board.board.directory is not None
    return board.board.directory / "disks" / f"slot-{SLOT}-emmc.img"


def test_it_keeps_what_is_written_and_names_itself_simulated(target: SimulatedDisk, board: InProcessBoard) -> None:
    target.write(12_345, memoryview(DATA))
    target.sync()
    assert read(target, 12_345, len(DATA)) == DATA
    with backing(board).open("rb") as file:
        file.seek(12_345)
        assert file.read(len(DATA)) == DATA
    assert target.name == "simda at 1-1.2 (simulated)"
    assert target.size_bytes == disk(board).identity.size_bytes
    assert not target.clears


def test_zeros_overwrite_what_was_there_and_take_no_room(target: SimulatedDisk, board: InProcessBoard) -> None:
    target.write(0, memoryview(b"x" * MIB))
    target.sync()
    full = backing(board).stat().st_blocks
    target.write(1, memoryview(bytes(MIB - 2)))
    target.sync()
    assert read(target, 0, MIB) == b"x" + bytes(MIB - 2) + b"x"
    assert backing(board).stat().st_blocks < full / 10
    target.write(0, memoryview(bytes(MIB - 1) + b"y"))
    assert read(target, 0, MIB) == bytes(MIB - 1) + b"y", "only what is zeros throughout becomes a hole"


def test_a_medium_that_was_sent_nothing_but_zeros_was_written_to(target: SimulatedDisk, board: InProcessBoard) -> None:
    assert board.board.state()["slots"][str(SLOT)]["media"]["emmc"]["written"] is False
    target.write(0, memoryview(bytes(MIB)))
    assert board.board.state()["slots"][str(SLOT)]["media"]["emmc"]["written"] is True


def test_another_disk_than_planned_is_refused(board: InProcessBoard) -> None:
    planned = disk(board).identity
    hands.plug_usb(board.board, SLOT, False)
    with pytest.raises(DeviceNotFound):
        open_disk(planned, sys=fake_sys(board))
    board.board.remove(SLOT)
    board.board.insert(SLOT, "CM4")
    hands.press_boot_button(board.board, SLOT, True)
    restart(board)
    board.clock.wait(1)
    hands.plug_usb(board.board, SLOT, True)
    hands.send_boot_files(board.board, "1-1.2")
    board.clock.wait(3)
    with pytest.raises(TargetChanged, match="what is there now is"):
        open_disk(planned, sys=fake_sys(board))


def test_two_disks_that_could_be_meant_are_refused(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    media = [Medium(name, "mmcblk0", tmp_path / name, MIB) for name in ("one", "two")]
    kernel.attach("1-1.2", GADGET, "0001", media)
    with pytest.raises(TargetAmbiguous):
        open_disk(find_disks(tmp_path / "sys")[0].identity, sys=tmp_path / "sys")


def test_one_disk_has_one_writer(target: SimulatedDisk, board: InProcessBoard) -> None:
    with pytest.raises(TargetInUse):
        open_disk(disk(board).identity, sys=fake_sys(board))
    target.write(0, memoryview(DATA))


@pytest.mark.parametrize("what", ["cable", "reset", "back"])
def test_a_disk_that_goes_away_fails_everything_even_if_it_comes_back(
    target: SimulatedDisk, board: InProcessBoard, what: str
) -> None:
    target.write(0, memoryview(DATA))
    if what == "reset":
        restart(board)
    else:
        hands.plug_usb(board.board, SLOT, False)
    if what == "back":
        hands.plug_usb(board.board, SLOT, True)
        assert disk(board).identity == target.identity
    with pytest.raises(WriteError, match="failed at 4,096 bytes: No such device"):
        target.write(4096, memoryview(b"lost"))
    with pytest.raises(WriteError, match="No such device"):
        target.sync()
    with pytest.raises(ReadError, match="No such device"):
        read(target, 0, 1)
    with backing(board).open("rb") as file:
        assert file.read(len(DATA)) == DATA, "nothing reached the medium afterwards"


def test_a_bad_block_fails_what_reaches_it_and_nothing_before(target: SimulatedDisk, board: InProcessBoard) -> None:
    board.board.inject("disk-bad-block", [str(SLOT), "8192"])
    target.write(4096, memoryview(b"x" * 4096))
    with pytest.raises(WriteError, match="failed at 4,097 bytes: Input/output error"):
        target.write(4097, memoryview(b"x" * 4096))
    with pytest.raises(ReadError, match="failed at 8,192 bytes: Input/output error"):
        read(target, 8192, 1)
    board.board.clear("disk-bad-block")
    target.write(8192, memoryview(b"x"))


def test_an_unreadable_block_takes_what_is_written(target: SimulatedDisk, board: InProcessBoard) -> None:
    board.board.inject("disk-unreadable", [str(SLOT), "8192"])
    target.write(8192, memoryview(b"x" * 4096))
    target.sync()
    with pytest.raises(ReadError):
        read(target, 8192, 4096)
    assert read(target, 4096, 4096) == bytes(4096)


def test_a_lying_disk_takes_everything_and_keeps_something_else(target: SimulatedDisk, board: InProcessBoard) -> None:
    board.board.inject("disk-lies", [str(SLOT)])
    target.write(0, memoryview(DATA))
    target.sync()
    kept = read(target, 0, len(DATA))
    assert sum(one != other for one, other in zip(kept, DATA, strict=True)) == 1


def test_a_slow_disk_takes_and_gives_what_it_is_told_a_second(target: SimulatedDisk, board: InProcessBoard) -> None:
    board.board.inject("disk-slow", [str(SLOT), "5"])
    before = time.monotonic()
    for offset in range(0, MIB, MIB // 4):
        target.write(offset, memoryview(bytes(MIB // 4)))
    written = time.monotonic()
    assert 0.9 < (written - before) / (MIB / 5e6) < 6
    read(target, 0, MIB)
    assert 0.9 < (time.monotonic() - written) / (MIB / 5e6) < 6


def test_a_cable_pulled_during_a_slow_write_fails_it(target: SimulatedDisk, board: InProcessBoard) -> None:
    board.board.inject("disk-slow", [str(SLOT), "1"])
    pull = threading.Timer(0.1, hands.plug_usb, (board.board, SLOT, False))
    before = time.monotonic()
    pull.start()
    with pytest.raises(WriteError, match="No such device"):
        target.write(0, memoryview(b"x" * (5 * MIB)))
    assert time.monotonic() - before < 3, "it does not go on to the end of the write"
    pull.join()


def test_the_time_scale_divides_a_slow_disks_waits(board: InProcessBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANOPORTAL_TIME_SCALE", "20")
    board.board.inject("disk-slow", [str(SLOT), "1"])
    before = time.monotonic()
    target = open_disk(disk(board).identity, sys=fake_sys(board))
    target.write(0, memoryview(DATA * 32))
    target.close()
    assert time.monotonic() - before < 1


@pytest.mark.parametrize("fault", ["none", "lies", "cable"])
def test_the_writer_finds_out_whatever_a_simulated_disk_does(
    target: SimulatedDisk, board: InProcessBoard, tmp_path: Path, fault: str
) -> None:
    """Beside it a file gets the same image, unharmed."""
    image = tmp_path / "image"
    image.write_bytes(random.Random(1).randbytes(3 * MIB))
    (tmp_path / "beside").write_bytes(bytes(4 * MIB))
    beside = FileTarget.open(tmp_path / "beside")
    pull = threading.Timer(0.3, hands.plug_usb, (board.board, SLOT, False))
    if fault == "lies":
        board.board.inject("disk-lies", [str(SLOT)])
    if fault == "cable":
        board.board.inject("disk-slow", [str(SLOT), "2"])
        pull.start()
    ended, other = flash(
        image, inspect(image).block_map, [FlashJob(one, threading.Event()) for one in (target, beside)]
    )
    expected = {
        "none": ("done", "image", None),
        "lies": ("failed", "unknown", VerifyError),
        "cable": ("failed", "unknown", WriteError),
    }
    assert (ended.state, ended.contents, ended.error and type(ended.error)) == expected[fault]
    assert (other.state, other.contents) == ("done", "image")
    if fault == "cable":
        pull.join()
    beside.close()


def test_what_does_not_fit_is_refused_as_by_a_disk(target: SimulatedDisk) -> None:
    with pytest.raises(WriteError, match="No space left"):
        target.write(target.size_bytes - 1, memoryview(b"xx"))


def test_an_exchanged_medium_has_its_size(board: InProcessBoard) -> None:
    with board.smbus() as smbus:
        smbus.write_byte_data(0x18, 0x01, 0xFF & ~(1 << SLOT))
    hands.put_medium(board.board, SLOT, "emmc", 512 * 1000)
    restart(board)
    board.clock.wait(1)
    hands.send_boot_files(board.board, "1-1.2")
    board.clock.wait(3)
    target = open_disk(disk(board).identity, sys=fake_sys(board))
    assert target.size_bytes == 512_000
    target.close()
