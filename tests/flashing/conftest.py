"""A data directory of the test's own, a board with nothing behind it, an image, a file for each slot's storage."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.models import FirmwareImage
from operations import worker
from slots.models import Board
from slots.services import catalogue, parts
from tests.broker import BrokerAway
from tests.flashing import rig


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Iterator[Path]:
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.IMPORT_DIR, settings.IMAGE_QUOTA_BYTES = tmp_path / "import", 1 << 30
    settings.BOARDS_DIR.mkdir()
    settings.IMPORT_DIR.mkdir()
    parts.forget()
    yield tmp_path
    parts.forget()


@pytest.fixture
def board(db, data_dir) -> Board:
    """The demo board; each slot's storage is a file of 8 MiB."""
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    for number in range(1, 8):
        lines += [f"[slots.{number}]", f'usb = "1-1.{number}"']
        if number in rig.STORED:
            lines.append(f'storage = "{rig.make_storage(data_dir, number)}"')
    (data_dir / "boards" / f"{rig.SLUG}.toml").write_text("\n".join(lines))
    return catalogue.sync_boards()[0]


@pytest.fixture
def image(board, flasher) -> FirmwareImage:
    """An xz image of 4 MiB for any SOM, with a quarter of a MiB of data and a FAT partition by its looks."""
    return rig.kept_image(flasher)


@pytest.fixture
def me(data_dir, board, monkeypatch) -> Iterator[worker.Worker]:
    """This process as the flash worker of its data directory, who may write to storages: they are full of noise."""
    rig.fill_storages(data_dir)
    monkeypatch.setattr(worker, "_current", None)
    started = worker.start(data_dir, "local-flash")
    yield started
    assert started.running_ids() == []
    os.close(started._lock)


@pytest.fixture
def broker_away() -> Iterator[BrokerAway]:
    away = BrokerAway()
    yield away
    away.back()
