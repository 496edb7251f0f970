"""Whatever goes wrong while an image is written is said, ends in time, and leaves nothing that boots half of it."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.contracts import BlockTarget
from hardware.errors import (
    HardwareError,
    ImageCorrupt,
    ImageError,
    ImageTruncated,
    ReadError,
    Stopped,
    VerifyError,
    WriteError,
)
from hardware.flash import writer
from hardware.flash.blockmap import BlockMap
from hardware.flash.image import ImageFacts, ImageReader
from hardware.flash.progress import Progress
from hardware.flash.target import DiskTarget
from hardware.flash.writer import FlashJob, Outcome, flash
from tests.hardware.flash.conftest import LARGE, Files
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, soiled
from tests.hardware.flash.faulty import BadBlock, Faulty, Hanging, Lying, Pulled, Slow
from tests.hardware.flash.test_target import identity
from tests.hardware.flash.test_writer import jobs, succeeded

pytestmark = pytest.mark.root


def is_not_bootable(path: Path) -> bool:
    """Neither the old partition table is there nor the new one."""
    with path.open("rb") as file:
        return not any(file.read(64 * 1024))


def ended(outcome: Outcome, kind: type[HardwareError], state: str = "failed", contents: str = "unknown") -> bool:
    assert isinstance(outcome.error, kind), outcome
    assert re.search(r"\w\.$", str(outcome.error))
    return (outcome.state, outcome.contents, outcome.is_stuck) == (state, contents, False)


# The device


@pytest.mark.parametrize("at", [0, 13 * MIB + 77, 15 * MIB])
def test_a_bad_block_ends_one_disk_and_no_other(
    at: int, storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path
) -> None:
    bad, good = flash(packed["xz"], facts["xz"].block_map, jobs(BadBlock(storage(), at), storage()))
    assert ended(bad, WriteError)
    assert isinstance(bad.error, WriteError)
    assert bad.error.offset_bytes == at
    assert succeeded((good,))
    assert bad.may_boot == (at == 0), "even its head could not be blanked then"
    assert bad.may_boot or is_not_bootable(shelf / "emmc1")


@pytest.mark.parametrize(
    ("operation", "times", "kind"),
    [
        ("write", 0, WriteError),
        ("write", 4, WriteError),
        ("sync", 1, WriteError),
        ("read", 3, ReadError),
    ],
)
def test_a_pulled_cable_ends_one_disk_and_no_other(
    operation: str,
    times: int,
    kind: type[HardwareError],
    storage: Files,
    packed: dict[str, Path],
    facts: dict[str, ImageFacts],
) -> None:
    targets = Pulled(storage(), operation, times), storage()
    pulled, other = flash(packed["gz"], facts["gz"].block_map, jobs(*targets))
    assert ended(pulled, kind)
    assert succeeded((other,))


def test_a_real_disk_that_fills_up_below_fails_with_the_offset(
    packed: dict[str, Path], facts: dict[str, ImageFacts], tmp_path: Path
) -> None:
    with mounted(Path("tmpfs"), tmp_path / "small", "-t", "tmpfs", "-o", "size=4m") as small:
        (small / "disk").touch()
        with (small / "disk").open("r+b") as file:
            file.truncate(28 * MIB)
        with loop_device(small / "disk") as device:
            target = DiskTarget.open(identity(device))
            (outcome,) = flash(packed["xz"], facts["xz"].block_map, jobs(target))
            target.close()
            assert ended(outcome, WriteError)
            assert is_not_bootable(device)


@pytest.mark.parametrize("at", [100, 13 * MIB + 77, 24 * MIB + 5], ids=["head", "data", "zeros"])
def test_verifying_finds_one_wrong_bit_and_such_a_disk_does_not_boot(
    at: int, storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path
) -> None:
    class LyingAtTheEnd(Lying):
        """It goes wrong after everything was written."""

        def read(self, offset: int, buffer: memoryview) -> None:
            Lying.sync(self) if not self.__dict__.get("sync") else None
            super().read(offset, buffer)

        def sync(self) -> None:
            self.inner.sync()

    block_map = facts["xz"].block_map
    lying, honest = flash(packed["xz"], block_map, jobs(LyingAtTheEnd(storage(), at), storage()))
    assert ended(lying, VerifyError)
    assert is_not_bootable(shelf / "emmc1")
    assert isinstance(lying.error, VerifyError)
    assert lying.error.offset_bytes <= at < lying.error.offset_bytes + lying.error.length_bytes
    assert succeeded((honest,))


def test_without_verifying_a_wrong_bit_stays_unknown(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts]
) -> None:
    (outcome,) = flash(packed["xz"], facts["xz"].block_map, jobs(Lying(storage(), 13 * MIB), verifies=False))
    assert succeeded((outcome,), "unverified")
    assert outcome.verify_seconds == 0


# The image


@pytest.mark.parametrize(("format", "cut"), [("gz", 4), ("xz", 20), ("zst", 2), ("bz2", 3), ("raw", MIB)])
def test_an_image_whose_end_is_missing_is_noticed_at_the_end_and_never_boots(
    format: str,
    cut: int,
    storage: Files,
    packed: dict[str, Path],
    facts: dict[str, ImageFacts],
    shelf: Path,
    tmp_path: Path,
) -> None:
    image = tmp_path / "short"
    image.write_bytes(packed[format].read_bytes()[:-cut])
    outcomes = flash(image, facts[format].block_map, jobs(storage(), storage()))
    for number, outcome in enumerate(outcomes, start=1):
        assert ended(outcome, ImageTruncated)
        assert is_not_bootable(shelf / f"emmc{number}")


@pytest.mark.parametrize("at", [600, 13 * MIB])
def test_an_image_that_changed_since_it_was_taken_in_is_noticed_and_never_boots(
    at: int, storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path, tmp_path: Path
) -> None:
    image = tmp_path / "rotten"
    data = bytearray(packed["raw"].read_bytes())
    data[at] ^= 1
    image.write_bytes(data)
    (outcome,) = flash(image, facts["raw"].block_map, jobs(storage()))
    assert ended(outcome, ImageCorrupt)
    assert is_not_bootable(shelf / "emmc1")


def test_an_image_that_cannot_be_read_half_way_ends_all_disks_and_never_boots(
    storage: Files,
    packed: dict[str, Path],
    facts: dict[str, ImageFacts],
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(ImageReader):
        def readinto(self, buffer: memoryview) -> int:
            if self.position > 13 * MIB:
                raise ImageError("The image could not be read: Input/output error.")
            return super().readinto(buffer)

    monkeypatch.setattr(writer, "ImageReader", Failing)
    for number, outcome in enumerate(flash(packed["xz"], facts["xz"].block_map, jobs(storage(), storage())), start=1):
        assert ended(outcome, ImageError)
        assert is_not_bootable(shelf / f"emmc{number}")


def test_an_image_that_is_gone_touches_nothing(
    storage: Files, facts: dict[str, ImageFacts], shelf: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="No such file"):
        flash(tmp_path / "missing", facts["raw"].block_map, jobs(storage()))
    assert (shelf / "emmc1").read_bytes() == soiled(tmp_path / "old", 28 * MIB).read_bytes()


# Being stopped


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports so often that no test waits for one."""
    monkeypatch.setattr(writer, "REPORT_SECONDS", 0.05)


def stopped_during(phase: str, stop: threading.Event, times: list[float]) -> Callable[[tuple[Progress, ...]], None]:
    """A look at progress that sets `stop` as soon as the first target is in that phase with something done."""

    def look(progress: tuple[Progress, ...]) -> None:
        if progress[0].phase == phase and progress[0].done_bytes and not stop.is_set():
            times.append(time.monotonic())
            stop.set()

    return look


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("phase", "contents"), [("writing", "unknown"), ("verifying", "unverified")])
def test_a_cancel_ends_everything_within_a_second(
    phase: str, contents: str, large: tuple[Path, BlockMap], storage: Files, shelf: Path
) -> None:
    image, block_map = large
    rate = 10e6 if phase == "writing" else 60e6
    stop, times = threading.Event(), []
    outcomes = flash(
        image,
        block_map,
        jobs(Slow(storage(LARGE), rate), Slow(storage(LARGE), rate)),
        stop=stop,
        on_progress=stopped_during(phase, stop, times),
    )
    assert time.monotonic() - times[0] < 1
    for outcome in outcomes:
        assert ended(outcome, Stopped, "cancelled", contents)
    assert (phase == "verifying") != is_not_bootable(shelf / "emmc1")


@pytest.mark.usefixtures("often")
def test_a_cancel_of_one_disk_leaves_the_others_alone(
    large: tuple[Path, BlockMap], storage: Files, shelf: Path
) -> None:
    image, block_map = large
    first, second = jobs(Slow(storage(LARGE), 50e6), Slow(storage(LARGE), 50e6), verifies=False)
    cancelled, other = flash(image, block_map, [first, second], on_progress=stopped_during("writing", first.stop, []))
    assert ended(cancelled, Stopped, "cancelled")
    assert cancelled.written_bytes < LARGE - 8 * MIB
    assert succeeded((other,), "unverified")
    assert is_not_bootable(shelf / "emmc1")
    (retried,) = flash(image, block_map, jobs(first.target.inner))  # type: ignore[attr-defined]
    assert succeeded((retried,))


def test_a_cancel_does_not_wait_for_a_write_that_hangs(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts]
) -> None:
    hanging, stop, times = Hanging(storage()), threading.Event(), []

    def cancel() -> None:
        assert hanging.hangs.wait(10)
        times.append(time.monotonic())
        stop.set()

    threading.Thread(target=cancel).start()
    (outcome,) = flash(packed["xz"], facts["xz"].block_map, jobs(hanging), stop=stop)
    assert time.monotonic() - times[0] < 1
    assert (outcome.state, outcome.contents, outcome.is_stuck) == ("cancelled", "unknown", True)
    hanging.let_go.set()


def test_a_disk_that_does_not_answer_has_failed_and_is_left_alone_when_it_comes_back(
    large: tuple[Path, BlockMap], storage: Files, shelf: Path
) -> None:
    image, block_map = large
    hanging, others_stop = Hanging(storage(LARGE)), threading.Event()
    told: dict[int, Outcome] = {}

    def tell(index: int, outcome: Outcome) -> None:
        told[index] = outcome
        if index == 0:
            hanging.let_go.set()  # the other one is not done by far
            threading.Timer(0.2, others_stop.set).start()

    work = [*jobs(hanging), FlashJob(Slow(storage(LARGE), 5e6), others_stop)]
    silent, other = flash(image, block_map, work, stall_seconds=0.4, on_end=tell)
    assert (told[0].state, told[0].contents, told[0].is_stuck) == ("failed", "unknown", True)
    assert (silent.state, silent.contents, silent.is_stuck) == ("failed", "unknown", False)
    assert "has not answered for 0.4 s" in str(silent.error)
    assert ended(other, Stopped, "cancelled")
    assert hanging.writes == 3, "the one that hung, and none after it"
    assert is_not_bootable(shelf / "emmc1")


def test_a_disk_that_cannot_be_finished_fails_alone_and_does_not_boot(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path
) -> None:
    bad = Faulty(storage())

    def finish(target: BlockTarget) -> None:
        target.write(5 * MIB, memoryview(b"half of it"))
        raise VerifyError(target.name, 5 * MIB, 4096)

    failed = FlashJob(bad, threading.Event(), finish=finish)
    first, second = flash(packed["xz"], facts["xz"].block_map, [failed, *jobs(storage())])
    assert ended(first, VerifyError)
    assert not first.may_boot
    assert is_not_bootable(shelf / "emmc1")
    assert succeeded((second,))


def test_a_cancel_reaches_a_disk_that_is_being_finished(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts]
) -> None:
    began: list[float] = []
    stop = threading.Event()

    def finish(target: BlockTarget) -> None:
        began.append(time.monotonic())
        stop.set()
        while time.monotonic() < began[0] + 20:
            target.write(5 * MIB, memoryview(b"again and again"))

    job = FlashJob(storage(), stop, finish=finish)
    (outcome,) = flash(packed["xz"], facts["xz"].block_map, [job])
    assert time.monotonic() - began[0] < 1
    assert ended(outcome, Stopped, "cancelled")
    assert outcome.may_boot


@pytest.mark.usefixtures("often")
def test_what_is_raised_while_watching_ends_the_flash(
    large: tuple[Path, BlockMap], storage: Files, shelf: Path
) -> None:
    def lose_heart(progress: tuple[Progress, ...]) -> None:
        if progress[0].done_bytes:
            raise LookupError("the row of this flash is gone")

    image, block_map = large
    with pytest.raises(LookupError):
        flash(image, block_map, jobs(Slow(storage(LARGE), 10e6)), on_progress=lose_heart)
    assert is_not_bootable(shelf / "emmc1")
    assert not [one.name for one in threading.enumerate() if one.name.startswith("writer of")]


def test_a_fault_of_ours_is_no_outcome(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path
) -> None:
    class Broken(Faulty):
        def write(self, offset: int, data: memoryview) -> None:
            raise KeyError("a mistake")

    with pytest.raises(KeyError):
        flash(packed["xz"], facts["xz"].block_map, jobs(Broken(storage()), storage()))
    assert not is_not_bootable(shelf / "emmc2"), "the other one was finished"
