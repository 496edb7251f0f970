"""`configure` and `completion`: once for each person and machine."""

import sys

import click
from click.shell_completion import get_completion_class

from nanoportal_client import access
from nanoportal_client.access import Access
from nanoportal_client.invocation import Invocation
from nanoportal_client.problems import Exit, Problem

VARIABLE = "_NANOPORTAL_COMPLETE"


@click.command()
@click.option("--ca", default="", metavar="FILE", help="The certificate authority to trust.")
@click.option("-b", "--board", default="", help="The board that is meant where none is named.")
@click.argument("url")
@click.pass_obj
def configure(invocation: Invocation, url: str, ca: str, board: str) -> None:
    """Keep the portal's URL and a token in a file that only you can read.

    The token is asked for, or read from standard input; it is tried before it is kept.
    """
    token = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise Problem(Exit.USAGE, "No token was given; make one on the portal's page Your tokens.")
    path = access.config_path(invocation.environ, invocation.config)
    found = Access(access.clean_url(url), token.strip(), ca or invocation.ca, board)
    name = invocation.open_portal(found, seconds=invocation.seconds).get("/me")["name"]
    access.write(path, found)
    click.echo(f"You are {name} at {found.url}; kept in {path}.")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """What makes SHELL complete commands and options: eval "$(nanoportal completion bash)"."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "nanoportal", VARIABLE).source())


COMMANDS = (configure, completion)
