"""Progress on standard error: a bar for somebody who watches, nothing for a log file."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click

from nanoportal_client.invocation import Invocation


@contextlib.contextmanager
def bar(invocation: Invocation, title: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar of `length` bytes; the function that it gives is called with how many more are done."""
    if not invocation.draws or length <= 0:
        yield lambda count: None
        return
    shown: Any = click.progressbar(length=length, label=title.ljust(11), file=sys.stderr)
    with shown as drawn:
        yield partial(_advance, drawn)


def _advance(drawn: Any, count: int) -> None:
    if count > 0:
        drawn.update(count)
