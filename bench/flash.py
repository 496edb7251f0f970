"""Flashing: our writer beside `xz -dc | dd conv=fsync` and `bmaptool copy`, with the same images on the same targets.

The targets are loop devices over files in memory, so that the way to the disk is measured and not this machine's disk;
without root they are files in the temporary directory, and the figures' names end in `.file_target`. All write alike,
none reads back: that is measured by itself. bmaptool has the map that `bmaptool create` makes of the sparse image,
holes and all; we have the one that our own import makes, in which zeros are no holes. The programs' own start counts
(bmaptool's is about 0.2 s); ours is a worker that has long been running. Of several times the best counts, for each
alike: what else the machine does only ever adds.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from bench.figures import Figure
from hardware.contracts import BlockTarget
from hardware.flash.blockmap import BlockMap
from hardware.flash.disks import find_disks, match_disk
from hardware.flash.image import inspect
from hardware.flash.target import DiskTarget, FileTarget
from hardware.flash.writer import FlashJob, Outcome, flash
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, run, soiled
from tests.hardware.flash.faulty import Plain

SAMPLES = 3
DENSE_BYTES = 128 * MIB
SPARSE_BYTES, SPARSE_DATA_BYTES = 512 * MIB, 32 * MIB
THROTTLE = 40e6  # bytes per second: a CM4's eMMC behind USB 2
CASES = ("dense_raw", "dense_xz", "dense_gz", "sparse_xz", "sparse_zst")
PACKERS = {"xz": ["xz", "-1", "-T0", "--block-size=64MiB"], "gz": ["gzip", "-1"], "zst": ["zstd", "-q", "-3"]}
UNPACKERS = {"raw": "cat", "xz": "xz -dc", "gz": "gzip -dc", "zst": "zstd -dc"}
PROJECT = Path(__file__).resolve().parent.parent


def measure() -> list[Figure]:
    """All figures of this benchmark."""
    with workspace() as (folder, memory):
        dense, sparse = dense_image(folder / "dense.img", DENSE_BYTES), sparse_image(folder / "sparse.img")
        figures, shares = [], []
        for case in CASES:
            image = packed(sparse if case.startswith("sparse") else dense, case.partition("_")[2])
            speed, share = side_by_side(case, image, dense if "dense" in case else sparse, memory)
            figures.append(speed)
            shares.append(share)
            print(f"{case}: {speed.value:.0f} MB/s beside {speed.baseline}", flush=True)
        figures.append(zeros_sent(packed(sparse, "xz"), sparse, memory))
        figures.append(Figure(f"flash.verify_share{suffix()}", statistics.median(shares), "of wall", len(shares)))
        return figures + four_targets(packed(dense, "xz"), memory)


@contextmanager
def workspace() -> Iterator[tuple[Path, Path]]:
    """A directory for images, and one in memory for what they are written to."""
    folder = Path(tempfile.mkdtemp(prefix="np-bench-"))
    try:
        if os.geteuid() == 0:
            with mounted(Path("tmpfs"), folder / "memory", "-t", "tmpfs", "-o", "size=3g") as memory:
                yield folder, memory
        else:
            (folder / "memory").mkdir()
            yield folder, folder / "memory"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def suffix() -> str:
    return "" if os.geteuid() == 0 else ".file_target"


# Images


def dense_image(path: Path, size: int) -> Path:
    """Data that packs about as well as programs do (3:1), and nowhere the same again."""
    chance = Random(4)
    words = [chance.randbytes(chance.randint(4, 60)) for _ in range(3000)]
    pool = b"".join(chance.choice(words) for _ in range(8 * MIB // 32))
    with path.open("wb") as file:
        while file.tell() < size:
            letters = bytes(chance.sample(range(256), 256))
            file.write(pool.translate(letters)[: size - file.tell()])
    return path


def sparse_image(path: Path) -> Path:
    """SPARSE_DATA_BYTES in 64 stretches, and nothing between them."""
    data = dense_image(path.with_suffix(".data"), SPARSE_DATA_BYTES).read_bytes()
    step, length = SPARSE_BYTES // 64, SPARSE_DATA_BYTES // 64
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)
        for number in range(64):
            file.seek(number * step)
            file.write(data[number * length :][:length])
    return path


def packed(image: Path, format: str) -> Path:
    """The image packed by the format's own program, made once."""
    path = image if format == "raw" else image.with_suffix(f".img.{format}")
    if not path.exists():
        with path.open("wb") as file:
            subprocess.run([*PACKERS[format], "-c", str(image)], stdout=file, check=True)
    return path


# One target


@contextmanager
def fresh_target(memory: Path, size: int, number: int = 1) -> Iterator[Path]:
    """A disk full of what was there before: a loop device, or a file where we may make none."""
    backing = soiled(memory / f"disk{number}", size)
    try:
        if os.geteuid() == 0:
            with loop_device(backing) as device:
                yield device
        else:
            yield backing
    finally:
        backing.unlink()


def opened(path: Path) -> DiskTarget | FileTarget:
    if os.geteuid() == 0:
        return DiskTarget.open(match_disk(find_disks(), str(path)).identity)
    return FileTarget.open(path)


def side_by_side(case: str, image: Path, raw: Path, memory: Path) -> tuple[Figure, float]:
    """MB of expanded data per second of the three, in turns, and the share that reading back would take of ours."""
    bmap = raw.with_suffix(".bmap")
    run("bmaptool", "create", "-o", bmap, raw)
    size, block_map = raw.stat().st_size, inspect(image).block_map
    unpack = UNPACKERS[case.partition("_")[2]]
    pipe = f"{unpack} '{image}' | dd of='{{0}}' bs=4M iflag=fullblock conv=notrunc,fsync status=none"
    if unpack == "cat":  # dd reads a raw image itself
        pipe = f"dd if='{image}' of='{{0}}' bs=4M conv=notrunc,fsync status=none"
    ways: dict[str, Callable[[Path], object]] = {
        "xzcat_dd": lambda disk: command("bash", "-c", f"set -o pipefail; {pipe.format(disk)}"),
        "bmaptool": lambda disk: command("bmaptool", "--quiet", "copy", "--bmap", str(bmap), str(image), str(disk)),
        "ours": lambda disk: flashed(image, block_map, opened(disk)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(SAMPLES):
        for name, way in ways.items():
            with fresh_target(memory, size) as disk:
                seconds[name].append(timed(lambda way=way, disk=disk: way(disk)))
    rates = {name: size / 1e6 / min(taken) for name, taken in seconds.items()}
    figure = Figure(f"flash.{case}.mb_per_s{suffix()}", rates.pop("ours"), "MB/s", SAMPLES, rates)
    with fresh_target(memory, size) as disk:
        return figure, verify_share(flashed(image, block_map, opened(disk), verifies=True))


def command(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def flashed(image: Path, block_map: BlockMap, *targets: BlockTarget, verifies: bool = False) -> tuple[Outcome, ...]:
    """Writes the image to the targets and closes them. Raises the first error, since such a time means nothing."""
    outcomes = flash(image, block_map, [FlashJob(target, threading.Event(), verifies) for target in targets])
    for target, outcome in zip(targets, outcomes, strict=True):
        target.close()
        if outcome.error:
            raise outcome.error
    return outcomes


def verify_share(outcomes: tuple[Outcome, ...]) -> float:
    (one,) = outcomes
    return one.verify_seconds / (one.write_seconds + one.verify_seconds)


def zeros_sent(image: Path, raw: Path, memory: Path) -> Figure:
    """The sparse image on a disk that cannot clear, as most behind USB, so that it is sent every zero."""
    size, block_map = raw.stat().st_size, inspect(image).block_map
    seconds = []
    for _ in range(SAMPLES):
        with fresh_target(memory, size) as disk:
            target = Plain(opened(disk))
            seconds.append(timed(lambda target=target: flashed(image, block_map, target)))
    return Figure(f"flash.sparse_xz_zeros_sent.mb_per_s{suffix()}", size / 1e6 / min(seconds), "MB/s", SAMPLES)


# Four targets


class Throttled(Plain):
    """A disk that takes and gives THROTTLE bytes per second, whatever is asked of it, and cannot clear."""

    def __init__(self, target: BlockTarget) -> None:
        super().__init__(target)
        self._free_at = 0.0

    def _pass(self, length: int) -> None:
        self._free_at = max(self._free_at, time.monotonic()) + length / THROTTLE
        time.sleep(max(0.0, self._free_at - time.monotonic()))

    def write(self, offset: int, data: memoryview) -> None:
        began = time.monotonic()
        super().write(offset, data)
        self._free_at = max(self._free_at, began)
        self._pass(len(data))

    def read(self, offset: int, buffer: memoryview) -> None:
        super().read(offset, buffer)
        self._pass(len(buffer))


def four_targets(image: Path, memory: Path) -> list[Figure]:
    """Wall time of four throttled targets, verified, as a multiple of one's; and what that takes in memory."""
    words = [sys.executable, "-m", "bench.flash", str(image), str(memory)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    one, four, share, idle, peak = (float(word) for word in done.stdout.split())
    return [
        Figure(f"flash.four_targets.wall_ratio{suffix()}", four / one, "x", 1),
        Figure(f"flash.four_targets.wall_s{suffix()}", four, "s", 1, {"one_target": one}),
        Figure("flash.verify_share.at_40_mb_per_s", share, "of wall", 1),
        Figure("flash.worker_peak_mib", peak, "MiB", 1, {"idle": idle}),
    ]


def worker(image: Path, memory: Path) -> None:
    """What a process of its own does for `four_targets`, so that its memory is nobody else's."""
    idle = peak_mib()
    block_map = inspect(image).block_map
    walls, share = [], 0.0
    for count in (1, 4):
        with ExitStack() as stack:
            disks = [stack.enter_context(fresh_target(memory, block_map.size_bytes, number)) for number in range(count)]
            targets = [Throttled(opened(disk)) for disk in disks]
            began = time.monotonic()
            outcomes = flashed(image, block_map, *targets, verifies=True)
            walls.append(time.monotonic() - began)
        share = share or verify_share(outcomes)
    print(*walls, share, idle, peak_mib())


def peak_mib() -> float:
    """Not ru_maxrss: that begins with what the parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    worker(Path(sys.argv[1]), Path(sys.argv[2]))
