"""The commands, and what they have in common."""

import sys
from typing import Any

import click

from nanoportal_client import __version__
from nanoportal_client.commands import boards, configuring, console, flash, images, people, power, records, switch
from nanoportal_client.commands import reservations as reserving
from nanoportal_client.invocation import Invocation, Length, json_option
from nanoportal_client.output import Unwritten, put
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.timing import ANSWER_SECONDS


class Commands(click.Group):
    """A group in which Ctrl-C is 130, as shells say it, and no failure of a plain kind."""

    def main(self, args: Any = None, prog_name: Any = None, *more: Any, **options: Any) -> Any:
        options["standalone_mode"] = False
        try:
            super().main(args, prog_name, *more, **options)
        except click.ClickException as problem:
            _told(problem).show()
            sys.exit(int(problem.exit_code))
        except Unwritten as error:
            Problem(Exit.FAULT, f"The output cannot be written: {error}.", code="unwritten").show()
            sys.exit(int(Exit.FAULT))
        except (click.Abort, KeyboardInterrupt):
            put("Interrupted.", err=True)
            sys.exit(int(Exit.INTERRUPTED))
        except SystemExit as ended:
            if ended.code != 1:  # which is click's own where nobody reads its help
                raise
        sys.exit(int(Exit.DONE))


def _told(problem: click.ClickException) -> click.ClickException:
    """As it is told: what is wrong with a command line as JSON too, if that was asked for by then."""
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if context is None or not getattr(context.obj, "json", False):
        return problem
    told = Problem(Exit.USAGE, problem.format_message())
    told.as_json = True
    return told


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 usage, 3 not permitted, 4 not there, 5 refused as things stand, 6 it failed, "
    "7 portal away, 8 outcome unknown, 130 Ctrl-C.",
)
@click.option("--url", default="", metavar="URL", help="The portal's address; else NANOPORTAL_URL, or as configured.")
@click.option("--ca", default="", type=click.Path(), metavar="FILE", help="The authority to trust; else NANOPORTAL_CA.")
@click.option(
    "--config", default="", type=click.Path(), metavar="FILE", help="With address and token; else NANOPORTAL_CONFIG."
)
@click.option(
    "--timeout", default=f"{ANSWER_SECONDS:g}s", type=Length((0.1, 600)), show_default=True, help="For each answer."
)
@click.option("-b", "--board", default="", metavar="NAME", help="The board, where there are several.")
@json_option
@click.version_option(__version__, prog_name="nanoportal")
@click.pass_context
def cli(context: click.Context, /, url: str, ca: str, config: str, timeout: float, board: str) -> None:
    """Power, consoles, images and VLANs of NanoCluster boards, by way of a NanoPortal.

    Begin with `nanoportal configure`; a command's own --help has an example of it.
    """
    invocation = context.ensure_object(Invocation)
    invocation.url, invocation.ca, invocation.config = url, ca, config
    invocation.seconds, invocation.board_asked = timeout, board


for module in (boards, power, console, flash, images, switch, reserving, records, people, configuring):
    for command in module.COMMANDS:
        cli.add_command(command)

__all__ = ["cli"]
