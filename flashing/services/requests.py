"""Asking for a flash: what can be chosen, what would happen, and the request itself.

Request and execution meet in rows only: a `FlashRun`, and for each slot an operation with its claim.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from flashing import guidance
from flashing.models import FlashJob, FlashRun, Method, Profile
from flashing.services import network, profiles, promises, queueing
from flashing.services.methods import MethodOffer, offers
from hardware.flash.plan import MAX_TARGETS
from images.models import FirmwareImage
from images.services import library
from operations import idempotency, lifecycle, refusals, roles
from operations.models import OPEN_STATES, Operation, OperationState
from operations.roles import Actor
from slots.models import Board, Slot
from slots.services import budget, power

__all__ = [
    "Ask",
    "MethodOffer",
    "Review",
    "TargetAsk",
    "cancel_all",
    "images_for",
    "offers",
    "request_flash",
    "retry",
    "review",
]


@dataclass(frozen=True)
class TargetAsk:
    """One slot of a wish: by its number, which way, onto which medium; `address` for the network only."""

    slot: int
    method: str
    medium: str
    address: str = ""


@dataclass(frozen=True)
class Ask:
    """One wish as it came in. `unverified_reason` empty: it is read back; `typed`: the name typed for each slot."""

    image_id: UUID
    targets: tuple[TargetAsk, ...]
    profile_id: int | None = None
    unverified_reason: str = ""
    reason: str = ""
    typed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageOffer:
    """An image of the library: whether it may be put on all the chosen slots, and why not (or what to mind)."""

    image: FirmwareImage
    fits: bool
    why: str


@dataclass(frozen=True)
class ReviewJob:
    """What will happen to one slot. `name` is what has to be typed for it."""

    slot: Slot
    method: str
    medium: str
    address: str
    power_before: str
    power_after: str
    words: str
    name: str
    hands: bool


@dataclass(frozen=True)
class Review:
    """What a wish would do, in full, before it is made."""

    image: FirmwareImage
    profile: Profile | None
    jobs: list[ReviewJob]
    sentences: list[str]


def images_for(slots: list[Slot]) -> list[ImageOffer]:
    """All images that may still be flashed, the newest first, each with whether it fits all of `slots`."""
    images = FirmwareImage.objects.filter(retired_at=None).prefetch_related("som_types")
    return [ImageOffer(image, not (why := _misfit(image, slots)), why or _doubt(image)) for image in images]


def _misfit(image: FirmwareImage, slots: list[Slot]) -> str:
    if problem := library.problem(image):
        return problem
    fits = {som_type.name for som_type in image.som_types.all()}
    for slot in slots:
        name = slot.som.som_type.name if hasattr(slot, "som") else ""
        if not name:
            return f"No SOM is recorded in slot {slot.number}."
        if fits and name not in fits:
            return f"{image.name} is for {', '.join(sorted(fits))}; slot {slot.number} holds a {name}."
    return ""


def _doubt(image: FirmwareImage) -> str:
    return "" if image.som_types.all() else "Nobody has said which SOM it is for."


def review(board: Board, ask: Ask) -> Review:
    """What `ask` would do as things stand. Raises the refusal that fits; changes nothing, opens no disk."""
    numbers = [target.slot for target in ask.targets]
    if not 1 <= len(numbers) <= MAX_TARGETS or len(set(numbers)) < len(numbers):
        raise refusals.BadRequest(f"A flash is for 1 to {MAX_TARGETS} slots, each of them once.", code="bad-slots")
    image = _usable(ask.image_id)
    profile = _profile(ask.profile_id, image)
    targets = sorted(ask.targets, key=lambda target: target.slot)
    slots = [power.find_slot(board.slug, target.slot) for target in targets]
    jobs = [_review_job(slot, target) for slot, target in zip(slots, targets, strict=True)]
    if why := _misfit(image, slots):
        raise refusals.Conflict(why, code="image-does-not-fit")
    if profile and (why := profiles.why_not(profile, image, [profiles.context_of(slot) for slot in slots])):
        raise refusals.Conflict(why, code="profile-does-not-fit")
    for job in jobs:
        _refuse_too_small(job, image)
    _refuse_shared(jobs)
    starting = [job.slot for job in jobs if job.method == Method.RPIBOOT and job.power_before not in promises.RUNS]
    if starting:
        budget.refuse_if_over(board, starting)
    return Review(image, profile, jobs, _sentences(image, profile, jobs, ask))


def _usable(image_id: UUID) -> FirmwareImage:
    image = library.find(image_id)
    if image.is_retired:
        raise refusals.Conflict(f"{image.name} is retired: bring it back to flash it again.", code="image-retired")
    return image


def _profile(profile_id: int | None, image: FirmwareImage) -> Profile | None:
    if profile_id is None:
        return None
    profile = Profile.objects.filter(pk=profile_id).first()
    if profile is None:
        raise refusals.NotFound("There is no such first-boot profile; it may have been deleted.", code="no-profile")
    if image.boot_partition is None:
        raise refusals.Conflict(
            f"{image.name} has no boot partition that the portal can write to, so it takes no first-boot profile.",
            code="no-boot-partition",
        )
    return profile


def _review_job(slot: Slot, target: TargetAsk) -> ReviewJob:
    power.refuse_if_busy(slot.resource(slot.board.slug))
    chosen = next((offer for offer in offers(slot) if offer.method == target.method), None)
    if chosen is None:
        raise refusals.BadRequest(f"Slot {slot.number} cannot be flashed by {target.method!r}.", code="unknown-method")
    if not chosen.available:
        raise refusals.Conflict(f"Slot {slot.number}: {chosen.words}", code="method-not-available")
    medium, address = target.medium, chosen.address
    if target.method == Method.NETWORK:
        medium, address = network.parse(slot.resource(slot.board.slug), target.address)
    elif target.medium not in chosen.media:
        raise refusals.BadRequest(
            f"The SOM in slot {slot.number} has no {target.medium!r}; there is {', '.join(chosen.media)}.",
            code="unknown-medium",
        )
    promised = promises.promise(slot, target.method)
    return ReviewJob(
        slot,
        target.method,
        medium,
        address,
        promised.before,
        promised.after,
        promised.words,
        name_of(slot),
        promised.hands,
    )


def _refuse_shared(jobs: Sequence[ReviewJob]) -> None:
    """All targets are there at once: two of them cannot be in one socket, nor be one file or disk."""
    users: dict[str, ReviewJob] = {}
    for job in jobs:
        other = users.setdefault(job.address, job)
        if other is not job:
            raise refusals.Conflict(
                f"Slots {other.slot.number} and {job.slot.number} share {guidance.usb_path(job.address)}, so they "
                "cannot be written at once: flash one after the other.",
                code="shared-target",
            )
    # Two slots that share a socket: the boot ROM of one would be taken for the other's.
    under_way = FlashJob.objects.filter(address__in=users, operation__state__in=OPEN_STATES)
    if (busy := under_way.select_related("operation").first()) is not None:
        raise refusals.Busy(
            f"{guidance.usb_path(busy.address)} is busy: {busy.operation.title}, asked for by {busy.operation.actor}, "
            "has not ended.",
            code="shared-target",
            retryable=True,
        )


def name_of(slot: Slot) -> str:
    """What a person types to confirm: the SOM's name, or the slot if it has none."""
    return slot.som.name or f"slot {slot.number}"


GB = 1000**3


def _refuse_too_small(job: ReviewJob, image: FirmwareImage) -> None:
    """By what is recorded; the disk itself is measured before the first byte."""
    recorded = job.slot.som.emmc_gb if job.medium == "eMMC" else None
    if recorded and image.size_bytes > recorded * 1.1 * GB:
        raise refusals.Conflict(
            f"{image.name} has {image.size_bytes:,} bytes; the eMMC of slot {job.slot.number} has {recorded} GB.",
            code="image-does-not-fit",
        )


def _sentences(image: FirmwareImage, profile: Profile | None, jobs: list[ReviewJob], ask: Ask) -> list[str]:
    said = [f"Everything on the {job.medium} of slot {job.slot.number} ({job.name}) is overwritten." for job in jobs]
    said.append(
        f"{image.mapped_bytes:,} of the image's {image.size_bytes:,} bytes are data; zeros among the rest are written "
        "as well, unless its block map calls them holes."
    )
    if ask.unverified_reason:
        said.append(f"It is not read back, so nobody will know whether it is right: {ask.unverified_reason}")
    else:
        said.append("Afterwards all of it is read back from the device and compared.")
    if profile:
        said.append(f"Each slot's first-boot files come from the profile {profile.name}.")
    return said


def request_flash(board: Board, ask: Ask, actor: Actor, key: str = "") -> FlashRun:
    """Decide, claim and queue one run; the one from before if `key` was used for the same wish.

    Raises `NotPermitted`, `BadRequest`, `NotFound`, `Conflict`, `Busy` (a slot is, or as many runs as the worker takes
    are under way), `OverBudget`, `ControllerSlotProtected`, `IdempotencyMismatch`, `BrokerUnavailable`. One
    transaction; blocks for the database and the hand-over to the broker.
    """
    for target in ask.targets:
        roles.require(actor, "flash", f"{board.slug}/slot:{target.slot}")
    if ask.unverified_reason:
        roles.require(actor, "flash.unverified", board.slug)
    body = {**asdict(ask), "image_id": str(ask.image_id), "board": board.slug, "typed": sorted(ask.typed.items())}
    operation, new = idempotency.once(key, actor, body, lambda: _queue(board, ask, actor))
    run = FlashRun.objects.get(jobs__operation=operation)
    if new:
        queueing.hand_over(run)
    return run


def _queue(board: Board, ask: Ask, actor: Actor) -> Operation:
    """Inside the request's transaction."""
    power.one_at_a_time(board)
    queueing.refuse_if_full()
    FirmwareImage.objects.select_for_update().filter(pk=ask.image_id).first()  # it is not deleted from here on
    reviewed = review(board, ask)
    for job in reviewed.jobs:
        _refuse_unconfirmed(job, ask.typed)
    run = queueing.create_run(
        board,
        reviewed.image,
        reviewed.profile,
        actor,
        unverified_reason=power.clean_reason(ask.unverified_reason),
    )
    made = [_create_job(run, job, actor, power.clean_reason(ask.reason)) for job in reviewed.jobs]
    queueing.record(run, made, actor, power.clean_reason(ask.reason))
    return made[0].operation


def _refuse_unconfirmed(job: ReviewJob, typed: dict[int, str]) -> None:
    if typed.get(job.slot.number, "").strip() != job.name:
        raise refusals.BadRequest(
            f"Type {job.name} to confirm that all that slot {job.slot.number} holds may be lost.", code="not-confirmed"
        )


def _create_job(run: FlashRun, job: ReviewJob, actor: Actor, reason: str) -> FlashJob:
    return queueing.create_job(
        run,
        job.slot,
        actor,
        reason,
        method=job.method,
        medium=job.medium,
        address=job.address,
        identity=network.planned(job.address) if job.method == Method.NETWORK else {},
        power_before=job.power_before,
        power_after=job.power_after,
    )


def retry(job: FlashJob, actor: Actor, typed: str, key: str = "") -> FlashRun:
    """The same once more for one slot, from the start. Raises as `request_flash`, and `Conflict` if it has not ended,
    went well, or its image is gone."""
    run, operation = job.run, job.operation
    roles.require(actor, "flash", operation.resource)
    if operation.is_open:
        raise refusals.Conflict(f"{operation.title} has not ended yet.", code="not-ended")
    if operation.state == OperationState.SUCCEEDED:
        raise refusals.Conflict(f"{operation.title} went well; there is nothing to try again.", code="succeeded")
    if run.image_id is None:
        raise refusals.Conflict(f"{run.image_name} is not in the library any more.", code="image-gone")
    if run.profile_name and run.profile_id is None:
        raise refusals.Conflict(f"The profile {run.profile_name} has been deleted.", code="no-profile")
    target = TargetAsk(job.number, job.method, job.medium, job.address if job.method == Method.NETWORK else "")
    ask = Ask(run.image_id, (target,), run.profile_id, run.unverified_reason, operation.reason, {job.number: typed})
    return request_flash(Board.objects.get(slug=run.board), ask, actor, key=key)


def cancel_all(run: FlashRun, actor: Actor) -> None:
    """Ask all jobs of `run` that have not ended to end; one that ends meanwhile is left as it is. Raises
    `NotPermitted`, before any is asked, if one is not theirs to end."""
    still_open = [job.operation for job in run.jobs.all() if job.operation.is_open]
    for operation in still_open:
        roles.require(actor, lifecycle.right_to(operation), operation.resource)
    for operation in still_open:
        with contextlib.suppress(refusals.Conflict):  # it ended while somebody decided
            lifecycle.cancel(operation, actor)
