"""The upload protocol, header by header: what clients of tus 1.0 hold on to."""

import base64
import fcntl
import hashlib
import os
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.utils import timezone

from images import store
from images.models import Upload, UploadState
from images.services import uploads
from nanoportal.handler import THREADS
from operations.models import AuditEntry
from operations.refusals import Conflict, Gone
from tests.images.rig import UPLOADS, TusClient, files, id_of, person


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def test_an_upload_begins_with_an_address_and_nothing_received(tus):
    answer = tus.create(1000, "pi.img", sha256="ab" * 32)

    assert answer.status_code == 201
    assert answer["Tus-Resumable"] == "1.0.0"
    assert answer["Upload-Offset"] == "0"
    assert answer["Upload-Expires"].endswith("GMT")
    state = tus.head(answer["Location"])
    assert (state.status_code, state["Upload-Length"], state["Upload-Offset"]) == (200, "1000", "0")
    assert state["Cache-Control"] == "no-store"
    assert base64.b64encode(b"pi.img").decode() in state["Upload-Metadata"]


def test_the_protocol_is_described_without_a_login(client):
    answer = client.options(UPLOADS)
    assert answer.status_code == 204
    assert answer["Tus-Version"] == "1.0.0"
    assert set(answer["Tus-Extension"].split(",")) == {"creation", "expiration", "termination", "checksum"}
    assert "sha256" in answer["Tus-Checksum-Algorithm"]


def test_chunks_add_up_and_the_last_one_hands_the_file_to_the_inspection(tus):
    url = tus.begin(10)
    assert tus.patch(url, 0, b"0123")["Upload-Offset"] == "4"
    assert tus.patch(url, 4, b"456")["Upload-Offset"] == "7"
    assert Upload.objects.get().state == UploadState.RECEIVING
    answer = tus.patch(url, 7, b"789")
    assert (answer.status_code, answer["Upload-Offset"]) == (204, "10")
    assert Upload.objects.get().state == UploadState.CHECKING
    assert store.incoming(id_of(url)).read_bytes() == b"0123456789"


def test_a_chunk_at_another_offset_than_the_next_is_refused_and_changes_nothing(tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"0123")
    for offset in (0, 3, 5, 10):
        answer = tus.patch(url, offset, b"xx")
        assert answer.status_code == 409
        assert answer.json()["code"] == "wrong-offset"
        assert answer["Tus-Resumable"] == "1.0.0", "clients read it on refusals too"
    assert tus.offset(url) == 4
    assert store.incoming(id_of(url)).read_bytes() == b"0123"


def test_a_chunk_beyond_the_announced_size_is_refused(tus):
    url = tus.begin(3)
    assert tus.patch(url, 0, b"0123").json()["code"] == "beyond-the-end"
    assert tus.offset(url) == 0


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_chunk_with_its_checksum_counts(tus, algorithm):
    url = tus.begin(4)
    assert tus.patch(url, 0, b"0123", Upload_Checksum=checksum(b"0123", algorithm)).status_code == 204


def test_a_damaged_chunk_does_not_count_and_can_be_sent_again(tus):
    url = tus.begin(8)
    answer = tus.patch(url, 0, b"0123", Upload_Checksum=checksum(b"0124"))
    assert answer.status_code == 460
    assert tus.offset(url) == 0
    assert tus.patch(url, 0, b"abcd", Upload_Checksum=checksum(b"abcd")).status_code == 204
    assert tus.patch(url, 4, b"efgh").status_code == 204
    assert store.incoming(id_of(url)).read_bytes() == b"abcdefgh"


def test_an_unknown_checksum_algorithm_is_refused(tus):
    assert tus.patch(tus.begin(4), 0, b"0123", Upload_Checksum="crc32 AAAA").status_code == 400


def test_what_the_protocol_asks_for_is_asked_for(tus, olga):
    url = tus.begin(4)
    assert tus.patch(url, 0, b"0123", **{"Tus-Resumable": "0.2.2"}).status_code == 412
    assert tus.patch(url, 0, b"0123", **{"Content-Type": "application/json"}).status_code == 415
    assert tus.patch(url, 0, b"0123", Upload_Offset="x").status_code == 400
    without_length = olga.post(UPLOADS, headers={"Tus-Resumable": "1.0.0", "Upload-Metadata": "filename YQ=="})
    assert without_length.status_code == 400
    assert "Upload-Length" in without_length.json()["message"]
    assert tus.create(10, "").json()["code"] == "bad-name"
    assert tus.create(0).status_code == 400
    assert tus.create(10, sha256="abc").json()["code"] == "bad-sha256"
    broken = {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": "filename !!"}
    assert olga.post(UPLOADS, headers=broken).json()["code"] == "bad-header"


def test_terminating_leaves_nothing_behind(tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"0123")
    assert tus.delete(url).status_code == 204
    assert files() == set()
    assert tus.head(url).status_code == 404
    assert tus.patch(url, 4, b"4567").status_code == 404
    last = AuditEntry.objects.first()
    assert (last.actor, last.action, last.outcome) == ("olga", "image.cancel", "done")


def test_two_chunks_at_once_do_not_mix(tus):
    """The second one finds the file locked, and its client asks where to go on."""
    url = tus.begin(10)
    tus.patch(url, 0, b"0123")
    with store.open_incoming(id_of(url), fresh=False) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        answer = tus.patch(url, 4, b"4567")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload-busy")
    assert tus.patch(url, 4, b"4567").status_code == 204


def test_bytes_beyond_what_was_confirmed_do_not_count(tus):
    """A crash between the write and the row leaves more in the file than the row says."""
    url = tus.begin(8)
    tus.patch(url, 0, b"0123")
    with open(store.incoming(id_of(url)), "ab") as stream:
        stream.write(b"??")
    assert tus.offset(url) == 4
    tus.patch(url, 4, b"4567")
    assert store.incoming(id_of(url)).read_bytes() == b"01234567"


def test_an_upload_belongs_to_whoever_began_it(tus):
    url = tus.begin(10)
    bert = TusClient(person("bert", "flasher"))
    assert bert.head(url).status_code == 403
    assert bert.patch(url, 0, b"0123").status_code == 403
    assert bert.delete(url).status_code == 403
    assert Upload.objects.get().received_bytes == 0
    alice = TusClient(person("alice", "administrator"))
    assert alice.delete(url).status_code == 204, "who may delete images may end it"


def test_a_person_has_four_uploads_at_once(tus):
    for _ in range(uploads.MOST_OPEN_EACH):
        tus.begin(10)
    answer = tus.create(10)
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-uploads")
    assert TusClient(person("bert", "flasher")).create(10).status_code == 201


def test_an_upload_that_nobody_goes_on_with_expires_and_leaves_nothing(tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"0123")
    uploads.expire()
    assert tus.offset(url) == 4
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    uploads.expire()
    assert tus.head(url).status_code == 404
    assert files() == set()
    assert AuditEntry.objects.first().outcome == "expired"


def test_a_lost_file_ends_its_upload_with_a_sentence(tus):
    url = tus.begin(10)
    tus.patch(url, 0, b"0123")
    store.incoming(id_of(url)).unlink()
    answer = tus.patch(url, 4, b"4567")
    assert (answer.status_code, answer.json()["code"]) == (410, "upload-lost")


def test_a_disk_that_fills_while_a_chunk_is_written_costs_that_chunk_only(tus, monkeypatch):
    url = tus.begin(8)
    tus.patch(url, 0, b"0123")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda *_: 0)
        answer = tus.patch(url, 4, b"4567")
    assert (answer.status_code, answer.json()["code"]) == (422, "no-room")
    assert "No space left on device" in answer.json()["message"]
    assert tus.patch(url, 4, b"4567").status_code == 204


def test_whoever_may_not_upload_learns_why(types):
    viewer = TusClient(person("vera", "viewer"))
    answer = viewer.create(10)
    assert answer.status_code == 403
    assert "needs the role flasher" in answer.json()["message"]
    assert Upload.objects.count() == 0


def test_nobody_uploads_without_signing_in_or_without_the_token_of_their_session(client, types):
    assert TusClient(client).create(10).status_code == 401
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.cookies = person("olga", "flasher").cookies
    assert TusClient(strict).create(10).status_code == 403


def test_a_slow_disk_leaves_threads_for_pages_and_power(tus, monkeypatch):
    """When as many chunks are being written as may be, the next one is asked to come again."""
    monkeypatch.setattr(uploads, "WRITER_SECONDS", 0.01)
    url = tus.begin(4)
    with ExitStack() as taken:
        for _ in range(uploads.MOST_WRITERS):
            taken.enter_context(uploads._turn())
        answer = tus.patch(url, 0, b"0123")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload-busy")
    assert uploads.MOST_WRITERS < THREADS
    assert tus.patch(url, 0, b"0123").status_code == 204


def test_a_client_that_leaves_in_the_middle_of_a_chunk_costs_that_chunk_only(tus, flasher):
    url = tus.begin(8)
    tus.patch(url, 0, b"0123")

    def closed(_size: int) -> bytes:
        raise Conflict("The client left.", code="client-left")

    with pytest.raises(Conflict):
        uploads.append(Upload.objects.get(), 4, 4, closed)
    assert tus.patch(url, 4, b"4567").status_code == 204


def test_a_request_that_looked_before_another_chunk_counted_does_not_write_over_it(tus):
    url = tus.begin(8)
    late = Upload.objects.get()
    tus.patch(url, 0, b"0123")
    with pytest.raises(Conflict, match="The next byte is 4"):
        uploads.append(late, 0, 4, lambda _size: b"????")
    assert store.incoming(late.pk).read_bytes() == b"0123"


def test_a_chunk_of_an_upload_that_was_given_up_meanwhile_is_gone(tus, flasher):
    url = tus.begin(8)
    tus.patch(url, 0, b"0123")
    late = Upload.objects.get()
    Upload.objects.all().delete()
    with pytest.raises(Gone, match="given up meanwhile"):
        uploads.append(late, 4, 4, lambda _size: b"4567")
