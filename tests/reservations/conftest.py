"""A board, three people and a clock."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import RightGrant, User
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


@pytest.fixture
def make_grant(board, clock) -> Callable[[str, str, str], None]:
    """Give somebody a role on a scope."""

    def give(name: str, role: str, scope: str) -> None:
        RightGrant.objects.create(user=User.objects.get(username=name), role=role, scope=scope, given_at=clock.now)

    return give
