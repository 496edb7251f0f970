"""The terminal that a console is shown in: raw while it is, as it was before afterwards, whatever happens."""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator

READ_BYTES = 4096


class NobodyReads(Exception):
    """Whoever read standard output has gone."""


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Terminal:
    """Standard input and output as bytes. `is_raw` while every key goes to the line, Ctrl-C too."""

    def __init__(self, keys: int = 0, screen: int = 1) -> None:
        self.keys, self.screen = keys, screen
        self.is_raw = False

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sits at it."""
        return os.isatty(self.keys)

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Raw while this lasts, if it is a terminal at all."""
        if not self.is_interactive:
            yield
            return
        before = termios.tcgetattr(self.keys)
        try:
            tty.setraw(self.keys, termios.TCSANOW)
            self.is_raw = True
            yield
        finally:
            self.is_raw = False
            with contextlib.suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(self.keys, termios.TCSADRAIN, before)

    def forget_typed(self) -> None:
        """Drop what was typed and not read yet: a terminal's answers to what stood in the history are not for the
        line."""
        if self.is_interactive:
            termios.tcflush(self.keys, termios.TCIFLUSH)

    async def read(self) -> bytes:
        """What is typed or piped in next; empty at its end. Needs an event loop that can wait for files."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self.keys, _set, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self.keys)
        try:
            return os.read(self.keys, READ_BYTES)
        except OSError:  # the terminal was closed
            return b""

    def write(self, data: bytes) -> None:
        """Show bytes as they are. Blocks for as long as whoever reads them takes. Raises `NobodyReads`."""
        try:
            while data:
                data = data[os.write(self.screen, data) :]
        except BrokenPipeError as error:
            raise NobodyReads from error

    def say(self, text: str) -> None:
        """A word of ours, on standard error, on a line of its own."""
        end = "\r\n" if self.is_raw else "\n"
        lines = "".join(f"[nanoportal] {line}{end}" for line in text.split("\n"))
        sys.stderr.write(("\r\n" if self.is_raw else "") + lines)
        sys.stderr.flush()

    def echo(self, text: str) -> None:
        """Letters of ours as they are."""
        sys.stderr.write(text.replace("\n", "\r\n") if self.is_raw else text)
        sys.stderr.flush()
