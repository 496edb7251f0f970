"""The lock of a bus: it keeps out threads and processes alike, and does not outlive its holder."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hardware.buslock import BusLock
from hardware.errors import RecordUnwritable

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from hardware.buslock import BusLock
with BusLock(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(60)
"""


def is_free(path: Path) -> bool:
    """Whether the lock can be had within 50 ms, by another thread."""
    taken = threading.Event()

    def take() -> None:
        with BusLock(path).held():
            taken.set()

    threading.Thread(target=take, daemon=True).start()
    return taken.wait(0.05)


def test_it_makes_its_file_and_directory(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "i2c-1.lock"
    with BusLock(path).held():
        assert path.exists()


def test_another_thread_waits(tmp_path: Path) -> None:
    path = tmp_path / "bus.lock"
    with BusLock(path).held():
        assert not is_free(path)
    assert is_free(path)


def test_one_object_may_be_shared_by_threads(tmp_path: Path) -> None:
    lock = BusLock(tmp_path / "bus.lock")
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with lock.held():
                inside.append(1)
                most.append(len(inside))
                inside.pop()
            lock.give_way()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bus.lock"
    with pytest.raises(RuntimeError), BusLock(path).held():
        raise RuntimeError
    assert is_free(path)


def test_the_kernel_frees_it_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "bus.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], cwd=PROJECT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert not is_free(path)
    process.kill()
    process.wait()
    process.stdout.close()
    assert is_free(path)


def test_giving_way_takes_about_a_millisecond(tmp_path: Path) -> None:
    began = time.monotonic()
    BusLock(tmp_path / "bus.lock").give_way()
    assert 0.001 <= time.monotonic() - began < 0.1


def test_a_directory_that_cannot_be_made_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("in the way")
    with pytest.raises(RecordUnwritable, match="could not be written"), BusLock(tmp_path / "locks" / "b.lock").held():
        pass
