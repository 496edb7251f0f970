"""Uploads over a network that loses answers, and which file an unfinished upload is of."""

from pathlib import Path

import httpx
import pytest

from images.models import Upload
from nanoportal_client import uploading
from nanoportal_client.access import Access
from nanoportal_client.portal import Portal
from nanoportal_client.problems import Exit, Problem
from tests.client.rig import URL, CommandLine

CHUNK = 50_000


@pytest.fixture
def flasher(as_, monkeypatch) -> CommandLine:
    monkeypatch.setattr(uploading, "CHUNK_BYTES", CHUNK)
    return as_("fay", "flasher")


@pytest.fixture
def portal(flasher: CommandLine) -> Portal:
    return flasher.open(Access(URL, flasher.token), clock=flasher.clock)


@pytest.fixture
def file(tmp_path: Path, flasher: CommandLine) -> uploading.File:
    path = tmp_path / "lab.img"
    path.write_bytes(bytes(range(256)) * 1000)
    return uploading.measure(path, lambda count: None)


def arrived(data_dir: Path, upload: str) -> bytes:
    return next(
        path for path in (data_dir / "images" / "incoming").iterdir() if upload.replace("-", "") in path.name
    ).read_bytes()


def send(portal: Portal, flasher: CommandLine, upload: str, file: uploading.File) -> list[int]:
    done: list[int] = []
    reached = uploading.offset_of(portal, upload)
    uploading.send(portal, upload, file, reached, done.append, flasher.clock)
    return [reached, *done]


def test_every_byte_arrives_once_though_answers_are_lost(portal, flasher, file, data_dir) -> None:
    upload = uploading.begin(portal, file)
    flasher.network.lost_answers = 3
    done = send(portal, flasher, upload, file)
    assert sum(done) == file.size
    assert arrived(data_dir, upload) == file.path.read_bytes()
    assert Upload.objects.get().state == "checking"
    chunks = [request for request in flasher.network.requests if request.method == "PATCH"]
    assert len(chunks) == -(-file.size // CHUNK), "what had arrived was not sent again"


def test_a_chunk_that_was_damaged_on_its_way_is_sent_again(portal, flasher, file, data_dir) -> None:
    upload = uploading.begin(portal, file)

    def damage(request: httpx.Request) -> None:
        if request.method == "PATCH":
            flasher.network.before = lambda request: None
            request.stream = httpx.ByteStream(b"x" * CHUNK)

    flasher.network.before = damage
    send(portal, flasher, upload, file)
    assert arrived(data_dir, upload) == file.path.read_bytes()


def test_an_unfinished_upload_is_known_by_its_whole_content(portal, flasher, file, as_) -> None:
    upload = uploading.begin(portal, file)
    assert uploading.unfinished(portal, file) == upload
    changed = file.path.read_bytes()[:-1] + b"?"
    file.path.write_bytes(changed)
    assert uploading.unfinished(portal, uploading.measure(file.path, lambda count: None)) == ""
    other = as_("finn", "flasher")
    assert uploading.unfinished(other.open(Access(URL, other.token)), file) == "", "it is fay's"


def test_what_was_given_up_meanwhile_is_not_gone_on_with(portal, flasher, file) -> None:
    upload = uploading.begin(portal, file)
    Upload.objects.all().delete()
    with pytest.raises(Problem) as problem:
        send(portal, flasher, upload, file)
    assert problem.value.exit_code == Exit.NOT_THERE
    assert uploading.unfinished(portal, file) == ""


def test_a_portal_that_is_away_for_a_minute_is_waited_for(portal, flasher, file, data_dir) -> None:
    upload = uploading.begin(portal, file)
    seen: list[httpx.Request] = []

    def go(request: httpx.Request) -> None:
        seen.append(request)
        flasher.network.lost_requests = 1 if 3 < len(seen) < 30 else 0

    flasher.network.before = go
    send(portal, flasher, upload, file)
    assert arrived(data_dir, upload) == file.path.read_bytes()
    assert sum(flasher.slept) > 20


def test_a_portal_that_is_gone_for_good_ends_it_and_the_same_command_goes_on(portal, flasher, file, data_dir) -> None:
    upload = uploading.begin(portal, file)

    def go(request: httpx.Request) -> None:
        if len([one for one in flasher.network.requests if one.method == "PATCH"]) > 2:
            flasher.network.lost_requests = 1

    flasher.network.before = go
    with pytest.raises(Problem) as problem:
        send(portal, flasher, upload, file)
    assert problem.value.exit_code == Exit.UNREACHABLE
    flasher.network.before = lambda request: None
    flasher.network.lost_requests = 0
    assert uploading.unfinished(portal, file) == upload
    assert send(portal, flasher, upload, file)[0] == 2 * CHUNK
    assert arrived(data_dir, upload) == file.path.read_bytes()


def test_a_refused_image_is_a_failure_with_the_portals_words(portal, file) -> None:
    upload = uploading.begin(portal, file)
    Upload.objects.update(state="refused", code="not-an-image", message="This is no image.")
    with pytest.raises(Problem, match="This is no image") as problem:
        uploading.standing(portal, upload)
    assert (problem.value.exit_code, problem.value.code) == (Exit.FAILED, "not-an-image")
