"""A board for the tests of this app, and a worker in the test's own process.

The simulated board is one process for the whole run, given a cold start by each test that uses it.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from operations import lifecycle, worker
from slots.models import Board as BoardRow
from slots.services import catalogue, parts
from tests.broker import BrokerAway
from tests.slots.pages import person
from tests.slots.rig import SCALE, SLUG, Board


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Iterator[Path]:
    """A data directory of the test's own; what earlier tests opened is forgotten."""
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    parts.forget()
    yield tmp_path
    parts.forget()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits a real minute for its worker: three seconds, as fast as time goes here, are over now and then on
    a machine that does other things too."""
    monkeypatch.setattr(lifecycle, "EXPIRY", timedelta(minutes=1))


@pytest.fixture(scope="session")
def board_process(tmp_path_factory) -> Iterator[Board]:
    process = Board(tmp_path_factory.mktemp("sim"), name=SLUG, scale=SCALE)
    yield process
    process.stop()


@pytest.fixture
def rows(db, data_dir) -> BoardRow:
    """The demo board's rows, as its board file makes them, without a board behind them."""
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    (data_dir / "boards" / f"{SLUG}.toml").write_text("\n".join(lines))
    return catalogue.sync_boards()[0]


@pytest.fixture
def board(db, data_dir, board_process) -> Iterator[Board]:
    """The demo board, simulated and cold, with its rows."""
    board_process.start_cold()
    board_process.write_board_file(data_dir / "boards")
    catalogue.sync_boards()
    yield board_process
    low = [line for line, level in board_process.state()["lines"].items() if level == 0 and int(line) in BUTTONS]
    assert low == [], "a test must leave every button released"


BUTTONS = (3, 4, 6)  # the lines of the demo board's CM5 and LM3H


@pytest.fixture
def me(data_dir, monkeypatch) -> Iterator[worker.Worker]:
    """This process as the worker of its data directory."""
    monkeypatch.setattr(worker, "_current", None)
    started = worker.start(data_dir, "local")
    yield started
    assert started.running_ids() == []
    os.close(started._lock)


@pytest.fixture
def broker_away() -> Iterator[BrokerAway]:
    away = BrokerAway()
    yield away
    away.back()


@pytest.fixture
def viewer_client(rows) -> Client:
    return person("viewer")


@pytest.fixture
def operator_client(rows) -> Client:
    return person("operator")


@pytest.fixture
def administrator_client(rows) -> Client:
    return person("administrator")
