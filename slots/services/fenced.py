"""The two acts that can cut the portal off: resetting the switch chip and restarting the controller.

Both need the administrator, a reason and the board's name typed, and neither is ever part of a bulk action.
"""

import shutil
import subprocess

from django.db import transaction

from hardware.sequences import switch_reset_sequence
from hardware.som import ResetType
from operations import audit, idempotency, lifecycle, refusals, roles
from operations.models import Operation, OperationState
from operations.roles import Actor
from slots.models import Board, PowerDetails
from slots.services import parts, power

RESTART_SECONDS = 10
SWITCH_RESET_CONSEQUENCE = (
    "Restarts the switch chip: every link on the board drops for seconds, this portal's own included. Its VLAN tables "
    "return to their defaults unless its firmware restores them."
)


def request_switch_reset(board: Board, actor: Actor, *, reason: str, typed: str, key: str = "") -> Operation:
    """Queue a 100 ms reset of the switch chip; if `key` was used for the same before, what came of it then. Raises
    `NotPermitted`, `BadRequest` (reason or typed name missing), `Busy`, `IdempotencyMismatch`, `BrokerUnavailable`."""
    roles.require(actor, "switch.reset", f"{board.slug}/switch")
    _confirmed(board, reason, typed)
    body = {"reset": f"{board.slug}/switch", "reason": reason}
    operation, new = idempotency.once(key, actor, body, lambda: _queue(board, actor, reason))
    if new:
        power.hand_over([operation])
    return operation


def _queue(board: Board, actor: Actor, reason: str) -> Operation:
    """Inside the request's transaction."""
    plan = switch_reset_sequence().to_json()
    resource = f"{board.slug}/switch"
    operation = lifecycle.queue("switch.reset", "Reset the switch chip", resource, actor, plan, reason=reason)
    PowerDetails.objects.create(
        operation=operation, reset_type=ResetType.FORCE_RESTART, believed="", generation=operation.claim.pk
    )
    lifecycle.changed(operation)
    audit.record(
        "switch.reset",
        actor=actor,
        target=resource,
        outcome="requested",
        reason=reason,
        operation_id=operation.pk,
        detail={"title": operation.title, "plan": operation.plan},
    )
    return operation


def _confirmed(board: Board, reason: str, typed: str) -> None:
    if typed.strip() != board.slug:
        raise refusals.BadRequest(f"Type the board's name, {board.slug}, to confirm.", code="not-confirmed")
    if not reason:
        raise refusals.BadRequest("A reason is needed for this.", code="reason-missing")


def controller_restart_words(board: Board) -> tuple[bool, str]:
    """Whether slot 1 can be restarted from here, and the sentence that says how or why not."""
    command = parts.spec(board.slug).controller_restart
    if not command:
        return False, (
            'Not offered: the board file names no command for it ([controller] restart = ["systemctl", "reboot"]). '
            "The reset line of slot 1 is never used, since nobody would be left to release it."
        )
    if shutil.which(command[0]) is None:
        return False, f"Not offered: {command[0]} is not installed on this machine."
    return True, (
        f"Runs {' '.join(command)} on the controller's operating system. The portal is away until it is back; no other "
        "slot is touched."
    )


def restart_controller(board: Board, actor: Actor, *, reason: str, typed: str) -> None:
    """Restart the controller through its operating system. Blocks for at most 10 s. Raises `NotPermitted`,
    `BadRequest`, `NotOffered`, `Busy` (operations are running), `Unavailable` if the command fails."""
    roles.require(actor, "controller.restart", f"{board.slug}/slot:1")
    offered, words = controller_restart_words(board)
    if not offered:
        raise refusals.NotOffered(words)
    _confirmed(board, reason, typed)
    running = Operation.objects.filter(board=board.slug, state=OperationState.RUNNING).first()
    if running is not None:
        raise refusals.Busy(f"{running.title} is running, asked for by {running.actor}; wait for it or cancel it.")
    with transaction.atomic():
        audit.record(
            "controller.restart", actor=actor, target=f"{board.slug}/slot:1", outcome="requested", reason=reason
        )
    command = parts.spec(board.slug).controller_restart
    try:
        subprocess.run(command, check=True, timeout=RESTART_SECONDS, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise refusals.Unavailable(f"{command[0]} {_failed(error)}. Nothing was restarted.") from error


def _failed(error: Exception) -> str:
    match error:
        case subprocess.CalledProcessError():
            return f"ended with exit status {error.returncode}"
        case subprocess.TimeoutExpired():
            return f"did not end within {RESTART_SECONDS} s"
        case OSError():
            return f"could not be started: {error.strerror}"
    return f"failed: {error}"
