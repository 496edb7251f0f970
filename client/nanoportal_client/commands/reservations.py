"""`reserve`, `reservations` and what can be done with one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from nanoportal_client.invocation import Invocation, Length, new_key, with_options
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.words import moment, read_moment, table, zulu


def _time(text: str) -> datetime:
    try:
        return read_moment(text, datetime.now(UTC))
    except ValueError as error:
        raise Problem(Exit.USAGE, f"{error}.") from error


@click.command(epilog="Example: nanoportal reserve 3 --for 2h --purpose 'new kernel'")
@click.argument("slot")
@click.option("--for", "seconds", required=True, type=Length(), help="For how long: 30m, 2h, 3d.")
@click.option("-p", "--purpose", required=True, help="What for; everybody sees it.")
@click.option("--at", default="", metavar="TIME", help="From then on: 18:00, or 2026-11-24 18:00; without, now.")
@click.option("--queue", is_flag=True, help="Join the queue if somebody has it.")
@click.option("--key", default="", help="Idempotency-Key: asking twice with the same one does it once.")
@with_options
def reserve(invocation: Invocation, slot: str, seconds: float, purpose: str, at: str, queue: bool, key: str) -> None:
    """Reserve a slot for a time.

    Nobody else powers, flashes or types there meanwhile.
    """
    board, number = invocation.slot(slot)
    body = {"purpose": purpose, "seconds": round(seconds), "queue": queue, "starts_at": zulu(_time(at)) if at else None}
    row = invocation.portal.act("POST", f"/boards/{board}/slots/{number}/reservations", body, key=key or new_key())
    invocation.show(row, lambda: _words(row))


def _words(row: dict[str, Any]) -> str:
    where = f"Slot {row['slot']} of {row['board']}"
    if row["state"] == "waiting":
        turn = f"number {row['turn']} in the queue, expected at {moment(row['expected_at'])}"
        return f"{where}: {turn} (reservation {row['id']})."
    if row["state"] in ("ended", "broken"):
        why = f": {row['ended_why'].rstrip('.')}" if row["ended_why"] else ""
        return f"{where}: reservation {row['id']} is over{why}."
    begins = "yours" if row["state"] == "active" else f"yours from {moment(row['starts_at'])}"
    return f"{where} is {begins} until {moment(row['ends_at'])} (reservation {row['id']})."


@click.command(epilog="Example: nanoportal reservations --mine")
@click.option("--mine", is_flag=True, help="Only your own, on all boards.")
@with_options
def reservations(invocation: Invocation, mine: bool) -> None:
    """List who has reserved what on the board, and who waits."""
    path = "/reservations" if mine else f"/boards/{invocation.board}/reservations"
    rows = invocation.portal.rows(path, "reservations")
    heads = ("ID", "SLOT", "WHO", "STATE", "FROM", "UNTIL", "WHAT FOR")
    cells = [
        (
            *(row["id"], f"{row['board']}/{row['slot']}", row["holder"], row["state"]),
            *(moment(row["starts_at"] or row["expected_at"]), moment(row["ends_at"]), row["purpose"]),
        )
        for row in rows
    ]
    invocation.show(rows, table(heads, cells, "Nothing is reserved."))


@click.command(epilog="Example: nanoportal release 12")
@click.argument("reservation", type=int)
@with_options
def release(invocation: Invocation, reservation: int) -> None:
    """Give a slot back, give up a plan, or leave the queue."""
    row = invocation.portal.act("DELETE", f"/reservations/{reservation}")
    invocation.show(row, lambda: _words(row))


@click.command(epilog="Example: nanoportal extend 12 --for 30m")
@click.argument("reservation", type=int)
@click.option("--for", "seconds", type=Length(), help="So much longer than its end is now.")
@click.option("--until", default="", metavar="TIME", help="Until then: 18:00, or 2026-11-24 18:00.")
@with_options
def extend(invocation: Invocation, reservation: int, seconds: float | None, until: str) -> None:
    """Move the end of one of your reservations."""
    if bool(until) == bool(seconds):
        raise Problem(Exit.USAGE, "Say either --for or --until.")
    portal = invocation.portal
    if seconds:
        row = portal.get(f"/reservations/{reservation}")
        if row["ends_at"] is None:
            raise Problem(Exit.REFUSED, f"Reservation {reservation} waits: it has no end that could be moved.")
        end = datetime.fromisoformat(row["ends_at"].replace("Z", "+00:00")) + timedelta(seconds=seconds)
    else:
        end = _time(until)
    row = portal.act("PATCH", f"/reservations/{reservation}", {"ends_at": zulu(end)})
    invocation.show(row, lambda: _words(row))


COMMANDS = (reserve, reservations, release, extend)
