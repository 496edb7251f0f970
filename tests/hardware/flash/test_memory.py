"""However large the image and however slow the disks, a flash takes at most 64 MiB and what the decoder keeps."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hardware.flash.disk_images import MIB, noise, run

pytestmark = pytest.mark.root
PROJECT = Path(__file__).resolve().parents[3]
MEASURE = """
import os, re, sys, threading
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
    def read(self, offset, buffer): os.preadv(raw.fileno(), [buffer], offset)
    def close(self): pass

# (not ru_maxrss: it begins with what the parent had)
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
idle = peak()
image, raw = Path(sys.argv[1]), open(sys.argv[2], 'rb')
block_map = inspect(image).block_map
# Two that are quick, five each slower than the other: every buffer there is fills up.
rates = [None, None, 300e6, 200e6, 150e6, 120e6, 90e6]
targets = [Slow(Nowhere(), rate) if rate else Nowhere() for rate in rates]
jobs = [FlashJob(target, threading.Event()) for target in targets]
seen = []
outcomes = flash(image, block_map, jobs, on_progress=seen.append, patience_seconds=0.05)
assert all(one.state == "done" for one in outcomes), outcomes
assert any(one.is_behind for progress in seen for one in progress)
print((peak() - idle) // 1024)
"""


def test_seven_disks_of_all_speeds_take_bounded_memory(shelf: Path) -> None:
    image = shelf / "large.img.zst"
    raw = shelf / "large.img"
    raw.write_bytes(noise(8 * MIB) * 8)
    run("zstd", "-q", "-1", raw, "-o", image)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, image, raw],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64  # MiB, with the decoder's 8
