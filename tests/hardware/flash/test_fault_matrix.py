"""Every fault at every stage of a flash: how it ends, what the target holds, and that a retry from the start works.

Each time a second target is written by the same flash, which has to know nothing of it.
"""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hardware.errors import HardwareError, ReadError, Stopped, VerifyError, WriteError
from hardware.flash.image import ImageFacts
from hardware.flash.target import FileTarget
from hardware.flash.writer import FlashJob, Outcome, flash
from tests.hardware.flash.conftest import Files
from tests.hardware.flash.disk_images import MIB, soiled
from tests.hardware.flash.test_writer import succeeded
from tests.hardware.flash.test_writer_faults import ended, is_not_bootable
from tests.hardware.flash.troubled import (
    FIRST_BOOT,
    FIRST_BOOT_AT,
    STAGES,
    Trouble,
    Troubled,
    Wrapping,
    cancel,
    fill_up,
    finish,
    finish_at,
    lie,
    meet_a_bad_block,
    pull_the_cable,
)

pytestmark = pytest.mark.root

PROJECT = Path(__file__).resolve().parents[3]
BOOTS, BLANK = True, False
# The contents are unknown after each of these; what differs is the error and whether something may boot.
PULLED = [
    ("blanking", WriteError, BOOTS),
    ("writing", WriteError, BLANK),
    ("head", WriteError, BOOTS),
    ("verifying", ReadError, BOOTS),
    ("finishing", WriteError, BOOTS),
]
FULL = [
    ("blanking", WriteError, BOOTS),
    ("writing", WriteError, BLANK),
    ("head", WriteError, BOOTS),
    ("verifying", WriteError, BOOTS),  # when the first-boot files are written
    ("finishing", WriteError, BOOTS),
]
BAD_BLOCK = [
    ("blanking", WriteError, BOOTS),
    ("writing", WriteError, BLANK),
    ("head", WriteError, BLANK),
    ("verifying", ReadError, BLANK),
    ("finishing", WriteError, BLANK),
]
LIES = [(stage, VerifyError, BLANK) for stage in STAGES]
TROUBLES: dict[str, tuple[Trouble, list[tuple[str, type[HardwareError], bool]], str]] = {
    "pulled": (pull_the_cable, PULLED, "writing"),
    "full": (fill_up, FULL, "head"),
    "bad block": (meet_a_bad_block, BAD_BLOCK, "writing"),
    "read error": (meet_a_bad_block, BAD_BLOCK, "verifying"),
    "lies": (lie, LIES, "finishing"),
}
CANCELLED = [
    ("blanking", "unknown", BOOTS),
    ("writing", "unknown", BLANK),
    ("head", "unknown", BOOTS),
    ("verifying", "unverified", BOOTS),
    ("finishing", "unknown", BOOTS),
]
CASES = [
    pytest.param(trouble, *row, id=f"{name}-{row[0]}", marks=[] if row[0] == quick else pytest.mark.soak)
    for name, (trouble, rows, quick) in TROUBLES.items()
    for row in rows
]


@pytest.fixture(scope="module")
def finished(packed: dict[str, Path]) -> bytes:
    """The first 25 MiB of a disk that all went well with."""
    data = bytearray(packed["raw"].read_bytes())
    data[FIRST_BOOT_AT : FIRST_BOOT_AT + len(FIRST_BOOT)] = FIRST_BOOT
    return bytes(data)


class Bench:
    """Two targets in one flash, the first of them in trouble; then again, without."""

    def __init__(self, image: Path, facts: ImageFacts, storage: Files, shelf: Path, finished: bytes) -> None:
        self.image, self.map, self.finished = image, facts.block_map, finished
        self.disks = storage(), storage()
        self.files = shelf / "emmc1", shelf / "emmc2"
        self.stop = threading.Event()

    def flash(self, stage: str, trouble: Trouble) -> Outcome:
        troubled = Troubled(self.disks[0], stage, trouble)
        jobs = [
            FlashJob(troubled, self.stop, finish=finish_at(troubled)),
            FlashJob(self.disks[1], threading.Event(), finish=finish),
        ]
        outcome, other = flash(self.image, self.map, jobs)
        assert succeeded((other,))
        assert self.holds_all(1)
        assert outcome.may_boot or is_not_bootable(self.files[0])
        return outcome

    def flash_again(self) -> None:
        job = FlashJob(self.disks[0], threading.Event(), finish=finish)
        assert succeeded(flash(self.image, self.map, [job]))
        assert self.holds_all(0)

    def holds_all(self, index: int) -> bool:
        return self.files[index].read_bytes()[: 25 * MIB] == self.finished


@pytest.fixture
def bench(packed: dict[str, Path], facts: dict[str, ImageFacts], storage: Files, shelf: Path, finished: bytes) -> Bench:
    return Bench(packed["zst"], facts["zst"], storage, shelf, finished)


@pytest.mark.parametrize(("trouble", "stage", "error", "may_boot"), CASES)
def test_a_fault_ends_one_disk_in_a_known_state_from_which_it_can_be_flashed_again(
    trouble: Trouble, stage: str, error: type[HardwareError], may_boot: bool, bench: Bench
) -> None:
    outcome = bench.flash(stage, trouble)
    assert ended(outcome, error)
    assert outcome.may_boot == may_boot
    bench.flash_again()


@pytest.mark.parametrize(
    ("stage", "contents", "may_boot"),
    [pytest.param(*row, id=row[0], marks=[] if row[0] == "head" else pytest.mark.soak) for row in CANCELLED],
)
def test_a_cancel_ends_one_disk_in_a_known_state_from_which_it_can_be_flashed_again(
    stage: str, contents: str, may_boot: bool, bench: Bench
) -> None:
    outcome = bench.flash(stage, cancel(bench.stop))
    assert ended(outcome, Stopped, "cancelled", contents)
    assert outcome.may_boot == may_boot
    bench.flash_again()


def test_a_disk_that_is_smaller_than_it_says_is_found_out(bench: Bench) -> None:
    job = FlashJob(Wrapping(bench.disks[0]), threading.Event())
    (outcome,) = flash(bench.image, bench.map, [job])
    assert ended(outcome, VerifyError)
    assert not outcome.may_boot
    bench.flash_again()


POWER_CUT = """
import sys, threading
from pathlib import Path
from hardware.flash.image import inspect
from hardware.flash.target import FileTarget
from hardware.flash.writer import FlashJob, flash
from tests.hardware.flash.troubled import Troubled, cut_the_power, finish_at
image, disk, stage = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
target = Troubled(FileTarget.open(disk), stage, cut_the_power)
flash(image, inspect(image).block_map, [FlashJob(target, threading.Event(), finish=finish_at(target))])
"""


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=[] if stage == "writing" else pytest.mark.soak) for stage in STAGES]
)
def test_a_power_cut_leaves_nothing_that_boots_half_an_image_and_can_be_flashed_again(
    stage: str, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path, finished: bytes
) -> None:
    disk = soiled(shelf / "emmc", 28 * MIB)
    done = subprocess.run([sys.executable, "-c", POWER_CUT, packed["zst"], disk, stage], cwd=PROJECT, check=False)
    assert done.returncode == -signal.SIGKILL
    found = disk.read_bytes()
    if stage == "blanking":
        assert found == soiled(shelf / "old", 28 * MIB).read_bytes()
    elif stage in ("writing", "head"):
        assert is_not_bootable(disk)
    else:
        assert found[: 25 * MIB] == packed["raw"].read_bytes()
    target = FileTarget.open(disk)
    job = FlashJob(target, threading.Event(), finish=finish)
    assert succeeded(flash(packed["zst"], facts["zst"].block_map, [job]))
    target.close()
    assert disk.read_bytes()[: 25 * MIB] == finished
