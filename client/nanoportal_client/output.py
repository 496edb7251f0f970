"""Writing to standard output and standard error, by everything but a console."""

import contextlib
import os
import sys

import click


class Unwritten(Exception):
    """What was to be shown could not be written; says why."""


def put(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Write `text` and have it go at once. That nobody reads any more, as in `nanoportal audit | head`, changes nothing
    of what the command does or how it ends. Raises `Unwritten` for a full disk and the like."""
    try:
        click.echo(text + end, nl=False, err=err)
    except BrokenPipeError:
        _discard(err)
    except OSError as error:
        _discard(err)
        raise Unwritten(error.strerror or str(error)) from error


def _discard(err: bool) -> None:
    """Let what is written from now on, and what Python still holds, go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)
