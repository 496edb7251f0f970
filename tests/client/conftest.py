"""People with tokens at a board's rows, and a command line for each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.actors import actor_for
from accounts.models import User
from accounts.services import tokens
from slots.services import catalogue, parts
from tests.client.rig import CommandLine

EVERYTHING = ("read", "power", "console", "flash", "switch", "reserve", "people")


@pytest.fixture
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    parts.forget()
    return tmp_path


@pytest.fixture
def board(db, data_dir) -> None:
    """The demo board's rows, without a board behind them."""
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    (data_dir / "boards" / "demo.toml").write_text("\n".join(lines))
    catalogue.sync_boards()


@pytest.fixture
def as_(board) -> Callable[..., CommandLine]:
    """`as_("olga", "operator")`: the command line with a token of that person's, who is made if need be."""

    def sign(name: str, role: str = "", scopes: tuple[str, ...] = EVERYTHING) -> CommandLine:
        person = User.objects.filter(username=name).first() or User.objects.create_user(name, role=role)
        return CommandLine(tokens.make(actor_for(person), person, tokens.Wish("script", scopes))[1])

    return sign


@pytest.fixture
def alice(as_) -> CommandLine:
    return as_("alice", "administrator")


@pytest.fixture
def olga(as_) -> CommandLine:
    return as_("olga", "operator")


@pytest.fixture
def vera(as_) -> CommandLine:
    return as_("vera", "viewer")
