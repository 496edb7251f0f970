"""First-boot profiles: kept with their secrets sealed, and brought to an image for each slot of a run."""

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from flashing import sealing
from flashing.models import Profile
from hardware.errors import HardwareError
from hardware.flash.firstboot import forms, values
from hardware.flash.firstboot.errors import BootPartitionError, FirstBootInvalid
from hardware.flash.firstboot.forms import Kind
from hardware.flash.firstboot.overlay import BootPartition, Overlay
from hardware.flash.firstboot.passwords import crypt_hash
from hardware.flash.firstboot.values import SlotContext, Values
from hardware.flash.partitions import Partition
from images import store
from images.models import FirmwareImage
from images.services import library
from operations import audit, events, roles
from operations.models import OPEN_STATES
from operations.refusals import BadRequest, Busy, Conflict, NotFound, Refused, Unavailable
from operations.roles import Actor
from slots.models import Slot

# Any slot, for what is checked before there is one.
SAMPLE = SlotContext("board", 0, "name", "type", "serial")
LEFT_OVER_SECONDS = 3600.0
_looking = threading.Lock()


@dataclass(frozen=True)
class Wish:
    """What a person wants a profile to say. Of a secret, None keeps what is sealed and "" removes it."""

    name: str
    hostname_template: str = ""
    user: str = ""
    ssh_keys: str = ""
    timezone: str = ""
    password: str | None = None
    network: str | None = None
    user_data: str | None = None

    def __repr__(self) -> str:
        return f"Wish({self.name!r})"  # it holds secrets as they were typed


# Keeping


def usable() -> QuerySet[Profile]:
    """All profiles by name."""
    return Profile.objects.all()


def find(profile_id: int) -> Profile:
    """The profile of that id. Raises `NotFound`."""
    profile = Profile.objects.filter(pk=profile_id).first()
    if profile is None:
        raise NotFound("There is no such first-boot profile; it may have been deleted.", code="no-profile")
    return profile


def problems(wish: Wish, profile: Profile | None = None) -> dict[str, str]:
    """What is wrong with each field of `wish`, one sentence each; `profile` is the one that it would change."""
    return _tried(wish, profile)[1]


def create(wish: Wish, actor: Actor) -> Profile:
    """Keeps a new profile. Raises `NotPermitted`, `BadRequest` naming the first problem, `Conflict` for its name."""
    now = timezone.now()
    profile = _checked(wish, None, actor)
    profile.created_at, profile.created_by = now, actor.name
    return _keep(profile, "profile.create", actor, sorted(_said(profile)))


def edit(profile: Profile, wish: Wish, actor: Actor) -> Profile:
    """Changes a profile. Raises as `create`, `Busy` while a flash that has not ended uses it."""
    before = _said(profile)
    changed = _checked(wish, profile, actor)
    after = _said(changed)
    return _keep(
        changed, "profile.edit", actor, sorted(name for name in before | after if before.get(name) != after.get(name))
    )


def delete(profile: Profile, actor: Actor) -> None:
    """Removes a profile for good. Raises `NotPermitted`, `Busy` while a flash that has not ended uses it."""
    roles.require(actor, "profile.edit", "portal")
    with transaction.atomic():
        _refuse_in_use(profile)
        detail = {"id": profile.pk}
        profile.delete()
        audit.record("profile.delete", actor=actor, target=_resource(profile), detail=detail)
        events.hint("profiles")


def described(profile: Profile) -> dict[str, Any]:
    """What may be shown of a profile to whoever may see it: of its secrets only whether they are there."""
    return {
        "id": profile.pk,
        "name": profile.name,
        "hostname_template": profile.hostname_template,
        "user": profile.user,
        "has_password": bool(profile.password_sealed),
        "ssh_keys": profile.ssh_keys.splitlines(),
        "timezone": profile.timezone,
        "has_network": bool(profile.network_sealed),
        "has_user_data": bool(profile.user_data_sealed),
        "changed_at": profile.changed_at,
        "changed_by": profile.changed_by,
    }


def _checked(wish: Wish, profile: Profile | None, actor: Actor) -> Profile:
    roles.require(actor, "profile.edit", "portal")
    row, found = _tried(wish, profile)
    if found:
        raise BadRequest(next(iter(found.values())), code="bad-profile", fields=found)
    row.changed_at, row.changed_by = timezone.now(), actor.name
    return row


def _tried(wish: Wish, profile: Profile | None) -> tuple[Profile, dict[str, str]]:
    """The row as `wish` wants it, not saved, and what is wrong with its fields."""
    row, found, hostname = _row_of(wish, profile), {}, "name"
    if not row.name or not row.name.isprintable():
        found["name"] = "A profile needs a name that can be shown."
    elif Profile.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        found["name"] = "There is a profile of that name already."
    with _noted(found, "hostname_template"):
        hostname = values.render_hostname(row.hostname_template, SAMPLE)
    with _noted(found, "password"):
        row.password_sealed = _sealed_password(wish, row)
    with _noted(found, "name"):
        wrong = _values(row, SAMPLE, hostname).problems()
        if "password" in found:  # then it is not the user's fault that there is none
            wrong.pop("user", None)
        found = {"hostname_template" if field == "hostname" else field: words for field, words in wrong.items()} | found
    return row, found


@contextmanager
def _noted(found: dict[str, str], field: str) -> Iterator[None]:
    try:
        yield
    except (FirstBootInvalid, Unavailable) as error:
        found[field] = str(error)


def _keep(profile: Profile, action: str, actor: Actor, fields: list[str]) -> Profile:
    try:
        with transaction.atomic():
            _refuse_in_use(profile)
            profile.save()
            detail = {"id": profile.pk, "fields": fields}  # never what they say: some of them are secrets
            audit.record(action, actor=actor, target=_resource(profile), detail=detail)
            events.hint("profiles")
    except IntegrityError as error:
        raise Conflict("There is a profile of that name already.", code="name-taken") from error
    return profile


def _resource(profile: Profile) -> str:
    return f"profile:{profile.name}"[:100]


def _said(profile: Profile) -> dict[str, str]:
    names = ("name", "hostname_template", "user", "ssh_keys", "timezone")
    sealed = {name: getattr(profile, f"{name}_sealed") for name in ("password", "network", "user_data")}
    return {name: text for name, text in ({name: getattr(profile, name) for name in names} | sealed).items() if text}


def _row_of(wish: Wish, profile: Profile | None) -> Profile:
    """The row as `wish` wants it, the password left out, not saved."""
    row = copy(profile) if profile else Profile()
    row.name, row.hostname_template = wish.name.strip(), wish.hostname_template.strip()
    row.user, row.timezone = wish.user.strip(), wish.timezone.strip()
    row.ssh_keys = "\n".join(filter(None, (line.strip() for line in wish.ssh_keys.splitlines())))
    if wish.network is not None:
        row.network_sealed = sealing.seal(_text(wish.network), "network")
    if wish.user_data is not None:
        row.user_data_sealed = sealing.seal(_text(wish.user_data), "user-data")
    return row


def _sealed_password(wish: Wish, row: Profile) -> str:
    if wish.password is None:
        return row.password_sealed
    return sealing.seal(crypt_hash(wish.password) if wish.password else "", "password")


def _text(document: str) -> str:
    """With the line ends of the systems that read it, and one at its end; "" if it is blank."""
    lines = [line.rstrip("\r") for line in document.split("\n")]
    text = "\n".join(lines).strip("\n")
    return f"{text}\n" if text.strip() else ""


def _refuse_in_use(profile: Profile) -> None:
    if profile.pk and profile.runs.filter(jobs__operation__state__in=OPEN_STATES).exists():
        raise Busy(f"A flash with {profile.name} has not ended; wait for it or cancel it.", code="profile-busy")


# Bringing it to an image


def context_of(slot: Slot) -> SlotContext:
    """What a profile may say of a slot. Reads its board and its SOM."""
    som = getattr(slot, "som", None)
    if som is None:
        return SlotContext(slot.board.slug, slot.number)
    return SlotContext(slot.board.slug, slot.number, som.name, som.som_type.name, som.serial_number)


def hostnames(profile: Profile, contexts: Iterable[SlotContext]) -> dict[int, str]:
    """The host name for each slot, by number; "" if the profile gives none.

    Raises `BadRequest` if one cannot be, or two slots would have the same.
    """
    names: dict[int, str] = {}
    for context in contexts:
        try:
            name = values.render_hostname(profile.hostname_template, context)
        except FirstBootInvalid as error:
            raise BadRequest(str(error), code="bad-host-name") from error
        twin = next((number for number, other in names.items() if name and other == name), None)
        if twin is not None:
            raise BadRequest(
                f"Slots {twin} and {context.number} would both be called {name}: put {{slot}} into the host name of "
                f"{profile.name}.",
                code="bad-host-name",
            )
        names[context.number] = name
    return names


def why_not(profile: Profile, image: FirmwareImage, contexts: Iterable[SlotContext]) -> str:
    """Why the profile cannot be brought to these slots with this image, in one sentence; "" if it can."""
    if image.boot_partition is None:
        return f"{image.name} has no FAT boot partition, so a first-boot profile has nowhere to go."
    contexts = list(contexts)
    try:
        names, kind = hostnames(profile, contexts), kind_of(image)
        said = [_values(profile, context, names[context.number]) for context in contexts]
    except (Refused, HardwareError) as error:
        return str(error)
    return next((words for one in said if (words := forms.why_not(one, kind))), "")


def kind_of(image: FirmwareImage) -> Kind:
    """What in the image reads a profile. Found once and kept beside the image; blocks for some seconds then.

    Raises HardwareError, `Unavailable`.
    """
    if image.boot_partition is None:
        return Kind.NONE
    kept = store.kept(image.pk).with_suffix(".kind")
    with _looking:  # a page that is asked for twice expands an image once
        with suppress(OSError, ValueError):
            return Kind(kept.read_text())
        workdir = Path(settings.DATA_DIR) / "flash" / "looking"
        _sweep(workdir)
        with _boot_partition(image, workdir) as boot:
            try:
                kind = boot.kind()
            except BootPartitionError:  # a damaged one is found to be so once, too
                kind = Kind.NONE
        with suppress(OSError):  # then it is found again next time
            store.write_whole(kept, kind.value.encode())
    return kind


def overlays(
    profile: Profile,
    image: FirmwareImage,
    contexts: Iterable[SlotContext],
    workdir: Path,
    stop: threading.Event | None = None,
) -> dict[int, Overlay]:
    """What the profile changes on each slot's disk, by slot number. Blocks for seconds; `workdir` needs room for twice
    the boot partition's data, and is left as it was.

    Raises HardwareError (FirstBootRefused, BootPartitionError, ImageError, Stopped), `BadRequest`, `Unavailable`.
    """
    contexts = list(contexts)
    names = hostnames(profile, contexts)
    with _boot_partition(image, workdir, stop) as boot:
        kind, there = boot.kind(), boot.names()
        made = {}
        for context in contexts:
            files = forms.files_for(_values(profile, context, names[context.number]), kind, _place(context))
            made[context.number] = boot.overlay(forms.with_what_is_needed(files, there))
        return made


def preview(profile: Profile, kind: Kind, context: SlotContext) -> list[tuple[str, str]]:
    """The files for a slot as people may see them, secrets masked. Raises FirstBootRefused, `BadRequest`,
    `Unavailable`."""
    name = hostnames(profile, [context])[context.number]
    files = forms.files_for(_values(profile, context, name).masked(), kind, _place(context))
    return [(file, data.decode()) for file, data in files.items()]


def _place(context: SlotContext) -> str:
    return f"{context.board}/slot:{context.number}"


def _values(profile: Profile, context: SlotContext, hostname: str) -> Values:
    """The profile for a slot, its secrets open. Raises `Unavailable`."""
    try:
        network = sealing.unseal(profile.network_sealed, "network")
        return Values(
            hostname=hostname,
            user=profile.user,
            password_hash=sealing.unseal(profile.password_sealed, "password"),
            ssh_keys=tuple(profile.ssh_keys.splitlines()),
            timezone=profile.timezone,
            network=values.render_network(network, context),
            user_data=sealing.unseal(profile.user_data_sealed, "user-data"),
        )
    except sealing.SealBroken as error:
        raise Unavailable(
            f"The secrets of {profile.name} cannot be opened: the portal's key is another one. Enter them again.",
            code="profile-sealed",
        ) from error


def _boot_partition(image: FirmwareImage, workdir: Path, stop: threading.Event | None = None) -> BootPartition:
    partition = next(Partition(**row) for row in image.partitions if row["number"] == image.boot_partition)
    return BootPartition.extract(store.kept(image.pk), library.block_map(image), partition, workdir, stop)


def _sweep(workdir: Path) -> None:
    """Removes what a process left that was killed while it looked."""
    for left in workdir.glob("boot-*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_OVER_SECONDS:
                shutil.rmtree(left)
