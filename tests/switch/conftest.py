"""A board whose switch is simulated in the test's own process, and a worker beside it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from hardware.switch_setup import SwitchSetup
from operations import worker
from operations.rights import NETWORK_ENGINEER
from operations.roles import Actor
from slots.models import Board
from slots.services import catalogue, parts
from switch.documents import to_document
from switch.models import VlanRevision
from switch.services import running
from tests.slots.pages import person
from tests.switch import rig
from tests.switch.rig import Switch


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Iterator[Path]:
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    parts.forget()
    yield tmp_path
    parts.forget()


@pytest.fixture
def engineer() -> Actor:
    """Whoever may change VLANs without overriding anything."""
    return Actor(name="olga", role="network-engineer", credential="session", address="127.0.0.1")


@pytest.fixture
def nina(board) -> Client:
    """A browser in which a network engineer has signed in."""
    user, _ = User.objects.get_or_create(username="nina", defaults={"role": NETWORK_ENGINEER})
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def vera(board) -> Client:
    """A browser in which a viewer has signed in."""
    return person("viewer")


@pytest.fixture
def board(db, data_dir) -> Board:
    """The demo board's rows; its file names a switch that nobody answers for."""
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    lines += ["[switch]", 'bus = "sim:/nowhere/i2c.sock"']
    (data_dir / "boards" / f"{rig.SLUG}.toml").write_text("\n".join(lines))
    return catalogue.sync_boards()[0]


@pytest.fixture
def switch(board, data_dir, monkeypatch) -> Switch:
    """The demo board's switch, fresh from reset, all ports linked."""
    made = Switch(data_dir)
    parts.hardware(rig.SLUG)._switch = made.chip
    monkeypatch.setattr(running, "CLOCK", made.clock)
    return made


@pytest.fixture
def me(data_dir, monkeypatch) -> Iterator[worker.Worker]:
    """This process as the worker of its data directory."""
    monkeypatch.setattr(worker, "_current", None)
    started = worker.start(data_dir, "local")
    yield started
    assert started.running_ids() == []
    os.close(started._lock)


@pytest.fixture
def home(switch, me, board, administrator: Actor) -> Switch:
    """The switch as HOME, which alice confirmed; scanned."""
    running.keep_scan(board, switch.set_up(rig.HOME))
    document = to_document(SwitchSetup(rig.HOME), running.wiring(board))
    VlanRevision.objects.create(
        board=board, number=1, document=document, author=administrator.name, confirmed_at=timezone.now()
    )
    return switch
