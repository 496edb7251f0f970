"""What the rest of the portal may know of the console daemon."""

import os
from pathlib import Path

import pytest

from consoles.services import lock


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, settings) -> None:
    settings.DATA_DIR = tmp_path


def test_a_second_daemon_on_the_same_data_is_refused_in_words():
    mine = lock.take_lock()
    with pytest.raises(lock.DaemonRuns, match="A console daemon runs already"):
        lock.take_lock()
    os.close(mine)
    os.close(lock.take_lock())


def test_whether_the_daemon_lives_is_told_by_its_lock_alone():
    assert not lock.daemon_is_alive(), "before it ever ran"
    mine = lock.take_lock()
    assert lock.daemon_is_alive()
    os.close(mine)
    assert not lock.daemon_is_alive()
    assert lock.lock_path().exists()
