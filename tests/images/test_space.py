"""Room is asked for before the first byte: the quota's and the disk's, with what is promised to others."""

import os

import pytest

from images.models import Upload
from images.services import space, uploads
from images.services.uploads import Wish
from operations.refusals import NoRoom
from tests.images.rig import MIB, kept_image, raw_image

pytestmark = pytest.mark.usefixtures("types")


def test_a_file_larger_than_the_quota_is_refused_before_its_first_byte(settings, flasher):
    settings.IMAGE_QUOTA_BYTES = 10 * MIB
    with pytest.raises(NoRoom, match=r"The image library has room for 10\.5 MB; this file has 11\.5 MB") as refused:
        uploads.begin(Wish("pi.img", 11 * MIB), flasher)
    assert refused.value.detail == {"size_bytes": 11 * MIB, "room_bytes": 10 * MIB, "quota_bytes": 10 * MIB}
    assert Upload.objects.count() == 0, "what was refused reserves nothing"


def test_what_is_kept_and_what_is_promised_counts(settings, flasher, administrator):
    settings.IMAGE_QUOTA_BYTES = 10 * MIB
    kept_image(raw_image(4), flasher, "a.img")
    uploads.begin(Wish("b.img", 4 * MIB), administrator)
    with pytest.raises(NoRoom, match=r"room for 2\.1 MB"):
        uploads.begin(Wish("c.img", 3 * MIB), flasher)
    uploads.begin(Wish("c.img", 2 * MIB), flasher)
    assert space.measure().used == 4 * MIB
    assert space.measure().reserved == 6 * MIB


def test_giving_an_upload_up_frees_its_room(settings, flasher):
    settings.IMAGE_QUOTA_BYTES = 10 * MIB
    first = uploads.begin(Wish("a.img", 10 * MIB), flasher)
    uploads.cancel(first.pk, flasher)
    uploads.begin(Wish("b.img", 10 * MIB), flasher)


def test_the_disk_keeps_half_a_gigabyte_for_everything_else(settings, flasher, monkeypatch):
    settings.IMAGE_QUOTA_BYTES = 1 << 50
    real = os.statvfs

    def small(path):
        found = list(real(path))
        found[1], found[4] = 4096, (space.LEFT_FREE_BYTES + 3 * MIB) // 4096  # f_frsize, f_bavail
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", small)
    with pytest.raises(NoRoom, match=r"The disk of the portal has room for 3\.15 MB; this file has 4\.19 MB"):
        uploads.begin(Wish("a.img", 4 * MIB), flasher)
    uploads.begin(Wish("a.img", 3 * MIB), flasher)


def test_without_a_configured_quota_it_is_half_of_the_disk(settings, data_dir):
    settings.IMAGE_QUOTA_BYTES = None
    disk = os.statvfs(data_dir)
    assert space.measure().quota == disk.f_blocks * disk.f_frsize // 2


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (439_000_000, "439 MB"), (2_840_000_000, "2.84 GB"), (1e11, "100 GB")],
)
def test_sizes_are_said_as_storage_is_sold(size, words):
    assert space.words(int(size)) == words
