"""However large the image and however slow the disks, a flash takes at most 64 MiB and what the decoder keeps."""

import subprocess
import sys
from pathlib import Path

from tests.hardware.flash.disk_images import MIB, noise

PROJECT = Path(__file__).resolve().parents[3]
MEASURE = """
import resource, sys, threading
from pathlib import Path
from hardware.flash.image import inspect
from hardware.flash.target import FileTarget
from hardware.flash.writer import FlashJob, flash
from tests.hardware.flash.faulty import Slow

class Nowhere:
    name, size_bytes, is_direct, clears, reads_back_by = "nowhere", 2**40, True, False, ""
    def write(self, offset, data): pass
    def clear(self, offset, length): return False
    def sync(self): pass
    def close(self): pass

image = Path(sys.argv[1])
block_map = inspect(image).block_map
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
# Two that are quick, five each slower than the other: every buffer there is fills up.
rates = [None, None, 60e6, 55e6, 50e6, 45e6, 40e6]
targets = [Slow(Nowhere(), rate) if rate else Nowhere() for rate in rates]
jobs = [FlashJob(target, threading.Event(), verifies=False) for target in targets]
seen = []
outcomes = flash(image, block_map, jobs, on_progress=seen.append, patience_seconds=0.2)
assert all(one.state == "done" for one in outcomes), outcomes
assert any(one.is_behind for progress in seen for one in progress)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024)
"""


def test_seven_disks_of_all_speeds_take_bounded_memory(shelf: Path) -> None:
    image = shelf / "large.img.zst"
    with image.open("wb") as file:
        subprocess.run(["zstd", "-q", "-1"], input=noise(8 * MIB) * 20, stdout=file, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, image], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64  # MiB, with the decoder's 8
