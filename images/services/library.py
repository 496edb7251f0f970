"""The library: which images there are, who may read one, and how one leaves it again."""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from hardware.flash.blockmap import BlockMap
from images import store
from images.models import FirmwareImage
from operations import audit, events, refusals, roles
from operations.refusals import Busy, Conflict, NotFound, Unavailable
from operations.roles import Actor
from slots.models import SomType


def search(words: str = "", som_type: str = "", state: str = "") -> QuerySet[FirmwareImage]:
    """Images by name or hash, SOM type and state (`usable`, `retired`, or both), the newest first."""
    found = FirmwareImage.objects.prefetch_related("som_types")
    if "\0" in words + som_type:  # no database stores it, and PostgreSQL does not even look for it
        return found.none()
    if words:
        found = found.filter(
            Q(name__icontains=words) | Q(file_name__icontains=words) | Q(sha256__startswith=words.lower())
        )
    if som_type:
        found = found.filter(som_types__name=som_type)
    if state:
        found = found.filter(retired_at__isnull=state == "usable")
    return found


def find(image_id: UUID) -> FirmwareImage:
    """The image of that id. Raises `NotFound`."""
    image = FirmwareImage.objects.filter(pk=image_id).first()
    if image is None:
        raise NotFound("There is no such image; it may have been deleted.", code="unknown-image")
    return image


def problem(image: FirmwareImage) -> str:
    """Why its file cannot be what was inspected, in one sentence; "" if nothing is to be seen from outside."""
    try:
        size = store.kept(image.pk).stat().st_size
    except OSError as error:
        return f"The file of {image.name} cannot be read: {error.strerror}."
    if size != image.stored_bytes:
        return f"The file of {image.name} has {size} bytes instead of {image.stored_bytes}: somebody changed it."
    return ""


@contextmanager
def open_image(image: FirmwareImage) -> Iterator[int]:
    """The image's file as a descriptor for reading. As long as it is held the image cannot be deleted, and the kernel
    lets go of it if we die. Raises `Unavailable`."""
    try:
        descriptor = os.open(store.kept(image.pk), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"{image.name} cannot be read: {error.strerror}.", code="image-unreadable") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


def block_map(image: FirmwareImage) -> BlockMap:
    """Which of its blocks must be on a device. Raises `Unavailable`."""
    try:
        return BlockMap.from_dict(json.loads(store.kept_map(image.pk).read_bytes()))
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(f"The block map of {image.name} cannot be read.", code="image-unreadable") from error


def describe(
    image: FirmwareImage, actor: Actor, *, name: str, notes: str, som_types: Iterable[SomType] | None = None
) -> None:
    """Keep what people say about an image: its name, notes, and the SOM types that it is for (None leaves them as they
    are; naming them makes even a guess somebody's choice). Raises `NotPermitted`, `BadRequest`."""
    roles.require(actor, "image.edit", "portal")
    if not name.strip() or "\0" in name + notes:
        raise refusals.BadRequest("An image needs a name, and neither it nor the notes take a NUL.", code="bad-name")
    with transaction.atomic():
        before = _said(find(image.pk))
        image.name, image.notes = name.strip(), notes
        if som_types is not None:
            image.fit_chosen_by = actor.name
            image.som_types.set(som_types)
        image.save(update_fields=["name", "notes", "fit_chosen_by"])
        detail = {"id": str(image.pk), "before": before, "after": _said(image)}
        audit.record("image.edit", actor=actor, target=image.resource, detail=detail)
        events.hint("images")


def _said(image: FirmwareImage) -> dict[str, object]:
    names = image.som_types.order_by("name").values_list("name", flat=True)
    return {"name": image.name, "notes": image.notes, "som_types": list(names), "chosen_by": image.fit_chosen_by}


def retire(image: FirmwareImage, actor: Actor) -> None:
    """Offer it for no new flash; whatever runs goes on. Raises `NotPermitted`, `Conflict` if it is retired."""
    roles.require(actor, "image.edit", "portal")
    with transaction.atomic():
        fresh = FirmwareImage.objects.filter(pk=image.pk, retired_at=None)
        if not fresh.update(retired_at=timezone.now(), retired_by=actor.name):
            raise Conflict(f"{image.name} is retired already.", code="retired")
        _record("image.retire", image, actor)


def bring_back(image: FirmwareImage, actor: Actor) -> None:
    """Offer a retired image again. Raises `NotPermitted`, `Conflict` if it is not retired."""
    roles.require(actor, "image.edit", "portal")
    with transaction.atomic():
        retired = FirmwareImage.objects.filter(pk=image.pk, retired_at__isnull=False)
        if not retired.update(retired_at=None, retired_by=""):
            raise Conflict(f"{image.name} is not retired.", code="not-retired")
        _record("image.bring-back", image, actor)


#: Asked before an image is deleted, by whoever builds upon images: why it is still needed, or "".
needed_by: list[Callable[[FirmwareImage], str]] = []


def delete(image: FirmwareImage, actor: Actor) -> None:
    """Remove a retired image for good, the row first, then its files.

    Raises `NotPermitted`, `Conflict` unless it is retired, `Busy` while somebody reads it or waits to.
    """
    roles.require(actor, "image.delete", "portal")
    with _nobody_reads(image), transaction.atomic():
        FirmwareImage.objects.select_for_update().filter(pk=image.pk).first()  # nobody begins to need it from here on
        for why in filter(None, (ask(image) for ask in needed_by)):
            raise Busy(why, code="image-busy")
        if not FirmwareImage.objects.filter(pk=image.pk, retired_at__isnull=False).delete()[0]:
            raise Conflict(f"{image.name} is in use for new flashes: retire it first.", code="not-retired")
        _record("image.delete", image, actor)
    store.drop(image.pk)


def _record(action: str, image: FirmwareImage, actor: Actor) -> None:
    detail = {"id": str(image.pk), "sha256": image.sha256, "file_name": image.file_name}
    audit.record(action, actor=actor, target=image.resource, detail=detail)
    events.hint("images")


@contextmanager
def _nobody_reads(image: FirmwareImage) -> Iterator[None]:
    """Hold the file against readers; one that is gone has none. Raises `Busy`."""
    try:
        descriptor = os.open(store.kept(image.pk), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy(
            f"{image.name} is being read, for a flash perhaps; delete it afterwards.", code="image-busy"
        ) from None
    finally:
        os.close(descriptor)
