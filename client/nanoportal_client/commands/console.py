"""`console`: a slot's serial console in this terminal, or through pipes."""

import asyncio
import contextlib
import selectors
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import click

from nanoportal_client.invocation import Invocation, Length, with_options
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.terminal import NobodyReads

ENDED_BY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@click.command(epilog="Example: nanoportal console 3")
@click.argument("slot")
@click.option("--read-only", is_flag=True, help="Only watch: nothing is typed, not even by accident. Ctrl-C leaves.")
@click.option(
    "--history",
    metavar="BYTES",
    type=click.IntRange(0),
    help="So much of what was said before. [default: 8192, in a pipe 0]",
)
@click.option("--all", "everything", is_flag=True, help="All that was said before and is still kept.")
@click.option("--take-over", metavar="REASON", help="Take the keyboard from whoever has it; they are told why.")
@click.option("--for", "seconds", type=Length(), help="Leave after that time.")
@click.option(
    "--linger",
    default="2s",
    type=Length(),
    show_default=True,
    help="With piped input: leave after its end and that much silence.",
)
@click.option(
    "--patience", default="1m", type=Length(), show_default=True, help="Give up after that long without a connection."
)
@with_options
def console(
    invocation: Invocation,
    slot: str,
    read_only: bool,
    history: int | None,
    everything: bool,
    take_over: str | None,
    seconds: float | None,
    linger: float,
    patience: float,
) -> None:
    """Attach to the serial console of SLOT.

    Every key goes to the line; Ctrl-] q leaves, and Ctrl-] ? shows what else there is.

    In a pipe, standard input is typed and the line's bytes go to standard output as they come. A lost connection goes
    on where it broke.
    """
    board, number = invocation.slot(slot)
    if read_only and take_over is not None:
        raise Problem(Exit.USAGE, "--take-over asks for the keyboard; --read-only does without.")
    from nanoportal_client.attending import Attending, Wish  # here: the other commands start without it

    terminal = invocation.open_terminal()
    usual = 8192 if terminal.is_interactive else 0
    kept = None if everything else usual if history is None else history
    wish = Wish(not read_only, kept, patience, linger, take_over)
    attending = Attending(invocation.access, board, number, terminal, wish)
    with terminal.raw(), contextlib.suppress(NobodyReads):
        _run(_until_ended(attending.run(seconds)))
    if terminal.is_interactive:
        invocation.say("")


async def _until_ended(work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, or until somebody ends this process: the terminal is put right in any case."""
    task = asyncio.current_task()
    assert task is not None
    ended: list[int] = []

    def end(number: int) -> None:
        ended.append(number)
        task.cancel()

    for one in ENDED_BY:
        asyncio.get_running_loop().add_signal_handler(one, end, one)
    try:
        await work
    except asyncio.CancelledError:
        if not ended:
            raise
        sys.exit(128 + ended[0])


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On an event loop that can wait for files and /dev/null as for terminals, which epoll cannot."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(work)


COMMANDS = (console,)
