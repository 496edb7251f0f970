"""Files of the server: only what lies in the import directory, and never by a way out of it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from images.models import FirmwareImage, Upload, UploadState
from images.services import checking, importing, library, uploads
from operations.refusals import BadRequest, Conflict, NotFound, NotPermitted
from tests.images.rig import MIB, files, raw_image, sha256, xz_image

pytestmark = pytest.mark.usefixtures("types")


@pytest.fixture
def folder(data_dir):
    return data_dir / "import"


def test_a_file_is_copied_and_the_original_stays(folder, flasher):
    (folder / "lab").mkdir()
    (folder / "lab" / "pi.img.xz").write_bytes(xz_image(2))
    upload = importing.begin("lab/pi.img.xz", "", flasher)
    assert upload.state == UploadState.COPYING
    checking.run()
    image = FirmwareImage.objects.get()
    assert (image.name, image.origin, image.sha256_compared) == ("pi", "lab/pi.img.xz", False)
    (folder / "lab" / "pi.img.xz").write_bytes(b"changed since")
    assert library.problem(image) == ""


def test_checksum_and_block_map_beside_it_are_read(folder, flasher):
    (folder / "a.img").write_bytes(raw_image(2))
    importing.begin("a.img", "", flasher)
    checking.run()
    block_map = library.block_map(FirmwareImage.objects.get()).to_bmap()
    data = xz_image(2)
    (folder / "b.img.xz").write_bytes(data)
    (folder / "b.img.xz.sha256").write_text(f"{sha256(data)} *b.img.xz\n")
    (folder / "b.img.bmap").write_bytes(block_map)
    importing.begin("b.img.xz", "", flasher)
    checking.run()
    image = FirmwareImage.objects.get(name="b")
    assert image.sha256_compared
    assert image.block_map_given


@pytest.mark.parametrize("path", ["../outside.img", "link.img", "/etc/passwd", "lab/../../outside.img"])
def test_no_way_leads_out(folder, flasher, path):
    (folder.parent / "outside.img").write_bytes(raw_image(2))
    (folder / "lab").mkdir()
    (folder / "link.img").symlink_to(folder.parent / "outside.img")
    with pytest.raises(BadRequest, match="leads out of"):
        importing.begin(path, "", flasher)
    assert Upload.objects.count() == 0


@pytest.mark.parametrize("path", ["nothing.img", "", "nul\0.img", "x" * 300])
def test_what_is_not_there_is_not_found(folder, flasher, path):
    with pytest.raises((NotFound, BadRequest)):
        importing.begin(path, "", flasher)


@pytest.mark.parametrize("path", ["pipe", "lab"])
def test_a_pipe_or_a_directory_is_not_a_file_and_nobody_waits_for_it(folder, flasher, path):
    os.mkfifo(folder / "pipe")
    (folder / "lab").mkdir()
    with ThreadPoolExecutor(1) as thread:
        refused = thread.submit(importing.begin, path, "", flasher).exception(timeout=5)
    assert isinstance(refused, BadRequest)
    assert "is not a file" in str(refused)


def test_a_file_that_grows_while_it_is_copied_is_refused(folder, flasher):
    (folder / "pi.img").write_bytes(raw_image(2))
    upload = importing.begin("pi.img", "", flasher)
    with open(folder / "pi.img", "ab") as stream:
        stream.write(bytes(MIB))
    checking.run()
    upload.refresh_from_db()
    assert (upload.state, upload.code) == (UploadState.REFUSED, "changed")
    assert files() == set()


def test_a_file_that_is_gone_by_then_is_refused_with_its_name(folder, flasher):
    (folder / "pi.img").write_bytes(raw_image(2))
    upload = importing.begin("pi.img", "", flasher)
    (folder / "pi.img").unlink()
    checking.run()
    upload.refresh_from_db()
    assert (upload.code, "pi.img" in upload.message) == ("unknown-file", True)


def test_giving_it_up_while_it_is_copied_leaves_nothing(folder, flasher, monkeypatch):
    (folder / "pi.img").write_bytes(raw_image(2))
    upload = importing.begin("pi.img", "", flasher)
    monkeypatch.setattr(checking.importing, "block_map_beside", lambda _: uploads.cancel(upload.pk, flasher))
    checking.run()
    assert FirmwareImage.objects.count() == 0
    assert files() == set()


def test_a_viewer_imports_nothing(folder, viewer):
    (folder / "pi.img").write_bytes(raw_image(2))
    with pytest.raises(NotPermitted):
        importing.begin("pi.img", "", viewer)


def test_the_list_shows_images_and_not_what_belongs_to_them(folder):
    for name in ("b.img", "a.img.xz", "a.img.xz.sha256", "a.img.bmap", "empty.img"):
        (folder / name).write_bytes(b"" if name == "empty.img" else b"12")
    (folder / "lab").mkdir()
    (folder / "lab" / "c.img").write_bytes(b"123")
    (folder / "link.img").symlink_to("/etc/passwd")
    assert [(one.path, one.size_bytes) for one in importing.candidates()] == [
        ("a.img.xz", 2),
        ("b.img", 2),
        ("lab/c.img", 3),
    ]


def test_the_same_file_again_is_refused_before_it_is_copied_if_its_hash_is_known(folder, flasher):
    (folder / "pi.img").write_bytes(raw_image(2))
    importing.begin("pi.img", "", flasher)
    checking.run()
    with pytest.raises(Conflict, match="in the library already"):
        importing.begin("pi.img", sha256(raw_image(2)), flasher)
