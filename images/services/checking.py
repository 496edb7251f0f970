"""From a whole file to an image: copied if it lies on the server, inspected once, kept or refused.

Runs in a process of its own (`manage.py check_images`): expanding and hashing gigabytes must delay neither a page nor a
power-off. A death at any instruction leaves the upload's row, and the next inspection begins anew.
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from hardware.errors import HardwareError, Stopped
from hardware.flash.image import ImageFacts, inspect
from images import fitting, store
from images.models import FirmwareImage, Upload, UploadState
from images.services import importing, uploads
from operations import audit, events
from operations.refusals import ImageRejected, Refused
from operations.roles import Actor
from slots.models import SomType

WAITING = (UploadState.COPYING, UploadState.CHECKING)
REPORT_SECONDS = 0.5
LOOK_SECONDS = 0.5  # between two looks whether our parent lives
MOST_ATTEMPTS = 5  # a file over which the inspection dies again and again is refused
COPY_BYTES = 8 * 1024 * 1024
log = logging.getLogger("nanoportal.images")


class Withdrawn(Exception):
    """The upload was given up while it was being inspected."""


class Orphaned(Exception):
    """Whoever started us is gone; the next one starts another inspection."""


class Report:
    """Writes progress down twice a second, and notices on the way that the upload was given up."""

    def __init__(self, upload: Upload) -> None:
        self._row = Upload.objects.filter(pk=upload.pk, state__in=WAITING)
        self._due = 0.0

    def __call__(self, **columns: Any) -> None:
        """Raises `Withdrawn`."""
        if time.monotonic() < self._due:
            return
        try:
            if not self._row.update(**columns):
                raise Withdrawn
            events.hint("images")
        except DatabaseError as error:  # busy for long: the next report will do
            log.warning("progress of an inspection not written: %s", error)
        self._due = time.monotonic() + REPORT_SECONDS


def run() -> int:
    """Tidy up, then inspect whatever waits until nothing does; returns how many that were, at once if another process
    does it.

    Raises `Orphaned`.
    """
    done = 0
    with _alone() as alone, _ends_with_its_parent() as stop:
        if alone:
            uploads.expire()
            uploads.sweep()
        while alone and (upload := Upload.objects.filter(state__in=WAITING).order_by("touched_at").first()):
            check(upload, stop)
            done += 1
    return done


@contextmanager
def _ends_with_its_parent() -> Iterator[threading.Event]:
    """An event that is set within a moment of the death of whoever started us."""
    stop, over, parent = threading.Event(), threading.Event(), os.getppid()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if os.getppid() != parent:
                stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
    try:
        yield stop
    finally:
        over.set()


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else inspects: the kernel says so, and frees the place when its holder dies."""
    store.prepare()
    descriptor = os.open(store.root() / "inspection.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def check(upload: Upload, stop: threading.Event) -> None:
    """Turn one upload into an image or a refusal. Blocks for minutes. Raises `Orphaned`."""
    Upload.objects.filter(pk=upload.pk).update(attempts=F("attempts") + 1)
    try:
        if upload.attempts >= MOST_ATTEMPTS:
            raise ImageRejected("The inspection of this file died again and again.", code="inspection-died")
        if upload.state == UploadState.COPYING:
            _copy(upload, stop)
        store.take_back(upload.pk)
        facts = _inspect(upload, stop)
        _compare(upload, facts)
        _keep(upload, facts)
    except Withdrawn:
        store.drop(upload.pk)
    except Stopped as error:
        raise Orphaned from error
    except (Refused, HardwareError) as error:
        _refuse(upload, error.code, str(error))
    except OSError as error:
        _refuse(upload, "disk", f"The portal's disk failed during the inspection: {error.strerror}.")
    except (Orphaned, DatabaseError):
        raise  # the row waits on
    except Exception:
        log.exception("the inspection of %s failed", upload.file_name)
        _refuse(upload, "internal", "The inspection failed by a fault of the portal's own; its log says more.")


def _copy(upload: Upload, stop: threading.Event) -> None:
    """Bring a file of the server into the store. Raises `Refused`, OSError, `Withdrawn`, `Orphaned`."""
    report = Report(upload)
    with importing.opened(upload.origin) as source, store.open_incoming(upload.pk, fresh=True) as target:
        size = os.fstat(source).st_size
        offset = 0
        while piece := os.pread(source, COPY_BYTES, offset):
            store.write_at(target, piece, offset)
            offset += len(piece)
            report(received_bytes=min(offset, upload.size_bytes))
            if stop.is_set():
                raise Orphaned
            if offset > upload.size_bytes:
                break
        if not offset == size == upload.size_bytes:
            raise ImageRejected(f"{upload.origin} changed while it was copied.", code="changed")
        os.fsync(target)
    if block_map := importing.block_map_beside(upload.origin):
        store.write_whole(store.given_map(upload.pk), block_map)
    upload.state, upload.received_bytes = UploadState.CHECKING, offset
    rows = Upload.objects.filter(pk=upload.pk, state=UploadState.COPYING)
    if not rows.update(state=UploadState.CHECKING, received_bytes=offset):
        raise Withdrawn


def _inspect(upload: Upload, stop: threading.Event) -> ImageFacts:
    """What the file is. Raises hardware.errors.ImageError and Stopped, OSError, `Withdrawn`, and `Refused`."""
    report = Report(upload)
    path, given = store.incoming(upload.pk), store.given_map(upload.pk)
    if not path.exists():
        raise ImageRejected("What had arrived of this upload is gone.", code="upload-lost")
    return inspect(
        path,
        bmap=given.read_bytes() if given.exists() else None,
        stop=stop,
        on_progress=lambda stored, expanded: report(checked_bytes=stored, expanded_bytes=expanded),
    )


def _compare(upload: Upload, facts: ImageFacts) -> None:
    """Raise `Refused` if the file is another than was announced, or one that we have."""
    if upload.sha256 and upload.sha256 != facts.sha256:
        raise ImageRejected(
            f"The file's sha256 is {facts.sha256}, not {upload.sha256} as was given: it was damaged on the way or is "
            "another file.",
            code="sha256-differs",
        )
    uploads.refuse_if_known(facts.sha256)


def _keep(upload: Upload, facts: ImageFacts) -> None:
    """File first, row last. Raises OSError, `Withdrawn`."""
    store.keep(upload.pk, json.dumps(facts.block_map.as_dict()).encode())
    types = {som_type.name: som_type for som_type in SomType.objects.all()}
    paths = {name: som_type.flash_path for name, som_type in types.items()}
    guessed = fitting.guess(upload.file_name, [partition.label for partition in facts.partitions], paths)
    with transaction.atomic():
        if not Upload.objects.filter(pk=upload.pk, state=UploadState.CHECKING).delete()[0]:
            raise Withdrawn
        image = FirmwareImage.objects.create(
            id=upload.pk,
            name=_name_of(upload.file_name),
            file_name=upload.file_name,
            format=facts.format,
            stored_bytes=facts.stored_bytes,
            size_bytes=facts.size_bytes,
            mapped_bytes=facts.block_map.data_bytes,
            sha256=facts.sha256,
            sha256_compared=bool(upload.sha256),
            block_map_given=store.given_map(upload.pk).exists(),
            decoder_window_bytes=facts.decoder_window_bytes,
            scheme=facts.scheme,
            partitions=[asdict(partition) for partition in facts.partitions],
            boot_partition=facts.boot_partition.number if facts.boot_partition else None,
            origin=upload.origin,
            added_at=timezone.now(),
            added_by=upload.actor,
        )
        image.som_types.set(types[name] for name in guessed)
        detail = {"id": str(image.pk), "sha256": image.sha256, "size_bytes": image.size_bytes, "fits": sorted(guessed)}
        audit.record(_act(upload), actor=_actor(upload), target=upload.resource, detail=detail)
        events.hint("images")
    store.given_map(upload.pk).unlink(missing_ok=True)


def _name_of(file_name: str) -> str:
    """`raspios-lite.img.xz` as people call it."""
    name = file_name
    for suffix in (*importing.COMPRESSED, ".img", ".raw", ".bin", ".wic"):
        name = name.removesuffix(suffix) or name
    return name[:120]


def _refuse(upload: Upload, code: str, message: str) -> None:
    """Say why, keep nothing. Row first: files without a row that wants them are swept."""
    with transaction.atomic():
        rows = Upload.objects.filter(pk=upload.pk)
        rows.update(state=UploadState.REFUSED, code=code, message=message, touched_at=timezone.now())
        detail = {"id": str(upload.pk), "message": message}
        audit.record(
            _act(upload), actor=_actor(upload), target=upload.resource, outcome="failed", code=code, detail=detail
        )
        events.hint("images")
    store.drop(upload.pk)


def _act(upload: Upload) -> str:
    return "image.import" if upload.origin else "image.upload"


def _actor(upload: Upload) -> Actor:
    return Actor(name=upload.actor, user_id=upload.actor_user_id, source="worker")
