"""From a whole file to an image: what is learnt, what is refused, and that nothing half made ever looks whole."""

import gzip
import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.flash.image import inspect
from images import store
from images.models import FirmwareImage, Upload, UploadState
from images.services import checking, inspector, library, uploads
from operations.models import AuditEntry
from slots.models import SomType
from tests.images.rig import MIB, files, gz_image, kept_image, raw_image, sha256, uploaded, xz_image

pytestmark = pytest.mark.usefixtures("types")


def test_an_uploaded_file_becomes_an_image_that_says_what_is_in_it(flasher):
    data = xz_image(4)
    image = kept_image(data, flasher, "2026-11-raspios-lite.img.xz", sha256=sha256(data))

    assert image.name == "2026-11-raspios-lite"
    assert (image.format, image.stored_bytes, image.size_bytes) == ("xz", len(data), 4 * MIB)
    assert MIB // 4 <= image.mapped_bytes < MIB, "zeros need not be sent"
    assert (image.sha256, image.sha256_compared) == (sha256(data), True)
    assert (image.scheme, image.boot_partition) == ("mbr", 1)
    assert image.partitions[0]["label"] == "bootfs"
    assert (image.added_by, image.block_map_given) == ("olga", False)
    assert store.kept(image.pk).read_bytes() == data
    assert oct(store.kept(image.pk).stat().st_mode & 0o777) == "0o400", "nobody writes it any more"
    assert sum(extent.length for extent in library.block_map(image).extents) == 4 * MIB
    assert Upload.objects.count() == 0
    assert files() == {f"library/{image.pk.hex}.img", f"library/{image.pk.hex}.map"}
    entry = AuditEntry.objects.first()
    assert (entry.actor, entry.action, entry.outcome) == ("olga", "image.upload", "done")
    assert json.loads(entry.text)["detail"]["sha256"] == image.sha256


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: data[: len(data) // 2], "image-truncated"),
        (lambda data: data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :], "image-corrupt"),
    ],
    ids=["cut short", "damaged"],
)
def test_a_damaged_file_is_refused_with_a_sentence_and_leaves_nothing(flasher, damage, code):
    upload = uploaded(damage(gz_image(4)), flasher, "pi.img.gz")

    checking.run()

    upload.refresh_from_db()
    assert (upload.state, upload.code) == (UploadState.REFUSED, code)
    assert upload.message.endswith(".")
    assert files() == set()
    assert FirmwareImage.objects.count() == 0
    entry = AuditEntry.objects.first()
    assert (entry.action, entry.outcome, entry.code) == ("image.upload", "failed", code)


def test_another_sha256_than_was_given_is_refused(flasher):
    upload = uploaded(raw_image(2), flasher, "pi.img", sha256="0" * 64)
    checking.run()
    upload.refresh_from_db()
    assert upload.code == "sha256-differs"
    assert sha256(raw_image(2)) in upload.message
    assert files() == set()


def test_a_file_that_the_library_has_is_not_kept_twice(flasher):
    image = kept_image(raw_image(2), flasher, "pi.img")
    again = uploaded(raw_image(2), flasher, "copy-of-pi.img")
    checking.run()
    again.refresh_from_db()
    assert again.code == "known-image"
    assert again.message == "This is pi, which is in the library already."
    assert files() == {f"library/{image.pk.hex}.img", f"library/{image.pk.hex}.map"}


def test_a_block_map_that_came_with_the_file_is_compared_and_kept(flasher):
    first = kept_image(raw_image(4), flasher, "a.img")
    block_map = library.block_map(first).to_bmap()
    library.retire(first, flasher)
    store.drop(first.pk)
    first.delete()

    upload = uploads.begin(uploads.Wish("b.img", 4 * MIB), flasher)
    uploads.give_block_map(upload, block_map)
    pieces = [raw_image(4)]
    uploads.append(upload, 0, 4 * MIB, lambda _: pieces.pop() if pieces else b"")
    checking.run()

    image = FirmwareImage.objects.get()
    assert image.block_map_given
    assert files() == {f"library/{image.pk.hex}.img", f"library/{image.pk.hex}.map"}
    assert library.block_map(image).to_bmap() == block_map


def test_a_block_map_of_another_image_is_refused(flasher):
    other = library.block_map(kept_image(raw_image(4, seed=2), flasher, "a.img")).to_bmap()
    upload = uploads.begin(uploads.Wish("b.img", 4 * MIB), flasher)
    uploads.give_block_map(upload, other)
    pieces = [raw_image(4)]
    uploads.append(upload, 0, 4 * MIB, lambda _: pieces.pop() if pieces else b"")
    checking.run()
    upload.refresh_from_db()
    assert upload.code == "block-map-invalid"


def test_progress_is_written_while_it_goes_on(flasher, monkeypatch):
    seen = []
    monkeypatch.setattr(checking, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(checking.events, "hint", lambda *_: seen.append(Upload.objects.values_list().first()))
    upload = uploaded(gz_image(4), flasher, "pi.img.gz")
    checking.run()
    field = [column.attname for column in Upload._meta.concrete_fields].index("expanded_bytes")
    grown = [row[field] for row in seen if row]
    assert grown == sorted(grown)
    assert {MIB, 2 * MIB, 3 * MIB, 4 * MIB} <= set(grown)
    assert not Upload.objects.filter(pk=upload.pk).exists()


def test_an_upload_given_up_during_its_inspection_leaves_nothing(flasher, monkeypatch):
    upload = uploaded(gz_image(4), flasher, "pi.img.gz")
    original = store.keep

    def give_up(*args):
        original(*args)
        uploads.cancel(upload.pk, flasher)

    monkeypatch.setattr(store, "keep", give_up)
    checking.run()
    assert FirmwareImage.objects.count() == 0
    assert files() == set()


class Died(BaseException):
    """The process died here."""


def dies(*_args, **_kwargs):
    raise Died


CRASHES = {
    "while it is inspected": (checking, "inspect"),
    "before the map": (store, "write_whole"),
    "before the rename": (store.os, "fchmod"),
    "between rename and row": (FirmwareImage.objects, "create"),
    "before the audit entry": (checking.audit, "record"),
}


@pytest.mark.parametrize("where", CRASHES)
def test_a_death_at_any_step_leaves_no_half_image_and_the_next_inspection_ends_it(flasher, monkeypatch, where):
    upload = uploaded(xz_image(2), flasher)
    with monkeypatch.context() as patched:
        patched.setattr(*CRASHES[where], dies)
        with pytest.raises(Died):
            checking.run()
    assert FirmwareImage.objects.count() == 0, "no row without everything before it"
    uploads.sweep()

    checking.run()

    image = FirmwareImage.objects.get(pk=upload.pk)
    assert store.kept(image.pk).read_bytes() == xz_image(2)
    uploads.sweep()
    assert files() == {f"library/{image.pk.hex}.img", f"library/{image.pk.hex}.map"}


def test_a_file_over_which_the_inspection_dies_again_and_again_is_refused(flasher, monkeypatch):
    upload = uploaded(raw_image(2), flasher, "pi.img")
    with monkeypatch.context() as patched:
        patched.setattr(checking, "inspect", dies)
        for _ in range(checking.MOST_ATTEMPTS):
            with pytest.raises(Died):
                checking.run()
    checking.run()
    upload.refresh_from_db()
    assert upload.code == "inspection-died"
    assert files() == set()


def test_a_fault_of_our_own_refuses_the_file_and_does_not_stop_the_next(flasher, monkeypatch, caplog):
    bad = uploaded(raw_image(2), flasher, "bad.img")
    good = uploaded(raw_image(2, seed=2), flasher, "good.img")
    monkeypatch.setattr(
        checking, "inspect", lambda path, **more: inspect(path, **more) if good.pk.hex in path.name else 1 / 0
    )
    checking.run()
    bad.refresh_from_db()
    assert (bad.state, bad.code) == (UploadState.REFUSED, "internal")
    assert FirmwareImage.objects.get().pk == good.pk
    assert "ZeroDivisionError" in caplog.text


def test_what_a_crash_left_without_a_row_is_swept_and_what_has_one_stays(flasher):
    image = kept_image(raw_image(2), flasher, "pi.img")
    waiting = uploads.begin(uploads.Wish("b.img", 10), flasher)
    pieces = [b"0123"]
    uploads.append(waiting, 0, 4, lambda _: pieces.pop() if pieces else b"")
    kept = files()
    stray = "0123456789abcdef" * 2
    for name in (f"incoming/{stray}.part", f"library/{stray}.img", f"library/{stray}.map"):
        (store.root() / name).write_bytes(b"?")
    uploads.sweep()
    assert files() == kept
    assert library.problem(image) == ""


def test_two_inspections_at_once_are_one(flasher):
    uploaded(raw_image(2), flasher, "pi.img")
    with checking._alone() as first:
        assert first
        assert checking.run() == 0
    assert checking.run() == 1


def test_an_inspection_whose_worker_died_ends_and_the_next_one_does_it(flasher, monkeypatch):
    uploaded(gz_image(8), flasher, "pi.img.gz")
    with monkeypatch.context() as patched:
        patched.setattr(checking, "LOOK_SECONDS", 0.001)
        patched.setattr(os, "getppid", iter([7, *[1] * 10_000]).__next__)
        patched.setattr(checking, "inspect", lambda path, **more: more["stop"].wait(5) and inspect(path, **more))
        with pytest.raises(checking.Orphaned):
            checking.run()
    assert Upload.objects.get().state == UploadState.CHECKING
    checking.run()
    assert FirmwareImage.objects.count() == 1


def test_a_refusal_is_shown_for_a_week(flasher):
    upload = uploaded(gz_image(2)[:1000], flasher, "pi.img.gz")
    checking.run()
    uploads.expire()
    assert Upload.objects.count() == 1
    Upload.objects.filter(pk=upload.pk).update(touched_at=timezone.now() - timedelta(days=8))
    uploads.expire()
    assert Upload.objects.count() == 0


@pytest.fixture
def started(monkeypatch):
    """The processes that the worker would have started, all of them still running."""
    found = []

    class Process:
        def __init__(self, words, **_):
            found.append(words)

        def poll(self):
            return None

    monkeypatch.setattr(inspector.subprocess, "Popen", Process)
    monkeypatch.setattr(inspector, "_process", None)
    return found


ONE = [[sys.executable, "manage.py", "check_images"]]


def test_the_worker_starts_one_inspection_when_something_waits(flasher, started):
    inspector.start_if_needed()
    assert started == []
    uploaded(raw_image(2), flasher, "pi.img")
    inspector.start_if_needed()
    inspector.start_if_needed()
    assert started == ONE


def test_the_worker_has_tidied_up_what_is_left_over_and_frees_no_disk_itself(flasher, started):
    kept_image(raw_image(2), flasher, "pi.img")
    waiting = uploads.begin(uploads.Wish("b.img", 10), flasher)
    inspector.tidy_if_needed()
    assert started == []
    Upload.objects.filter(pk=waiting.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    inspector.tidy_if_needed()
    assert started == ONE
    assert Upload.objects.count() == 1
    checking.run()
    assert Upload.objects.count() == 0


def test_files_that_no_row_knows_call_for_the_same(flasher, started):
    store.prepare()
    (store.root() / "incoming" / f"{'0123' * 8}.part").write_bytes(b"?")
    inspector.tidy_if_needed()
    assert started == ONE
    checking.run()
    assert files() == set()


def test_a_bomb_is_refused_while_it_expands(flasher, monkeypatch):
    """A thousand times its size of zeros: refused at the limit, with nothing written."""
    bomb = gzip.compress(bytes(64 * MIB), 9)
    monkeypatch.setattr(checking, "inspect", lambda path, **more: inspect(path, **more, max_size_bytes=16 * MIB))
    upload = uploaded(bomb, flasher, "bomb.img.gz")
    checking.run()
    upload.refresh_from_db()
    assert upload.code == "image-too-large"
    assert files() == set()


@pytest.mark.parametrize(
    ("name", "label", "fits"),
    [
        ("2026-10-raspios-lite.img.xz", "x", {"CM4", "CM5"}),
        ("lpi3h-debian-12.img.gz", "x", {"LM3H"}),
        ("debian-cm5-gold.img", "x", {"CM5"}),
        ("mystery.img", "bootfs", {"CM4", "CM5"}),
        ("mystery.img", "x", set()),
        ("cm50-lookalike.img", "x", set()),
    ],
)
def test_which_soms_it_is_for_is_guessed_from_name_and_labels(flasher, name, label, fits):
    image = kept_image(raw_image(2, label=label), flasher, name)
    assert {som_type.name for som_type in image.som_types.all()} == fits
    assert image.fit_chosen_by == ""


def test_a_third_partys_som_type_is_known_by_its_name(flasher):
    SomType.objects.create(
        name="Acme-7", line_kind="level", pulse_seconds=1, idle_watts=1, full_watts=2, peak_watts=3, source="Acme"
    )
    image = kept_image(raw_image(2), flasher, "acme-7_v2.img")
    assert [som_type.name for som_type in image.som_types.all()] == ["Acme-7"]


def test_it_works_as_a_process_of_its_own(transactional_db, flasher, data_dir):
    """The very command that the worker starts, on the test's own database and data directory."""
    uploaded(xz_image(2), flasher)
    from django.db import connection

    database = f"sqlite:///{connection.settings_dict['NAME']}"
    if connection.vendor != "sqlite":
        pytest.skip("its database is named otherwise")
    environment = {**os.environ, "NANOPORTAL_DATA": str(data_dir), "DATABASE_URL": database}
    done = subprocess.run(
        [sys.executable, "manage.py", "check_images"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert FirmwareImage.objects.get().format == "xz"
