"""What every command works with: the portal, the board that is meant, and how things are shown."""

import json
import math
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nanoportal_client import access, words
from nanoportal_client.access import Access
from nanoportal_client.drawing import Bar
from nanoportal_client.output import put
from nanoportal_client.problems import Exit, Problem, printable
from nanoportal_client.terminal import Terminal
from nanoportal_client.timing import ANSWER_SECONDS, Clock

if TYPE_CHECKING:
    from nanoportal_client.portal import Portal

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def new_key() -> str:
    """An Idempotency-Key that nobody has used."""
    return f"cli-{uuid.uuid4()}"


def open_portal(found: Access, **more: Any) -> "Portal":
    """The portal there. Its module is read only now: completing a word in a shell must not wait for it."""
    from nanoportal_client.portal import Portal

    return Portal(found, **more)


@dataclass
class Invocation:
    """One run of the program. Nothing is read or opened before a command needs it."""

    url: str = ""
    ca: str = ""
    config: str = ""
    seconds: float = ANSWER_SECONDS
    board_asked: str = ""
    json: bool = False
    open_portal: "Callable[..., Portal]" = open_portal
    open_terminal: Callable[[], Terminal] = Terminal
    clock: Clock = field(default_factory=Clock)
    bar: Bar | None = None  # that is being drawn
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @cached_property
    def access(self) -> Access:
        return access.find(self.environ, url=self.url, ca=self.ca, config=self.config)

    @cached_property
    def portal(self) -> "Portal":
        return self.open_portal(self.access, seconds=self.seconds, clock=self.clock)

    @cached_property
    def board(self) -> str:
        """The board that is meant where none is named: the option's, the configured one, the only one. Raises
        `Problem`."""
        if named := self.board_asked or self.access.board:
            return _usable(words.read_name, named, "board")
        slugs = [row["slug"] for row in self.portal.rows("/boards", "boards")]
        if len(slugs) == 1:
            return str(slugs[0])
        if not slugs:
            raise Problem(Exit.NOT_THERE, "There is no board that this token may see.", code="no-board")
        raise Problem(Exit.USAGE, f"Which board? There are {', '.join(slugs)}: say --board, or {slugs[0]}/3.")

    def slots(self, named: Sequence[str]) -> list[tuple[str, int]]:
        """The slots of a command line, each with its board. Raises `Problem`."""
        found = _usable(words.read_slots, named)
        return [(board or self.board, number) for board, number in found]

    def slot(self, named: str) -> tuple[str, int]:
        """The one slot that is meant. Raises `Problem`."""
        found = self.slots([named])
        if len(found) != 1:
            raise Problem(Exit.USAGE, f"{named!r} names {len(found)} slots; this is for one.")
        return found[0]

    # Showing

    def show(self, data: Any, text: str | Callable[[], str]) -> None:
        """The result: `data` as one JSON document with --json, else `text`."""
        if self.json:
            put(json.dumps(data, indent=2))
        else:
            put(text if isinstance(text, str) else text())

    def say(self, text: str) -> None:
        """A word beside the result, on standard error; lines stay as they are, and a bar below them."""
        if self.bar is not None:
            self.bar.clear()
        put("\n".join(printable(line) for line in text.split("\n")), err=True)
        if self.bar is not None:
            self.bar.draw()

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def draws(self) -> bool:
        """Whether progress can be drawn over itself."""
        return sys.stderr.isatty() and not self.json


def _usable(read: Callable[..., T], *words: Any) -> T:
    """What `read` makes of the words. Raises `Problem` where it makes nothing of them."""
    try:
        return read(*words)
    except ValueError as error:
        raise Problem(Exit.USAGE, f"{error}.") from error


def _wants_json(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Said on either side of a command's name; before all else, so that what is wrong with the rest is said as JSON."""
    invocation = context.ensure_object(Invocation)
    invocation.json = invocation.json or asked


#: `--json`; the `Invocation` knows whether it was said.
json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_wants_json,
    help="One JSON document instead of a table.",
)


def with_options(command: F) -> F:
    """`--json` and `--board` for a command, which gets the `Invocation` first."""

    @json_option
    @click.option("-b", "--board", default="", metavar="NAME", help="The board, where there are several.")
    @click.pass_context
    @wraps(command)
    def called(context: click.Context, /, *args: Any, board: str, **more: Any) -> Any:
        invocation: Invocation = context.obj
        invocation.board_asked = board or invocation.board_asked
        return context.invoke(command, invocation, *args, **more)

    return called  # type: ignore[return-value]


class Length(click.ParamType[float]):
    """A length of time, in seconds; where it is `between` two, these included."""

    name = "duration"

    def __init__(self, between: tuple[float, float] = (0.0, math.inf)) -> None:
        self._least, self._most = between

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value) if isinstance(value, int | float) else words.read_length(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least <= seconds <= self._most:
            self.fail(f"{value!r} is not between {self._least:g} and {self._most:g} s", param, ctx)
        return seconds


class Name(click.ParamType[str]):
    """What stands in an address: an operation's id, a token's prefix."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return words.read_name(value, self.name)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Day(click.ParamType[str]):
    """A day, as the portal takes it."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return date.fromisoformat(value).isoformat() if value else ""
        except ValueError:
            self.fail(f"{value!r} is no day; say 2026-11-01", param, ctx)
