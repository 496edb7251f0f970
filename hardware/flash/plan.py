"""What a flash is going to do, in full, before it does anything. Pure: opens nothing.

A plan is shown, typed for, stored and then carried out as it is; its fingerprint tells one plan from another.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hardware.errors import TargetAmbiguous, TargetRefused, TargetTooSmall
from hardware.flash.disks import DiskIdentity

MAX_TARGETS = 7  # the slots of a board


@dataclass(frozen=True)
class FlashTarget:
    """A slot and the storage that was chosen for it; `medium` is what a person calls that storage ("eMMC")."""

    slot: int
    medium: str
    identity: DiskIdentity


@dataclass(frozen=True)
class FlashPlan:
    """An image (by sha256 of its file) onto targets. Sizes in bytes; `data_bytes` is what each target is sent at least.

    `unverified_reason` is why it is not read back afterwards; empty means that it is.
    """

    image_sha256: str
    size_bytes: int
    data_bytes: int
    targets: tuple[FlashTarget, ...]
    unverified_reason: str

    @property
    def verifies(self) -> bool:
        return not self.unverified_reason

    @property
    def summary(self) -> tuple[str, ...]:
        """What will happen, in sentences for the person who has to agree."""
        lines = [
            f"Everything on the {target.medium} of slot {target.slot} is overwritten: {target.identity}."
            for target in self.targets
        ]
        lines.append(f"{self.data_bytes:,} of the image's {self.size_bytes:,} bytes are data and are sent to each.")
        if self.verifies:
            lines.append("Afterwards all of it is read back from the device and compared.")
        else:
            lines.append(f"It is not read back, so nobody will know whether it is right: {self.unverified_reason}.")
        return tuple(lines)

    @property
    def fingerprint(self) -> str:
        """Changes with whatever the plan would do."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "FlashPlan":
        targets = tuple(
            FlashTarget(one["slot"], one["medium"], DiskIdentity(**one["identity"])) for one in stored["targets"]
        )
        return cls(**{**stored, "targets": targets})


def plan_flash(
    image_sha256: str,
    size_bytes: int,
    data_bytes: int,
    targets: Sequence[FlashTarget],
    *,
    unverified_reason: str = "",
) -> FlashPlan:
    """The plan for putting an image on these targets at once.

    Raises TargetRefused if there are none, too many or a slot twice, TargetAmbiguous if two slots share a disk,
    TargetTooSmall if the image does not fit on one.
    """
    slots = [target.slot for target in targets]
    if not 1 <= len(slots) <= MAX_TARGETS or len(set(slots)) < len(slots):
        raise TargetRefused(f"A flash is for 1 to {MAX_TARGETS} slots, each of them once.")
    taken: dict[DiskIdentity, int] = {}
    ordered = tuple(sorted(targets, key=lambda one: one.slot))
    for target in ordered:
        other = taken.setdefault(target.identity, target.slot)
        if other != target.slot:
            raise TargetAmbiguous(
                f"The disk {target.identity} is meant for slot {other} and for slot {target.slot}, so none is written."
            )
        if target.identity.size_bytes < size_bytes:
            raise TargetTooSmall(
                f"The image has {size_bytes:,} bytes and the {target.medium} of slot {target.slot} "
                f"only {target.identity.size_bytes:,}."
            )
    return FlashPlan(image_sha256, size_bytes, data_bytes, ordered, unverified_reason.strip().rstrip("."))
