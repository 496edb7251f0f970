"""The commands, and what they have in common."""

import sys
from typing import Any

import click

from nanoportal_client import __version__
from nanoportal_client.commands import boards, configuring, console, flash, images, people, power, records, switch
from nanoportal_client.commands import reservations as reserving
from nanoportal_client.invocation import Invocation
from nanoportal_client.problems import Exit
from nanoportal_client.timing import ANSWER_SECONDS


class Commands(click.Group):
    """A group in which Ctrl-C is 130, as shells say it, and no failure of a plain kind."""

    def main(self, args: Any = None, prog_name: Any = None, *more: Any, **options: Any) -> Any:
        options["standalone_mode"] = False
        try:
            super().main(args, prog_name, *more, **options)
        except click.ClickException as problem:
            problem.show()
            sys.exit(int(problem.exit_code))
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            sys.exit(int(Exit.INTERRUPTED))
        except BrokenPipeError:  # nobody reads any more, as in `nanoportal audit | head`
            sys.stdout = None
            sys.exit(int(Exit.DONE))
        sys.exit(int(Exit.DONE))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 usage, 3 not permitted, 4 not there, 5 refused as things stand, 6 it failed, "
    "7 portal away, 8 outcome unknown, 130 Ctrl-C.",
)
@click.option("--url", default="", metavar="URL", help="The portal's address; NANOPORTAL_URL, or as configured.")
@click.option("--ca", default="", metavar="FILE", help="The certificate authority to trust; NANOPORTAL_CA.")
@click.option("--config", default="", metavar="FILE", help="The file with address and token; NANOPORTAL_CONFIG.")
@click.option("--timeout", default=ANSWER_SECONDS, type=click.FloatRange(0.1, 600), help="Seconds for each answer.")
@click.option("-b", "--board", default="", metavar="NAME", help="The board, where several are there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@click.version_option(__version__, prog_name="nanoportal")
@click.pass_context
def cli(context: click.Context, /, url: str, ca: str, config: str, timeout: float, board: str, as_json: bool) -> None:
    """Power, consoles, images and VLANs of NanoCluster boards, through a NanoPortal."""
    invocation = context.ensure_object(Invocation)
    invocation.url, invocation.ca, invocation.config = url, ca, config
    invocation.seconds, invocation.board_asked, invocation.json = timeout, board, as_json


for module in (boards, power, console, flash, images, switch, reserving, records, people, configuring):
    for command in module.COMMANDS:
        cli.add_command(command)

__all__ = ["cli"]
