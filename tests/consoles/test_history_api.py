"""Recordings through the API: who may read, search and download them, and what comes."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client

from consoles.models import ConsolePort
from consoles.services import history
from operations.models import AuditEntry
from operations.restrictions import restrict
from slots.models import Board, Slot
from slots.services import catalogue
from tests.consoles.recording import T0, make, stage

API = "/api/v1/boards/demo"
SLOT3 = f"{API}/slots/3"
AT = datetime.fromtimestamp(T0, UTC)


@pytest.fixture
def board(db, settings, tmp_path: Path) -> Board:
    """A board with consoles on slots 2 and 3, and what they said."""
    settings.DATA_DIR, settings.BOARDS_DIR = tmp_path, tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    catalogue.seed_som_types()
    board = Board.objects.create(slug="demo", name="Demo")
    for number in range(1, 8):
        Slot.objects.create(board=board, number=number, uart=number in (2, 3))
    make(
        history.directory("demo", 3),
        [(0, b"U-Boot 2023.01\r\n"), stage(0, "boot-loader", "boot loader started"), (2, b"\x1b[31mKernel")],
        [
            (3, b"\x1b[0m panic\r\n"),
            stage(3, "panic", "panic: Kernel panic"),
            (60, b"\x1b]0;evil\x07\xe6"),
            (61, b"\xbc\xa2"),
        ],
    )
    make(history.directory("demo", 2), [(1, b"all is well\n")])
    return board


@pytest.fixture
def client_of(make_person) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(make_person(f"{role} person", role))
        return client

    return sign_in


@pytest.fixture
def viewer_client(board, client_of) -> Client:
    return client_of("viewer")


def acts() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.order_by("seq").filter(action__startswith="console.")
    return [(entry.action, entry.target, entry.outcome) for entry in entries]


def test_a_recording_has_its_segments_and_markers(viewer_client):
    said = viewer_client.get(f"{SLOT3}/recordings").json()
    assert [(one["start"], one["bytes"], one["cursor"]) for one in said["segments"]] == [
        ("2026-11-22T03:00:00Z", 27, "1-0"),
        ("2026-11-22T03:00:03Z", 24, "2-0"),
    ]
    assert [(one["kind"], one["detail"]["stage"]) for one in said["markers"]] == [
        ("stage", "boot-loader"),
        ("stage", "panic"),
    ]
    assert viewer_client.get(f"{API}/slots/2/recordings").json()["markers"] == []
    assert viewer_client.get(f"{API}/slots/5/recordings").json() == {"segments": [], "markers": []}


def test_records_come_from_a_moment_on_and_byte_for_byte(viewer_client):
    said = viewer_client.get(f"{SLOT3}/recordings/data", {"from": "2026-11-22T03:00:02Z"}).json()
    data = [base64.b64decode(record["d"]) for record in said["records"] if "d" in record]
    assert data == [b"\x1b[31mKernel", b"\x1b[0m panic\r\n", b"\x1b]0;evil\x07\xe6", b"\xbc\xa2"]
    assert [record["m"]["words"] for record in said["records"] if "m" in record] == ["panic: Kernel panic"]
    assert said["records"][0]["t"] == T0 + 2
    assert said["next"] is None
    later = viewer_client.get(f"{SLOT3}/recordings/data", {"from": "2026-11-22T03:00:02", "to": "2026-11-22T03:00:03Z"})
    assert len(later.json()["records"]) == 3
    assert viewer_client.get(f"{SLOT3}/recordings/data", {"from": "2027-01-01T00:00:00Z"}).json()["records"] == []
    assert acts() == [], "playing back is not audited"


def test_a_search_leads_from_slot_to_moment_and_is_audited_once(viewer_client):
    said = viewer_client.get(f"{API}/recordings/search", {"q": "u-BOOT"}).json()
    hit = {"slot": 3, "at": "2026-11-22T03:00:00Z", "line": "U-Boot 2023.01", "before": "", "after": "Kernel"}
    assert said == {"hits": [hit], "older": None, "reached": None}
    said = viewer_client.get(f"{API}/recordings/search", {"q": "PANIC", "slot": 3}).json()
    assert [(hit["slot"], hit["at"]) for hit in said["hits"]] == [(3, "2026-11-22T03:00:03Z")]
    older = viewer_client.get(f"{API}/recordings/search", {"q": "is", "older": "2:1-12-12,3:0-0-0"}).json()
    assert [hit["line"] for hit in older["hits"]] == ["all is well"]
    assert acts() == [("console.searched", "demo", "done")] * 2


def test_a_download_is_text_or_an_asciicast_and_audited(viewer_client):
    answer = viewer_client.get(f"{SLOT3}/recordings/download")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="demo-slot3.txt"'
    assert content(answer).decode() == (
        "U-Boot 2023.01\n--- 2026-11-22 03:00:00 UTC: boot loader started ---\nKernel panic\n"
        "--- 2026-11-22 03:00:03 UTC: panic: Kernel panic ---\n漢"
    )
    answer = viewer_client.get(f"{SLOT3}/recordings/download", {"format": "cast", "from": AT.isoformat()})
    assert answer["Content-Disposition"] == 'attachment; filename="demo-slot3-20261122T030000.cast"'
    header, *events = map(json.loads, content(answer).decode().splitlines())
    assert (header["version"], header["timestamp"]) == (2, int(T0))
    assert events[0] == [0.0, "o", "U-Boot 2023.01\r\n"]
    assert acts() == [("console.downloaded", "demo/uart:3", "done")] * 2


def content(answer) -> bytes:
    async def read() -> bytes:
        return b"".join([chunk async for chunk in answer.streaming_content])

    return async_to_sync(read)()


REFUSED = {
    "another format": ("slots/3/recordings/download?format=pdf", 400, "unknown-format"),
    "no cursor": ("slots/3/recordings/data?cursor=x", 400, "invalid-cursor"),
    "an empty search": ("recordings/search?q=", 400, "invalid-search"),
    "nothing to go on from": ("recordings/search?q=a&older=b", 400, "invalid-search"),
    "no such slot": ("slots/9/recordings", 404, "unknown-slot"),
    "no serial port": ("slots/5/console", 404, "unknown-port"),
    "no time": ("slots/3/recordings/data?from=yesterday", 400, "invalid"),
}


@pytest.mark.parametrize(("path", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_in_a_sentence(viewer_client, path, status, code):
    answer = viewer_client.get(f"{API}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"].endswith(".")


def test_an_unknown_board_has_no_consoles(viewer_client):
    for path in ("consoles", "recordings/search?q=a", "slots/3/recordings"):
        assert viewer_client.get(f"/api/v1/boards/nowhere/{path}").status_code == 404


PATHS = ["console", "recordings", "recordings/data", "recordings/download"]


@pytest.mark.parametrize("path", PATHS)
def test_a_console_that_one_may_not_read_has_no_past_either(viewer_client, client_of, administrator, path):
    restrict("demo/uart:3", "console.read", "operator", administrator)
    answer = viewer_client.get(f"{SLOT3}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    assert viewer_client.get(f"{API}/slots/2/{path}").status_code == 200
    assert client_of("operator").get(f"{SLOT3}/{path}").status_code == 200


def test_a_search_leaves_out_what_one_may_not_read_and_refuses_what_one_asks_for(viewer_client, administrator):
    restrict("demo/uart:3", "console.read", "operator", administrator)
    assert viewer_client.get(f"{API}/recordings/search", {"q": "panic"}).json()["hits"] == []
    assert viewer_client.get(f"{API}/recordings/search", {"q": "panic", "slot": 3}).status_code == 403
    assert [one["slot"] for one in viewer_client.get(f"{API}/consoles").json()["consoles"]] == [2]
    assert acts()[-1] == ("console.searched", "demo", "refused")


def test_nobody_reads_without_signing_in(board):
    for path in (f"{API}/consoles", f"{SLOT3}/recordings", f"{SLOT3}/recordings/download"):
        assert Client().get(path).status_code == 401


def test_a_console_says_how_it_is_set_and_that_nobody_listens(viewer_client):
    ConsolePort.objects.create(slot=Slot.objects.get(number=3), baud=921600, quota_mib=8)
    said = viewer_client.get(f"{SLOT3}/console").json()
    assert (said["slot"], said["baud"], said["state"], said["may_type"]) == (3, 921600, "unknown", False)
    assert said["problem"].startswith("The console daemon is away")
    recording = {"enabled": True, "quota_mib": 8, "retention_days": 30, "state": "unknown", "problem": ""}
    assert said["recording"] == recording


@pytest.mark.django_db(transaction=True)
async def test_a_download_is_sent_piece_by_piece(board, make_person):
    make(history.directory("demo", 3), [(number, b"x" * 1000) for number in range(500)])
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(make_person)("vera", "viewer"))
    answer = await client.get(f"{SLOT3}/recordings/download")
    sizes = [len(chunk) async for chunk in answer.streaming_content]
    assert sum(sizes) > 500_000
    assert max(sizes) < 80_000
