"""What the rest of the portal may know of the console daemon."""

import os
from pathlib import Path

import pytest

from consoles import services


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, settings) -> None:
    settings.DATA_DIR = tmp_path


def test_a_second_daemon_on_the_same_data_is_refused_in_words():
    mine = services.take_lock()
    with pytest.raises(services.DaemonRuns, match="A console daemon runs already"):
        services.take_lock()
    os.close(mine)
    os.close(services.take_lock())


def test_whether_the_daemon_lives_is_told_by_its_lock_alone():
    assert not services.daemon_is_alive(), "before it ever ran"
    mine = services.take_lock()
    assert services.daemon_is_alive()
    os.close(mine)
    assert not services.daemon_is_alive()
    assert services.lock_path().exists()
