"""`operations`, `wait`, `cancel` and `audit`: what was asked for, what came of it, who did what."""

from typing import Any

import click

from nanoportal_client import waiting
from nanoportal_client.invocation import Day, Invocation, Length, Name, with_options
from nanoportal_client.words import moment, table

MOST = 50
OPERATION = Name("operation's id; `nanoportal operations` lists them")


@click.command(epilog="Example: nanoportal operations --open")
@click.argument("operation", required=False, type=OPERATION)
@click.option("--open", "is_open", is_flag=True, help="Only those that have not ended.")
@click.option("-n", "--count", default=MOST, show_default=True, type=click.IntRange(1, 10_000), help="So many at most.")
@with_options
def operations(invocation: Invocation, operation: str | None, is_open: bool, count: int) -> None:
    """List what was asked for lately, the newest first.

    Or one OPERATION, with its log.
    """
    if operation:
        row = invocation.portal.get(f"/operations/{operation}")
        lines = [f"{moment(line['at'])}  {line['text']}" for line in row["log"]]
        invocation.show(row, lambda: "\n".join([_table([row]), "", *lines, row["message"]]).rstrip())
        return
    board, state = invocation.board_asked or None, "open" if is_open else None
    rows = invocation.portal.rows("/operations", "operations", most=count, board=board, state=state)
    invocation.show(rows, lambda: _table(rows))


def _table(rows: list[dict[str, Any]]) -> str:
    heads = ("ID", "WHAT", "WHERE", "WHO", "STATE", "AT", "NOTE")
    cells = [
        (
            *(row["id"], row["title"], row["resource"], row["actor"], row["state"]),
            *(moment(row["created_at"]), row["progress"] if row["state"] in waiting.OPEN else row["code"]),
        )
        for row in rows
    ]
    return table(heads, cells, "There is no such operation.")


@click.command(epilog="Example: nanoportal wait 0b52f16a-8c5c-45b7-979e-121e7a7eff65 --within 5m")
@click.argument("ids", nargs=-1, required=True, metavar="OPERATION...", type=OPERATION)
@click.option("--within", type=Length(), help="Give up waiting after that time, with exit code 8.")
@with_options
def wait(invocation: Invocation, ids: tuple[str, ...], within: float | None) -> None:
    """Wait until operations have ended; the exit code says how."""
    rows = waiting.wait_for(invocation, ids, within)
    invocation.show(rows, lambda: _table(rows))
    waiting.end_of(rows)


@click.command(epilog="Example: nanoportal cancel 0b52f16a-8c5c-45b7-979e-121e7a7eff65")
@click.argument("operation", type=OPERATION)
@with_options
def cancel(invocation: Invocation, operation: str) -> None:
    """Cancel an operation.

    It ends at once if it waits; if it runs, what it presses is released now.
    """
    row = invocation.portal.act("POST", f"/operations/{operation}/cancel")
    invocation.show(row, lambda: _table([row]))


@click.command(epilog="Example: nanoportal audit --actor olga --target demo/slot:3 --from 2026-11-01")
@click.argument("text", default="")
@click.option("--actor", default="", help="Only what that person did.")
@click.option("--action", default="", help="Only such acts: power.reset, flash, ...")
@click.option("--target", default="", help="Only what was done to that: demo, demo/slot:3, ...")
@click.option("--outcome", default="", help="Only what ended so: done, refused, failed, ...")
@click.option("--from", "since", default="", type=Day(), help="From that day on, UTC: 2026-11-01.")
@click.option("--to", default="", type=Day(), help="Up to that day, it included.")
@click.option(
    "-n", "--count", default=MOST, show_default=True, type=click.IntRange(1, 1_000_000), help="So many at most."
)
@with_options
def audit(invocation: Invocation, text: str, count: int, since: str, **filters: str) -> None:
    """Search the audit log, the newest first.

    With TEXT, only entries that have each of its words, or words that begin so.
    """
    asked = {name: value or None for name, value in {"text": text, "from": since, **filters}.items()}
    rows: list[dict[str, Any]] = []
    before: int | None = None
    while len(rows) < count:
        page = invocation.portal.get("/audit", **asked, before=before)
        rows += page["entries"]
        before = page["older"]
        if before is None:
            break
    rows = rows[:count]
    heads = ("NO", "AT", "WHO", "BY", "DID", "TO", "OUTCOME", "WHY")
    cells = [
        (
            *(row["seq"], moment(row["at"]), row["actor"], row["token"] or row["credential"] or "", row["words"]),
            *(row["target"], row["outcome"], row["reason"] or row["message"]),
        )
        for row in rows
    ]
    invocation.show(rows, table(heads, cells, "There is no such entry that you may see."))


COMMANDS = (operations, wait, cancel, audit)
