"""What we chose not to do. Each refusal has a stable code and one sentence; `http.py` alone knows statuses."""

from typing import Any


class Refused(Exception):
    """The portal decided not to act; nothing was changed. `detail` is JSON for machines."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.detail = detail


class BadRequest(Refused):
    """The request itself makes no sense, for instance an unknown reset type."""

    code = "bad-request"


class NotPermitted(Refused):
    """The actor's role does not cover the act."""

    code = "not-permitted"


class TokenRefused(Refused):
    """The request carries an API token that is none, has ended or may not be used from there."""

    code = "token-refused"


class NotFound(Refused):
    """There is no such board, slot, operation or person."""

    code = "not-found"


def no_board(board: str) -> NotFound:
    """For a board that does not exist, and in the same words for one that somebody may not see."""
    return NotFound(f"There is no board {board}.", code="unknown-board")


def no_slot(board: str, number: int) -> NotFound:
    """For a slot that somebody may not see."""
    return NotFound(f"There is no slot {number} on board {board} that you may see.", code="unknown-slot")


class TooManyTries(Refused):
    """Signing in has failed so often that the next try waits; `detail` has `retry_after_seconds`."""

    code = "too-many-tries"


class Busy(Refused):
    """Somebody else's operation holds the resource; `detail` names holder, purpose and since."""

    code = "busy"


class Expired(Refused):
    """It came too late; nothing was started."""

    code = "expired"


class Conflict(Refused):
    """The state of the thing does not allow it now, for instance it is already On."""

    code = "conflict"


class ControllerSlotProtected(Refused):
    """Slot 1 runs the portal and is never part of an ordinary power command."""

    code = "controller-slot-protected"


class AmbiguousPowerState(Refused):
    """A button press would act differently depending on a state that nobody knows."""

    code = "ambiguous-power-state"


class NotOffered(Refused):
    """This SOM cannot do that; the sentence says why and what it can do instead."""

    code = "reset-type-unsupported"


class StrandingNotAccepted(Refused):
    """A hold that leaves a CM5 dead until the board loses power needs an explicit yes."""

    code = "stranding-not-accepted"


class OverBudget(Refused):
    """The supply cannot carry it; `detail` has the sum."""

    code = "over-budget"


class Outdated(Refused):
    """Somebody else changed it since it was read; nothing was saved."""

    code = "outdated"


class UnsafePlan(Refused):
    """A plan for the switch would cut people off, or is not what anybody means; `detail` has each reason's code."""

    code = "unsafe-plan"


class PlanStale(Refused):
    """What was shown is not what would be done by now: something changed in between. Nothing was written."""

    code = "plan-stale"


class IdempotencyMismatch(Refused):
    """The same Idempotency-Key was used before with another body."""

    code = "idempotency-mismatch"


class Gone(Refused):
    """It was here and will not come back, for instance an upload that was refused or has expired."""

    code = "gone"


class WrongVersion(Refused):
    """The client speaks a version of the upload protocol that we do not."""

    code = "wrong-version"


class UnsupportedMedia(Refused):
    """The body's type is not the one that this address takes."""

    code = "unsupported-media"


class ChecksumMismatch(Refused):
    """What arrived is not what was sent; nothing of it counts."""

    code = "checksum-mismatch"


class ImageRejected(Refused):
    """The file cannot be used as an image; nothing of it was kept."""

    code = "image-rejected"


class NoRoom(Refused):
    """The image library's quota or the disk is too small for it; `detail` has the figures."""

    code = "no-room"


class Unavailable(Refused):
    """Something that the portal needs, for instance the broker, is away; trying again later may work."""

    code = "unavailable"


class BrokerUnavailable(Unavailable):
    """The message broker does not answer, so no worker could be told."""

    code = "broker-unavailable"
