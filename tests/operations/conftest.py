"""Every test of operations has a data directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import BrokerAway


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def broker_away() -> Iterator[BrokerAway]:
    away = BrokerAway()
    yield away
    away.back()
