"""A target that is closed while it does not answer is closed once it does, and then only."""

import threading

import pytest

from hardware.errors import WriteError
from hardware.flash.lateclose import LateClosing
from hardware.flash.target import FileTarget


class Stuck:
    """A file whose next write waits until it is let go."""

    def __init__(self, target: FileTarget) -> None:
        self._target = target
        self.begun, self.go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)

    def write(self, offset: int, data: memoryview) -> None:
        self.begun.set()
        assert self.go.wait(10)
        self._target.write(offset, data)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(8192))
    return path


def test_a_target_that_answers_is_closed_at_once_and_once(path):
    target = LateClosing(FileTarget.open(path))
    target.write(0, memoryview(b"x" * 4096))
    target.sync()
    target.close()
    target.close()
    FileTarget.open(path).close()  # its lock is free
    with pytest.raises(WriteError, match="given up"):
        target.write(0, memoryview(b"y" * 4096))
    assert path.read_bytes()[:4096] == b"x" * 4096


def test_one_that_is_stuck_keeps_its_lock_until_it_comes_back(path):
    stuck = Stuck(FileTarget.open(path))
    target = LateClosing(stuck)
    writing = threading.Thread(target=target.write, args=(0, memoryview(b"x" * 4096)))
    writing.start()
    assert stuck.begun.wait(10)
    target.close()
    with pytest.raises(Exception, match="being written to by another program"):
        FileTarget.open(path)
    stuck.go.set()
    writing.join(10)
    FileTarget.open(path).close()
    assert path.read_bytes()[:4096] == b"x" * 4096
