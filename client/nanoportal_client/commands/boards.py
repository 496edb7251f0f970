"""`boards` and `slots`: what is there and how it stands."""

from typing import Any

import click

from nanoportal_client.invocation import Invocation, with_options
from nanoportal_client.output import put
from nanoportal_client.words import moment, table


@click.command(epilog="Example: nanoportal boards --json")
@with_options
def boards(invocation: Invocation) -> None:
    """List the boards that you may see."""
    rows = invocation.portal.rows("/boards", "boards")
    cells = [(row["slug"], row["name"], f"{row['on']} of {row['soms']}", row["problem"]) for row in rows]
    invocation.show(rows, table(("BOARD", "NAME", "ON", "PROBLEM"), cells, "There is no board that you may see."))


@click.command(epilog="Example: nanoportal slots 2-4")
@click.argument("slots", nargs=-1)
@with_options
def slots(invocation: Invocation, slots: tuple[str, ...]) -> None:
    """Show what is in the slots, their power, and who has them.

    All slots of the board, or those named; of one also the evidence, and what can be asked of it now.
    """
    portal = invocation.portal
    if slots:
        rows = [portal.get(f"/boards/{board}/slots/{number}") for board, number in invocation.slots(slots)]
    else:
        rows = portal.get(f"/boards/{invocation.board}")["slots"]
    heads = ("SLOT", "SOM", "NAME", "POWER", "BASIS", "SINCE", "RESERVED BY", "NOTE")
    invocation.show(rows, table(heads, map(_cells, rows), "There is no slot that you may see."))
    if len(slots) == 1 and not invocation.json:
        _say_more(rows[0])


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    som, power, held = row["som"] or {}, row["power"], row["reservation"] or {}
    if row["som"] is None:
        return row["number"], "empty", "", "", "", "", held.get("holder", ""), ""
    return (
        *(row["number"], som["type"], som["name"], power["power_state"], power["basis"], moment(power["since"])),
        *(held.get("holder", ""), _note(row)),
    )


def _note(row: dict[str, Any]) -> str:
    """The one thing to know of a slot."""
    if row["operation"]:
        return f"operation {row['operation']}"
    if row["power"]["latched"]:
        return "latched: starts after a loss of board power only"
    if row["power"]["contradiction"]:
        return str(row["power"]["contradiction"])
    return "controller" if row["controller"] else ""


def _say_more(row: dict[str, Any]) -> None:
    """Evidence of one slot, and what may be asked of it."""
    evidence = [(one["kind"], one["value"], moment(one["at"])) for one in row["power"]["evidence"]]
    if evidence:
        put("\n" + table(("EVIDENCE", "SAYS", "AT"), evidence, ""))
    offers = [(one["reset_type"], "yes" if one["offered"] else "no", one["sentence"]) for one in row["resets"]]
    put("\n" + table(("RESET", "NOW", "WHAT IT DOES, OR WHY NOT"), offers, ""))


COMMANDS = (boards, slots)
