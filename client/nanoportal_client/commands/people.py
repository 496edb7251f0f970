"""`me`, `tokens` and `notices`: who one is here."""

import click

from nanoportal_client.invocation import Invocation, Name, with_options
from nanoportal_client.words import moment, table


@click.command(epilog="Example: nanoportal me")
@with_options
def me(invocation: Invocation) -> None:
    """Say who you are here, by which token, and what it may do."""
    found = invocation.portal.get("/me")
    scopes = "everything that you may" if found["scopes"] is None else ", ".join(found["scopes"])
    rows = [(one["role"], one["scope"], one["console"], moment(one["until"]), one["group"]) for one in found["rights"]]
    said = f"{found['name']}, {found['role'] or 'no role everywhere'}; token {found['token'] or 'none'}, for {scopes}"
    rights = table(("RIGHT", "ON", "CONSOLE", "UNTIL", "BY GROUP"), rows, "No rights on single boards or slots.")
    invocation.show(found, f"{said}\n{rights}")


@click.group(epilog="Example: nanoportal tokens list")
def tokens() -> None:
    """List and revoke API tokens.

    They are made on the page Your tokens, where somebody can confirm who they are.
    """


@tokens.command(name="list", epilog="Example: nanoportal tokens list")
@click.option("--everybody", is_flag=True, help="Those of all, for administrators.")
@with_options
def list_tokens(invocation: Invocation, everybody: bool) -> None:
    """List your tokens, those that have ended too."""
    rows = invocation.portal.rows("/tokens", "tokens", everybody=everybody or None)
    heads = ("PREFIX", "NAME", "OWNER", "FOR", "ON", "UNTIL", "LAST USED", "FROM", "REVOKED")
    cells = [
        (
            *(row["prefix"], row["name"], row["owner"], ", ".join(row["scopes"]), ", ".join(row["resources"])),
            *(moment(row["expires_at"]), moment(row["used_at"]), row["used_from"], moment(row["revoked_at"])),
        )
        for row in rows
    ]
    invocation.show(rows, table(heads, cells, "There is no token."))


@tokens.command(epilog="Example: nanoportal tokens revoke ab12cd34")
@click.argument("prefix", type=Name("token's prefix; it is the 8 letters after np_"))
@with_options
def revoke(invocation: Invocation, prefix: str) -> None:
    """End a token at once.

    What it has open ends within seconds. A token can end itself, and with the scope people any.
    """
    invocation.portal.act("DELETE", f"/tokens/{prefix}")
    invocation.show({"revoked": prefix}, f"Token {prefix} is revoked.")


@click.command(epilog="Example: nanoportal notices --seen")
@click.option("--seen", is_flag=True, help="Show them and put them away.")
@with_options
def notices(invocation: Invocation, seen: bool) -> None:
    """Show what you have to be told.

    Reminders, turns that have come, reservations that were overridden.
    """
    rows = invocation.portal.rows("/notices", "notices")
    invocation.show(
        rows, table(("AT", "WHAT"), [(moment(row["at"]), row["text"]) for row in rows], "There is nothing.")
    )
    for row in rows if seen else ():
        invocation.portal.act("POST", f"/notices/{row['id']}/seen")


COMMANDS = (me, tokens, notices)
