"""A board, three people and a clock."""

from pathlib import Path

import pytest

from operations.roles import Actor
from reservations.services import turns
from tests.reservations.rig import Clock, make_board, person


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    turns._looked.update(version=-1.0, at=0.0)
    return tmp_path


@pytest.fixture
def board(db) -> None:
    make_board()


@pytest.fixture
def clock(board, monkeypatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def alice(board) -> Actor:
    return person("alice", "administrator")


@pytest.fixture
def bob(board) -> Actor:
    return person("bob")


@pytest.fixture
def carol(board) -> Actor:
    return person("carol")
