"""Going back in recordings by the pages: searching older, and what the player is given for a moment."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.test import Client

from consoles.recordings import search
from consoles.services import history
from operations import restrictions
from operations.roles import PORTAL
from slots.models import Board, Slot
from slots.services import catalogue, parts
from tests.consoles.recording import T0, make
from tests.slots.pages import person, text_of

SEARCH = "/boards/demo/consoles/search/"
DATA = "/boards/demo/slots/3/recordings/data"
AT = datetime.fromtimestamp(T0, UTC)


@pytest.fixture(autouse=True)
def board(db, settings, tmp_path) -> Iterator[Board]:
    """The demo board's rows, with serial ports at slots 3 and 5."""
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    (settings.BOARDS_DIR / "demo.toml").write_text("\n".join(lines))
    parts.forget()
    row = catalogue.sync_boards()[0]
    Slot.objects.filter(board=row, number__in=(3, 5)).update(uart=True)
    yield row
    parts.forget()


@pytest.fixture
def vera() -> Client:
    return person("viewer")


def older(html: str) -> str:
    """The address of *Search older*; "" where there is no more."""
    found = re.search(r'href="(\?q=[^"]+older=[^"]+)">Search older', html)
    return found[1].replace("&amp;", "&") if found else ""


def test_searching_older_goes_on_through_all_slots_and_tells_each_hit_once(vera):
    for slot in (3, 5):
        make(history.directory("demo", slot), [(n, b"slot %d, oops %03d\n" % (slot, n)) for n in range(60)])
    told, pages, address = [], 0, "?q=oops"
    while address:
        html = vera.get(SEARCH + address).content.decode()
        told += re.findall(r"slot (\d), <mark>oops</mark> (\d+)", html)
        pages, address = pages + 1, older(html)
    assert sorted(told) == sorted((slot, f"{n:03d}") for slot in "35" for n in range(60))
    assert pages == 3, "50 to a page"


def test_a_search_that_has_not_ended_does_not_say_that_there_is_nothing(vera, monkeypatch):
    monkeypatch.setattr(history.searching, "search", partial(search.search, seconds=0.0))
    make(history.directory("demo", 3), [(n, b"chatter\r\n" * 20_000) for n in range(12)])
    html = vera.get(f"{SEARCH}?q=panic").content.decode()
    assert "Not found so far" in html
    assert "Looked through back to" in text_of(html)
    while address := older(html):
        html = vera.get(SEARCH + address).content.decode()
    assert "Not found so far" not in html
    assert "No recording that you may read holds this text" in html


def test_an_empty_search_is_no_search(vera):
    assert "Newest first" in vera.get(f"{SEARCH}?q=++").content.decode()


def test_the_player_is_given_what_stood_at_a_moment_and_where_it_goes_on(vera):
    make(history.directory("demo", 3), [(0, b"login: "), (7200, b"panic")])
    said = vera.get(DATA, {"at": (AT + timedelta(hours=1)).isoformat()}).json()
    assert [(one["t"], base64.b64decode(one["d"])) for one in said["records"]] == [(T0, b"login: ")]
    following = vera.get(DATA, {"cursor": said["next"]}).json()
    assert [base64.b64decode(one["d"]) for one in following["records"]] == [b"panic"]
    assert vera.get(DATA, {"at": "yesterday"}).status_code == 400


def test_what_stood_there_needs_the_right_to_read(vera):
    make(history.directory("demo", 3), [(0, b"secret")])
    restrictions.restrict("demo/uart:3", "console.read", "operator", PORTAL)
    answer = vera.get(DATA, {"at": AT.isoformat()})
    assert answer.status_code == 403
    assert base64.b64encode(b"secret") not in answer.content
    assert vera.get(f"{SEARCH}?q=secret").content.decode().count("<mark>") == 0
