"""What is on the device is what is in the image, on one device as on many, and a bystander's trouble is its own."""

import random
import subprocess
import threading
import time
from pathlib import Path

import pytest

from hardware.contracts import BlockTarget
from hardware.errors import TargetTooSmall
from hardware.flash import writer
from hardware.flash.blockmap import BLOCK_BYTES, BlockMap
from hardware.flash.image import ImageFacts, ImageReader, inspect
from hardware.flash.progress import Phase, Progress
from hardware.flash.sinks import Finish
from hardware.flash.target import DiskTarget
from hardware.flash.writer import FlashJob, Outcome, flash
from tests.hardware.flash.conftest import LARGE, Disks, Files
from tests.hardware.flash.disk_images import MIB, noise, run, soiled
from tests.hardware.flash.faulty import Plain, Slow
from tests.hardware.flash.test_target import identity

pytestmark = pytest.mark.root


def jobs(*targets: BlockTarget, verifies: bool = True) -> list[FlashJob]:
    return [FlashJob(target, threading.Event(), verifies) for target in targets]


def succeeded(outcomes: tuple[Outcome, ...], contents: str = "image") -> bool:
    return all(one.state == "done" and one.contents == contents and one.error is None for one in outcomes)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[ImageReader]:
    """The readers that a flash has opened; the first one only for the image's head."""
    opened: list[ImageReader] = []

    class Counted(ImageReader):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr(writer, "ImageReader", Counted)
    return opened


@pytest.fixture(scope="session")
def expected(packed: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disk full of old bytes after `xzcat | dd`."""
    path = soiled(tmp_path_factory.mktemp("dd") / "disk", 28 * MIB)
    subprocess.run(
        f"xz -dc <{packed['xz']} | dd of={path} conv=notrunc,fsync bs=1M status=none", shell=True, check=True
    )
    return path.read_bytes()


# The right bytes


@pytest.mark.parametrize("format", ["raw", "xz", "gz", "bz2", "zst", "zip"])
def test_a_disk_holds_what_xzcat_and_dd_would_have_put_there(
    format: str, disk: Disks, packed: dict[str, Path], facts: dict[str, ImageFacts], expected: bytes, shelf: Path
) -> None:
    target = DiskTarget.open(identity(disk()))
    assert succeeded(flash(packed[format], facts[format].block_map, jobs(target)))
    target.close()
    assert (shelf / "disk1").read_bytes() == expected


def test_a_disk_that_cannot_clear_is_sent_the_zeros(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], expected: bytes, shelf: Path
) -> None:
    (outcome,) = flash(packed["zst"], facts["zst"].block_map, jobs(Plain(storage())))
    assert outcome.written_bytes == 25 * MIB
    assert (shelf / "emmc1").read_bytes() == expected


def test_a_disk_that_can_clear_is_sent_the_data_only(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], expected: bytes, shelf: Path
) -> None:
    (outcome,) = flash(packed["zst"], facts["zst"].block_map, jobs(storage()))
    assert outcome.written_bytes <= facts["zst"].block_map.data_bytes + MIB
    assert (shelf / "emmc1").read_bytes() == expected


def test_with_a_map_of_its_own_an_image_is_written_as_bmaptool_does(
    storage: Files, packed: dict[str, Path], shelf: Path, tmp_path: Path
) -> None:
    """Mapped ranges alike, holes left alone: the old bytes are still there in both."""
    bmap = tmp_path / "disk.bmap"
    run("bmaptool", "create", "-o", bmap, packed["raw"])
    theirs = soiled(tmp_path / "theirs", 28 * MIB)
    run("bmaptool", "copy", "--bmap", bmap, packed["raw"], theirs)
    block_map = inspect(packed["xz"], bmap=bmap.read_bytes()).block_map
    (outcome,) = flash(packed["xz"], block_map, jobs(storage()))
    assert outcome.written_bytes == block_map.data_bytes
    ours, old = (shelf / "emmc1").read_bytes(), soiled(tmp_path / "old", 28 * MIB).read_bytes()
    bytes_of_bmaptool, position = theirs.read_bytes(), 0
    for extent in block_map.extents:
        assert ours[extent.offset : extent.end] == bytes_of_bmaptool[extent.offset : extent.end]
        assert ours[position : extent.offset] == old[position : extent.offset]
        position = extent.end
    assert ours[position:] == old[position:]


@pytest.mark.parametrize("seed", range(6))
def test_images_of_any_size_and_layout_arrive_whole(seed: int, storage: Files, shelf: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)
    image = tmp_path / "odd.img"
    data = b"".join(
        chance.choice([bytes, noise])(chance.choice([1, 511, 4096, 70_000, MIB, 3 * MIB])) for _ in range(seed * 2 + 1)
    )
    image.write_bytes(data)
    target = storage(len(data) + 5)
    assert succeeded(flash(image, inspect(image).block_map, jobs(target if seed % 2 else Plain(target))))
    found = (shelf / "emmc1").read_bytes()
    assert found[: len(data)] == data
    assert found[len(data) :] == soiled(tmp_path / "old", len(found)).read_bytes()[len(data) :]


def test_an_image_that_fills_no_sector_leaves_the_rest_of_it_alone(disk: Disks, shelf: Path, tmp_path: Path) -> None:
    image = tmp_path / "odd.img"
    image.write_bytes(noise(2 * MIB + 700))
    target = DiskTarget.open(identity(disk(4 * MIB, "--sector-size", 4096)))
    assert succeeded(flash(image, inspect(image).block_map, jobs(target)))
    target.close()
    found = (shelf / "disk1").read_bytes()
    assert found[: 2 * MIB + 700] == image.read_bytes()
    assert found[2 * MIB + 700 :] == soiled(tmp_path / "old", 4 * MIB).read_bytes()[2 * MIB + 700 :]


# Several at once


def test_seven_disks_are_written_with_one_reading_of_the_image(
    storage: Files,
    packed: dict[str, Path],
    facts: dict[str, ImageFacts],
    passes: list[ImageReader],
    expected: bytes,
    shelf: Path,
) -> None:
    assert succeeded(flash(packed["xz"], facts["xz"].block_map, jobs(*[storage() for _ in range(7)])))
    for number in range(1, 8):
        assert (shelf / f"emmc{number}").read_bytes() == expected
    assert len(passes) == 2


@pytest.mark.parametrize("packing", ["raw", "zst"])
def test_a_slow_disk_slows_only_itself(
    packing: str, large: tuple[Path, BlockMap], storage: Files, passes: list[ImageReader], shelf: Path
) -> None:
    """At 35 MB/s it takes 1 s; the others, after waiting 0.1 s for it, are long done by then."""
    image, block_map = large
    if packing == "zst":
        run("zstd", "-q", "-1", image)
        image = image.with_suffix(".img.zst")
    seen: list[tuple[Progress, ...]] = []
    slow, *quick = flash(
        image,
        block_map,
        jobs(Slow(storage(LARGE), 35e6), storage(LARGE), storage(LARGE), verifies=False),
        on_progress=seen.append,
        patience_seconds=0.1,
    )
    assert succeeded((slow, *quick), "unverified")
    assert slow.write_seconds > LARGE / 35e6
    assert max(one.write_seconds for one in quick) < slow.write_seconds - 0.3
    assert any(one[0].is_behind for one in seen)
    assert not any(progress.is_behind for one in seen for progress in one[1:])
    assert len(passes) == 3
    for number in (1, 2, 3):
        assert (shelf / f"emmc{number}").read_bytes() == large[0].read_bytes()


def test_disks_of_the_same_speed_keep_together(
    large: tuple[Path, BlockMap], storage: Files, passes: list[ImageReader]
) -> None:
    image, block_map = large
    targets = [Slow(storage(LARGE), 80e6) for _ in range(4)]
    assert succeeded(flash(image, block_map, jobs(*targets, verifies=False)), "unverified")
    assert len(passes) == 2


def test_no_buffer_lies_idle_while_the_reader_waits_for_one(
    large: tuple[Path, BlockMap], storage: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOOK_SECONDS", 10.0)  # whoever is not told of something would sleep so long
    image, block_map = large
    (outcome,) = flash(image, block_map, jobs(storage(LARGE)))
    assert outcome.write_seconds < 5


# First-boot files and the like


def test_each_disk_is_finished_with_what_is_its_own_after_it_was_verified(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], expected: bytes, shelf: Path
) -> None:
    seen: dict[str, set[Phase]] = {"kestrel": set(), "merlin": set()}

    def put(name: str) -> Finish:
        def finish(target: BlockTarget) -> None:
            found = memoryview(bytearray(MIB))
            target.read(0, found)
            assert found == expected[:MIB], "the whole image is there by now"
            target.write(5 * MIB, memoryview(name.encode()))
            target.sync()
            time.sleep(0.25)  # so that a report sees it

        return finish

    def look(progress: tuple[Progress, ...]) -> None:
        for phases, one in zip(seen.values(), progress, strict=True):
            phases.add(one.phase)
            assert one.phase != "finishing" or one.done_bytes == one.total_bytes > 0

    work = [FlashJob(storage(), threading.Event(), finish=put(name)) for name in seen]
    assert succeeded(flash(packed["xz"], facts["xz"].block_map, work, on_progress=look))
    for number, name in enumerate(seen, start=1):
        found = (shelf / f"emmc{number}").read_bytes()
        assert found == expected[: 5 * MIB] + name.encode() + expected[5 * MIB + len(name) :]


def test_a_disk_that_takes_long_to_be_finished_delays_no_other(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts]
) -> None:
    first_is_done = threading.Event()
    waits = FlashJob(storage(), threading.Event(), finish=lambda target: assert_set(first_is_done))
    tells = FlashJob(storage(), threading.Event(), finish=lambda target: first_is_done.set())
    assert succeeded(flash(packed["xz"], facts["xz"].block_map, [waits, tells]))


def assert_set(event: threading.Event) -> None:
    assert event.wait(5)


# Progress


def test_progress_counts_what_is_on_the_disk_and_ends_where_it_should(
    large: tuple[Path, BlockMap], storage: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "REPORT_SECONDS", 0.1)
    image, block_map = large
    seen: list[tuple[float, Progress]] = []

    def look(progress: tuple[Progress, ...]) -> None:
        seen.append((time.monotonic(), progress[0]))

    assert succeeded(flash(image, block_map, jobs(Slow(storage(LARGE), 60e6)), on_progress=look))
    for phase in ("writing", "verifying"):
        (began, first), *_, (ended, last) = [one for one in seen if one[1].phase == phase]
        assert first.total_bytes == last.total_bytes == LARGE
        done = [one.done_bytes for _, one in seen if one.phase == phase]
        assert done == sorted(done)
        assert last.bytes_per_second == pytest.approx((last.done_bytes - first.done_bytes) / (ended - began), rel=0.5)
        assert last.eta_seconds == pytest.approx((LARGE - last.done_bytes) / last.bytes_per_second)
    assert (seen[-1][1].phase, seen[-1][1].done_bytes, seen[-1][1].eta_seconds) == ("done", LARGE, None)


def test_a_short_disk_is_refused_before_the_first_byte(
    storage: Files, packed: dict[str, Path], facts: dict[str, ImageFacts], shelf: Path, tmp_path: Path
) -> None:
    whole, short = storage(), storage(25 * MIB - BLOCK_BYTES)
    with pytest.raises(TargetTooSmall, match="the file emmc2 only"):
        flash(packed["xz"], facts["xz"].block_map, jobs(whole, short))
    assert (shelf / "emmc1").read_bytes() == soiled(tmp_path / "old", 28 * MIB).read_bytes()
