"""`configure` and `completion`: once for each person and machine."""

import os
import sys

import click
from click.shell_completion import get_completion_class

from nanoportal_client import access
from nanoportal_client.access import Access
from nanoportal_client.invocation import Invocation, json_option
from nanoportal_client.output import put
from nanoportal_client.problems import Exit, Problem, printable

VARIABLE = "_NANOPORTAL_COMPLETE"


@click.command(epilog="Example: nanoportal configure https://controller.lan:8000 --ca nanoportal-ca.crt")
@click.option("--ca", default="", type=click.Path(), metavar="FILE", help="The certificate authority to trust.")
@click.option("-b", "--board", default="", metavar="NAME", help="The board that is meant where none is named.")
@json_option
@click.argument("url", required=False)
@click.pass_obj
def configure(invocation: Invocation, url: str | None, ca: str, board: str) -> None:
    """Keep a portal's address and a token for it.

    What is not given as URL is asked for, and so is the token, or it is read from standard input. It is tried, and then
    kept in a file that only you can read.
    """
    asks = sys.stdin.isatty()
    where = url or invocation.url or (click.prompt("Address", err=True) if asks else "")
    if not where:
        raise Problem(Exit.USAGE, "Which portal? Say its address: nanoportal configure https://controller.lan:8000")
    token = click.prompt("Token", hide_input=True, err=True) if asks else sys.stdin.readline()
    if not token.strip():
        raise Problem(Exit.USAGE, "No token was given; make one on the portal's page Your tokens.")
    path = access.config_path(invocation.environ, invocation.config)
    authority = ca or invocation.ca or invocation.environ.get("NANOPORTAL_CA", "")
    kept = os.path.abspath(authority) if authority else ""  # it holds wherever the next command is given
    found = Access(access.clean_url(where), token.strip(), kept, board or invocation.board_asked)
    name = invocation.open_portal(found, seconds=invocation.seconds).get("/me")["name"]
    access.write(path, found)
    shown = {"name": name, "url": found.url, "file": str(path)}
    invocation.show(shown, f"You are {printable(name)} at {found.url}; kept in {path}.")


@click.command(epilog='Example, in ~/.bashrc: eval "$(nanoportal completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands and options.

    Have the shell read it when it starts. In fish: nanoportal completion fish | source
    """
    kind = get_completion_class(shell)
    assert kind is not None
    put(kind(context.find_root().command, {}, "nanoportal", VARIABLE).source())


COMMANDS = (configure, completion)
