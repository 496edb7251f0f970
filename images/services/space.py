"""How much room the images have: a quota of ours, and what the disk has left. Asked before the first byte."""

import os
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Sum

from images import store
from images.models import TAKES_ROOM, FirmwareImage, Upload
from operations.refusals import NoRoom

# Never taken by images: the database, the recordings and the system live on the same disk.
LEFT_FREE_BYTES = 512 * 1024 * 1024
SHARE_OF_DISK = 0.5  # the quota when none is configured


@dataclass(frozen=True)
class Space:
    """All in bytes. `reserved` is what uploads under way will take beyond what they have by now."""

    quota: int
    used: int
    reserved: int
    disk_free: int


def measure() -> Space:
    """Ask the database and the disk. Raises OSError."""
    store.prepare()
    disk = os.statvfs(store.root())
    kept = FirmwareImage.objects.aggregate(total=Sum("stored_bytes"))["total"] or 0
    sums = Upload.objects.filter(state__in=TAKES_ROOM).aggregate(
        here=Sum("received_bytes"), missing=Sum(F("size_bytes") - F("received_bytes"))
    )
    return Space(
        quota=settings.IMAGE_QUOTA_BYTES or int(disk.f_blocks * disk.f_frsize * SHARE_OF_DISK),
        used=kept + (sums["here"] or 0),
        reserved=sums["missing"] or 0,
        disk_free=disk.f_bavail * disk.f_frsize,
    )


def refuse_if_overbooked(size_bytes: int) -> None:
    """Raise `NoRoom` saying what is missing, when all that is promised by now, the latest file of `size_bytes`
    included, does not fit. Call it in the transaction that reserved the room."""
    space = measure()
    over_quota = space.used + space.reserved > space.quota
    if not over_quota and space.disk_free - space.reserved >= LEFT_FREE_BYTES:
        return
    quota, disk = space.quota - space.used - space.reserved, space.disk_free - space.reserved - LEFT_FREE_BYTES
    room = max(0, (quota if over_quota else disk) + size_bytes)
    raise NoRoom(
        f"{'The image library' if over_quota else 'The disk of the portal'} has room for {words(room)}; this file has "
        f"{words(size_bytes)}. Delete an image first.",
        size_bytes=size_bytes,
        room_bytes=room,
        quota_bytes=space.quota,
    )


def words(size_bytes: int) -> str:
    """A size as people read it: `439 MB`, `2.84 GB`, in powers of ten as storage is sold."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            value = size_bytes / size
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{size_bytes} B"
