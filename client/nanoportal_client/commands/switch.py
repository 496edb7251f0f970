"""`vlan`: the switch's setup as a file, its plan, and a commit that undoes itself unless it is confirmed."""

import sys
from pathlib import Path
from typing import Any

import click

from nanoportal_client import waiting
from nanoportal_client.invocation import Invocation, Length, new_key, with_options
from nanoportal_client.output import put
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.waiting import Patience
from nanoportal_client.words import moment, table


@click.group(epilog="Example: nanoportal vlan commit")
def vlan() -> None:
    """Plan, write, confirm and undo the VLANs of the switch."""


@vlan.command(epilog="Example: nanoportal vlan show --draft")
@click.option("--draft", is_flag=True, help="What is desired, instead of what the switch holds.")
@with_options
def show(invocation: Invocation, draft: bool) -> None:
    """Show the VLANs as the switch holds them.

    Also a change that waits to be confirmed.
    """
    path = f"/boards/{invocation.board}/switch"
    found = invocation.portal.get(f"{path}/vlans" if draft else path)
    document = found if draft else found["running"]
    if draft:
        invocation.show(found, lambda: _document(document))
        return
    lines = [_document(document) if document else "What the switch holds was not set up here."]
    lines += [found["why_no_access"]] if found["why_no_access"] else []
    lines += [f"Differs from revision {found['revision']}: {words}" for words in found["drift"]]
    lines += [_change_words(found["change"])] if found["change"] else []
    invocation.show(found, "\n".join(lines))


def _document(document: dict[str, Any]) -> str:
    rows = [
        (row["vid"], row.get("name", ""), _places(row, "untagged"), _places(row, "tagged")) for row in document["vlans"]
    ]
    more = [f"Management is in VLAN {document['management_vid']}."]
    if isolation := document.get("isolation"):
        pairs = isolation if isinstance(isolation, str) else "; ".join(f"{a} and {b}" for a, b in isolation)
        more.append(f"Kept apart: {pairs}.")
    if mirror := document.get("mirror"):
        more.append(f"Copies go to {mirror['to']}.")
    return "\n".join([table(("VID", "NAME", "UNTAGGED", "TAGGED"), rows, "There is no VLAN."), *more])


def _places(row: dict[str, Any], name: str) -> str:
    return ", ".join(map(str, row.get(name, ())))


def _change_words(change: dict[str, Any]) -> str:
    """A change as it stands, and what to say about it."""
    if change["state"] == "confirmed":
        return f"Change {change['number']} is kept."
    until = f" It undoes itself at {moment(change['deadline_at'])}." if change["deadline_at"] else ""
    stands = "waits to be confirmed" if change["state"] == "awaiting" else f"is {change['state'].replace('-', ' ')}"
    return f"Change {change['number']} {stands}.{until} `vlan confirm` keeps it, `vlan revert` undoes it."


@vlan.command(name="export", epilog="Example: nanoportal vlan export > board.yaml")
@with_options
def export_file(invocation: Invocation) -> None:
    """Print the desired setup as YAML, with --json as JSON.

    `vlan import` takes it back.
    """
    path = f"/boards/{invocation.board}/switch/vlans"
    if invocation.json:
        invocation.show(invocation.portal.get(path), "")
    else:
        put(invocation.portal.send("GET", f"{path}.yaml").text, end="")


@vlan.command(name="import", epilog="Example: nanoportal vlan import board.yaml")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@with_options
def import_file(invocation: Invocation, file: Path) -> None:
    """Make FILE the desired setup.

    FILE is YAML as `vlan export` prints it, - for standard input. Nothing of it reaches the switch before a commit.
    """
    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    path = f"/boards/{invocation.board}/switch/vlans.yaml"
    saved = invocation.portal.send("PUT", path, content=text, acts=True).json()
    invocation.show(saved, lambda: _document(saved))


@vlan.command(epilog="Example: nanoportal vlan discard")
@with_options
def discard(invocation: Invocation) -> None:
    """Throw the desired setup away."""
    invocation.portal.act("DELETE", f"/boards/{invocation.board}/switch/vlans")
    invocation.show({"discarded": True}, "The draft is gone.")


@vlan.command(epilog="Example: nanoportal vlan plan --json")
@with_options
def plan(invocation: Invocation) -> None:
    """Show what a commit would do now. Reads the switch, changes nothing."""
    found = invocation.portal.act("POST", f"/boards/{invocation.board}/switch/plan")
    invocation.show(found, lambda: _plan_words(found))


def _plan_words(found: dict[str, Any]) -> str:
    lines = list(found["words"]) or ["Nothing would change."]
    if found["isolated"]:
        lines.append(f"Cut off meanwhile: {', '.join(map(str, found['isolated']))}.")
    for one in found["unsafe"]:
        way = (
            "an administrator can take that on, on the page" if one["can_be_overridden"] else "nobody can take that on"
        )
        lines.append(f"UNSAFE: {one['words']} ({way})")
    return "\n".join([*lines, f"Fingerprint: {found['fingerprint']}"])


@vlan.command(epilog="Example: nanoportal vlan commit --yes --keep --reason 'slot 3 to the lab'")
@click.option("--fingerprint", default="", help="Of the plan that is meant; without, one is made and shown now.")
@click.option(
    "--revert-after",
    default="2m",
    type=Length(),
    show_default=True,
    help="It undoes itself unless it is confirmed by then.",
)
@click.option("--keep", is_flag=True, help="Confirm it as soon as it is written, if the portal is reached then.")
@click.option("--yes", is_flag=True, help="Without being asked.")
@click.option("-r", "--reason", default="", help="Why, for the audit log.")
@click.option("--key", default="", help="Idempotency-Key: asking twice with the same one does it once.")
@with_options
def commit(
    invocation: Invocation,
    fingerprint: str,
    revert_after: float,
    keep: bool,
    yes: bool,
    reason: str,
    key: str,
) -> None:
    """Write the desired setup to the switch.

    Unless `vlan confirm` follows in time, it undoes itself.
    """
    portal, path = invocation.portal, f"/boards/{invocation.board}/switch"
    if not fingerprint:
        found = portal.act("POST", f"{path}/plan")
        invocation.say(_plan_words(found))
        fingerprint = found["fingerprint"]
        if not yes:
            if not invocation.asks:
                raise Problem(Exit.USAGE, "Nobody is there to be asked: say --yes, or --fingerprint of a plan.")
            click.confirm("Do that?", abort=True, err=True)
    body = {"fingerprint": fingerprint, "revert_after_seconds": round(revert_after), "reason": reason}
    change = portal.act("POST", f"{path}/commit", body, key=key or new_key())
    written = _until(invocation, path, change, "queued", "applying")
    if written["state"] not in ("awaiting", "confirmed"):
        raise _undone(written)
    if keep and written["state"] == "awaiting":
        _keep(invocation, path)
    else:
        invocation.show(written, lambda: _change_words(written))


def _until(invocation: Invocation, path: str, change: dict[str, Any], *states: str) -> dict[str, Any]:
    """The change once it is in none of these states any more. Ctrl-C leaves it alone, and it undoes itself."""
    patience, found = Patience(invocation.clock), change
    try:
        while found["state"] in states:
            patience.rest(f"Change {change['number']}")
            read = patience.look(lambda: invocation.portal.get(f"{path}/changes/{change['number']}"))
            found = read or found
    except KeyboardInterrupt:
        words = f"Change {change['number']} goes on without you, and undoes itself unless it is confirmed."
        raise Problem(Exit.INTERRUPTED, words) from None
    return found


def _undone(change: dict[str, Any]) -> Problem:
    why = change["operation"]["message"] or change["rolled_back_because"] or "its operation says no more"
    words = f"Change {change['number']} is {change['state'].replace('-', ' ')}: {why}"
    return Problem(Exit.FAILED, words, code=change["operation"]["code"] or change["state"], detail=change)


def _keep(invocation: Invocation, path: str) -> None:
    revision = invocation.portal.act("POST", f"{path}/confirm")
    invocation.show(revision, f"Kept as revision {revision['number']}.")


@vlan.command(epilog="Example: nanoportal vlan confirm")
@with_options
def confirm(invocation: Invocation) -> None:
    """Keep what was written.

    For whoever committed it: being able to say so proves that they still reach the portal.
    """
    _keep(invocation, f"/boards/{invocation.board}/switch")


@vlan.command(epilog="Example: nanoportal vlan extend --by 5m")
@click.option("--by", default="2m", type=Length(), show_default=True, help="So long from now.")
@with_options
def extend(invocation: Invocation, by: float) -> None:
    """Take more time to confirm."""
    change = invocation.portal.act("POST", f"/boards/{invocation.board}/switch/extend", {"seconds": round(by)})
    invocation.show(change, lambda: _change_words(change))


@vlan.command(epilog="Example: nanoportal vlan revert")
@with_options
def revert(invocation: Invocation) -> None:
    """Undo the change that waits to be confirmed."""
    path = f"/boards/{invocation.board}/switch"
    change = _until(invocation, path, invocation.portal.act("POST", f"{path}/rollback"), "awaiting", "rolling-back")
    if change["state"] != "rolled-back":
        raise _undone(change)
    invocation.show(change, f"Change {change['number']} is rolled back.")


@vlan.command(epilog="Example: nanoportal vlan scan")
@click.option("--key", default="", help="Idempotency-Key: asking twice with the same one does it once.")
@with_options
def scan(invocation: Invocation, key: str) -> None:
    """Read the whole VLAN table of the switch.

    Needed once, and after each reset of the chip.
    """
    operation = invocation.portal.act("POST", f"/boards/{invocation.board}/switch/scan", key=key or new_key())
    (ended,) = waiting.wait_for(invocation, [operation["id"]])
    if invocation.json or ended["state"] == "succeeded":
        invocation.show(ended, ended["message"] or ended["state"])
    waiting.end_of([ended])


COMMANDS = (vlan,)
