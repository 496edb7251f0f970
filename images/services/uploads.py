"""Uploads: begun with room reserved, continued chunk by chunk from where the disk has them, given up, expired.

The row's `received_bytes` is the truth, and moves only after the bytes are on the disk; what the file has beyond it
does not count and is written over.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from images import store, tus
from images.checksums import parse_sha256
from images.models import TAKES_ROOM, FirmwareImage, Upload, UploadState
from images.services import space
from operations import audit, events, refusals, roles
from operations.roles import PORTAL, Actor

LIVES = timedelta(hours=24)  # after its last chunk
REFUSAL_SHOWN = timedelta(days=7)
MOST_OPEN_EACH = 4  # per person: more would only slow each other down
MOST_BYTES = 1 << 40
MOST_NAME_LETTERS = 200
MOST_MAP_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 256 * 1024
# Chunks written at once in one process: a slow disk must not take all threads that answer requests (there are 8).
MOST_WRITERS = 4
WRITER_SECONDS = 1.0  # how long a chunk waits for its turn before its client is asked to come again
HINT_EVERY = 100  # at most so many hints for one upload, however small its chunks are


_writers = threading.BoundedSemaphore(MOST_WRITERS)


@dataclass(frozen=True)
class Wish:
    """What somebody wants to bring. `sha256` is a hash or the text of a checksum file, or ""."""

    file_name: str
    size_bytes: int
    sha256: str = ""
    origin: str = ""


def begin(wish: Wish, actor: Actor) -> Upload:
    """A ticket for one file, with its room reserved.

    Raises `NotPermitted`, `BadRequest`, `NoRoom`, and `Conflict` for a person with too many at once.
    """
    roles.require(actor, "image.upload", "portal")
    name = clean_name(wish.file_name)
    if not 0 < wish.size_bytes <= MOST_BYTES:
        raise refusals.BadRequest(f"{name} has {wish.size_bytes} bytes; an image has 1 to {MOST_BYTES}.")
    sha256 = parse_sha256(wish.sha256, name)
    refuse_if_known(sha256)
    now = timezone.now()
    upload = Upload(file_name=name, size_bytes=wish.size_bytes, sha256=sha256, origin=wish.origin)
    upload.state = UploadState.COPYING if wish.origin else UploadState.RECEIVING
    upload.actor, upload.actor_user_id = actor.name, actor.user_id
    upload.created_at = upload.touched_at = now
    upload.expires_at = now + LIVES
    with transaction.atomic():
        upload.save(force_insert=True)
        act = "image.import" if wish.origin else "image.upload"
        detail = {"id": str(upload.pk), "size_bytes": wish.size_bytes, "sha256": sha256, "origin": wish.origin}
        audit.record(act, actor=actor, target=upload.resource, outcome="requested", detail=detail)
        # The entry holds the log's head until the commit: whoever else reserves waits, and then counts us.
        if Upload.objects.filter(state__in=TAKES_ROOM, actor=actor.name).count() > MOST_OPEN_EACH:
            raise refusals.Conflict(f"{actor.name} has {MOST_OPEN_EACH} uploads open already.", code="too-many-uploads")
        space.refuse_if_overbooked(wish.size_bytes)
        events.hint("images")
    return upload


def clean_name(text: str) -> str:
    """The last part of a file's name, as it may be shown. Raises `BadRequest` when nothing is left of it."""
    last = text.replace("\\", "/").rpartition("/")[2].strip()
    if not last or last in (".", "..") or not last.isprintable():
        raise refusals.BadRequest("The upload needs a file name, as `filename` in its metadata.", code="bad-name")
    if len(last) > MOST_NAME_LETTERS:
        raise refusals.BadRequest(f"The file's name is longer than {MOST_NAME_LETTERS} letters.", code="bad-name")
    return last


def refuse_if_known(sha256: str) -> None:
    """Raise `Conflict` if the library has that very file: nobody should wait for an upload to learn so."""
    known = FirmwareImage.objects.filter(sha256=sha256).first() if sha256 else None
    if known:
        raise refusals.Conflict(f"This is {known.name}, which is in the library already.", code="known-image")


def find(upload_id: UUID, actor: Actor) -> Upload:
    """The upload of that id, for whoever it belongs to. Raises `NotFound`, `Gone`, and `NotPermitted` for others."""
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is None:
        raise refusals.NotFound("There is no such upload; it may have expired.", code="unknown-upload")
    if not upload.is_of(actor.name, actor.user_id):
        raise refusals.NotPermitted(f"This upload is {upload.actor}'s.")
    if upload.state == UploadState.REFUSED:
        raise refusals.Gone(upload.message, code=upload.code)
    return upload


def append(
    upload: Upload, offset: int, length: int, read: Callable[[int], bytes], checksum: tus.Checksum | None = None
) -> int:
    """Take a chunk of `length` bytes that begins at `offset`; returns the new offset once it is on the disk.

    The last one hands the file to the inspection. Raises `Conflict` for another offset than the next, `Busy` while
    another chunk is being written, `BadRequest`, `ChecksumMismatch` (nothing of the chunk counts then) and `NoRoom` for
    a full disk. Blocks for as long as the disk takes.
    """
    _refuse_unless_next(upload, offset)
    if length > upload.size_bytes - offset:
        raise refusals.BadRequest("The chunk goes beyond the size that was announced.", code="beyond-the-end")
    try:
        with _turn(), store.open_incoming(upload.pk, fresh=offset == 0) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            upload.refresh_from_db(fields=["state", "received_bytes"])  # another chunk may have been the next meanwhile
            _refuse_unless_next(upload, offset)
            arrived = _write(descriptor, offset, length, read, checksum)
            os.fdatasync(descriptor)
            return _advance(upload, offset, arrived)
    except Upload.DoesNotExist:
        raise refusals.Gone("This upload was given up meanwhile.", code="upload-gone") from None
    except BlockingIOError:
        raise refusals.Busy("Another chunk of this upload is being written.", code="upload-busy") from None
    except FileNotFoundError:
        raise refusals.Gone("What had arrived of this upload is gone; begin it anew.", code="upload-lost") from None
    except OSError as error:
        raise refusals.NoRoom(f"The portal's disk does not take it: {error.strerror}. The upload can go on.") from error


def _refuse_unless_next(upload: Upload, offset: int) -> None:
    if upload.state != UploadState.RECEIVING or offset != upload.received_bytes:
        raise refusals.Conflict(f"The next byte is {upload.received_bytes}, not {offset}.", code="wrong-offset")


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One of the places for those who write. Raises `Busy`."""
    if not _writers.acquire(timeout=WRITER_SECONDS):
        raise refusals.Busy("Too many uploads are being written; send the chunk again.", code="upload-busy")
    try:
        yield
    finally:
        _writers.release()


def _write(
    descriptor: int, offset: int, length: int, read: Callable[[int], bytes], checksum: tus.Checksum | None
) -> int:
    """Copy at most `length` bytes to the file; returns how many came. Raises `ChecksumMismatch`, OSError."""
    digest, arrived = checksum.start() if checksum else None, 0
    while arrived < length and (piece := read(min(PIECE_BYTES, length - arrived))):
        store.write_at(descriptor, piece, offset + arrived)
        arrived += len(piece)
        if digest:
            digest.update(piece)
    if checksum and digest and digest.digest() != checksum.expected:
        raise refusals.ChecksumMismatch("The chunk does not have the checksum that was announced with it.")
    return arrived


def _advance(upload: Upload, offset: int, arrived: int) -> int:
    """Let what is on the disk count; the last byte changes the state. Raises `Gone` if the upload was given up."""
    now, end = timezone.now(), offset + arrived
    whole = end == upload.size_bytes
    state = UploadState.CHECKING if whole else UploadState.RECEIVING
    fresh = {"received_bytes": end, "touched_at": now, "expires_at": now + LIVES, "state": state}
    with transaction.atomic():
        rows = Upload.objects.filter(pk=upload.pk, state=UploadState.RECEIVING, received_bytes=offset)
        if not rows.update(**fresh):
            raise refusals.Gone("This upload was given up meanwhile.", code="upload-gone")
        step = max(1, upload.size_bytes // HINT_EVERY)
        if whole or offset // step != end // step:
            events.hint("images")
    return end


def give_block_map(upload: Upload, text: bytes) -> None:
    """Keep the block map that came with this file; the inspection compares it. Raises `BadRequest`, `Conflict`."""
    if not 0 < len(text) <= MOST_MAP_BYTES:
        raise refusals.BadRequest(f"A block map has at most {space.words(MOST_MAP_BYTES)}.", code="bad-block-map")
    if upload.state != UploadState.RECEIVING:
        raise refusals.Conflict("The file is whole already: a block map comes before its last byte.", code="too-late")
    store.prepare()
    store.write_whole(store.given_map(upload.pk), text)


def cancel(upload_id: UUID, actor: Actor) -> None:
    """Give up an upload, whatever state it is in, or put away the word of a refused one.

    Whoever began it may, and who may delete images. Raises `NotPermitted`, `NotFound`.
    """
    upload = Upload.objects.filter(pk=upload_id).first()
    if upload is None:
        raise refusals.NotFound("There is no such upload; it may have expired.", code="unknown-upload")
    mine = upload.is_of(actor.name, actor.user_id)
    roles.require(actor, "image.upload" if mine else "image.delete", "portal")
    with transaction.atomic():
        removed, _ = Upload.objects.filter(pk=upload.pk).delete()
        if not removed:
            raise refusals.NotFound("This upload has ended meanwhile.", code="unknown-upload")
        if upload.state != UploadState.REFUSED:
            detail = {"id": str(upload.pk), "received_bytes": upload.received_bytes, "of": upload.actor}
            audit.record("image.cancel", actor=actor, target=upload.resource, detail=detail)
        events.hint("images")
    store.drop(upload.pk)


def abandoned() -> QuerySet[Upload]:
    """Uploads that nobody goes on with."""
    return Upload.objects.filter(state=UploadState.RECEIVING, expires_at__lt=timezone.now())


def expire() -> None:
    """End uploads that nobody goes on with, and put away refusals that everybody has seen."""
    for upload in abandoned():
        with transaction.atomic():
            if not abandoned().filter(pk=upload.pk).delete()[0]:
                continue
            detail = {"id": str(upload.pk), "of": upload.actor, "received_bytes": upload.received_bytes}
            audit.record("image.upload", actor=PORTAL, target=upload.resource, outcome="expired", detail=detail)
            events.hint("images")
        store.drop(upload.pk)
    Upload.objects.filter(state=UploadState.REFUSED, touched_at__lt=timezone.now() - REFUSAL_SHOWN).delete()


def strays() -> set[UUID]:
    """The ids of files that no row knows: what a crash left behind."""
    # On the disk first, then the uploads, then the images: the order in which an upload becomes one.
    found = store.ids_on_disk()
    known = set(Upload.objects.exclude(state=UploadState.REFUSED).values_list("pk", flat=True))
    known |= set(FirmwareImage.objects.values_list("pk", flat=True))
    return found - known


def sweep() -> None:
    """Remove the strays' files. Blocks for as long as the disk takes to free gigabytes."""
    for stray in strays():
        with contextlib.suppress(OSError):  # the next turn tries again
            store.drop(stray)
