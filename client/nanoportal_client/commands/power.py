"""`power`: switching slots, at once or one after the other, and waiting for what comes of it."""

from typing import Any

import click

from nanoportal_client import waiting
from nanoportal_client.invocation import Invocation, Length, new_key, with_options
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.words import table

#: The kindest way that each SOM has, several staggered by the portal.
VERBS = {"on": "start", "off": "stop", "restart": "restart"}
#: Exactly this, on one slot after the other.
RESETS = {
    "force-off": "ForceOff",
    "force-restart": "ForceRestart",
    "graceful-off": "GracefulShutdown",
    "graceful-restart": "GracefulRestart",
    "power-cycle": "PowerCycle",
    "press": "PushPowerButton",
}


@click.command(epilog="Example: nanoportal power on 2-4 --wait --reason nightly")
@click.argument("verb", type=click.Choice([*VERBS, *RESETS]), metavar="VERB")
@click.argument("slots", nargs=-1, required=True)
@click.option("-r", "--reason", default="", help="Why, for the audit log.")
@click.option("-w", "--wait", is_flag=True, help="Until it has ended; the exit code says how.")
@click.option("--within", type=Length(), help="With --wait: give up waiting after that time, with exit code 8.")
@click.option(
    "--accept-stranding",
    is_flag=True,
    help="Force a CM5 off although only a loss of the board's power then starts it again.",
)
@click.option("--key", default="", help="Idempotency-Key: asking twice with the same one does it once.")
@with_options
def power(
    invocation: Invocation,
    verb: str,
    slots: tuple[str, ...],
    reason: str,
    wait: bool,
    within: float | None,
    accept_stranding: bool,
    key: str,
) -> None:
    """Switch slots on or off, or restart them.

    VERB is on, off or restart, which each slot does in the kindest way it has; several are staggered by the portal. Or
    it is done exactly so: force-off, force-restart, graceful-off, graceful-restart, power-cycle, press.

    SLOTS are 3, 2-4, 2,5 or demo/3.
    """
    if within is not None and not wait:
        raise Problem(Exit.USAGE, "--within says how long to wait, so it takes --wait.")
    targets = invocation.slots(slots)
    if verb in VERBS:
        if accept_stranding:
            raise Problem(Exit.USAGE, "--accept-stranding is for force-off.")
        asked = _ask_group(invocation, VERBS[verb], targets, reason, key)
        rows = waiting.wait_for(invocation, [row["id"] for row in asked], within) if wait else asked
    else:
        body = {"reset_type": RESETS[verb], "reason": reason, "accept_stranding": accept_stranding}
        rows = _ask_each(invocation, targets, body, key, within, wait=wait or len(targets) > 1)
    invocation.show(rows, lambda: table(("SLOT", "WHAT", "STATE", "OPERATION"), map(_cells, rows), ""))
    if wait or len(targets) > 1:
        waiting.end_of([row for row in rows if row["state"] not in waiting.OPEN])


def _ask_group(
    invocation: Invocation, verb: str, targets: list[tuple[str, int]], reason: str, key: str
) -> list[dict[str, Any]]:
    """All slots of a board with one request, so that the portal adds up their power and staggers their start."""
    found: list[dict[str, Any]] = []
    boards = list(dict.fromkeys(board for board, _ in targets))
    for board in boards:
        numbers = [number for named, number in targets if named == board]
        body = {"verb": verb, "slots": numbers, "reason": reason}
        own = f"{key}-{board}" if key and len(boards) > 1 else key
        answer = invocation.portal.act("POST", f"/boards/{board}/power", body, key=own or new_key())
        found += answer["operations"]
    return found


def _ask_each(
    invocation: Invocation,
    targets: list[tuple[str, int]],
    body: dict[str, Any],
    key: str,
    within: float | None,
    *,
    wait: bool,
) -> list[dict[str, Any]]:
    """Slot by slot; with several the next when the one before has ended, and none after one that has failed."""
    found: list[dict[str, Any]] = []
    for board, number in targets:
        path = f"/boards/{board}/slots/{number}/reset"
        own = f"{key}-{board}-{number}" if key and len(targets) > 1 else key
        found.append(invocation.portal.act("POST", path, body, key=own or new_key()))
        if wait:
            (found[-1],) = waiting.wait_for(invocation, [found[-1]["id"]], within)
            if found[-1]["state"] != "succeeded":
                break
    return found


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    return row["resource"], row["title"], row["message"] or row["state"], row["id"]


COMMANDS = (power,)
