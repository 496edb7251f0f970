"""How a command ends: the exit codes that scripts rely on, and the one sentence that comes with each."""

import json
from enum import IntEnum
from typing import IO, Any

import click

from nanoportal_client.output import put


class Exit(IntEnum):
    """What a script can trust. A code keeps its meaning; new ones may be added."""

    DONE = 0
    FAULT = 1  # of this program; or its output could not be written
    USAGE = 2  # the command, its settings or a value make no sense; nothing was done
    NOT_PERMITTED = 3  # the token is none, has ended, or does not allow it; or somebody else has reserved the slot
    NOT_THERE = 4  # no such board, slot, image, ...; or one that the token may not see
    REFUSED = 5  # the state of things does not allow it: busy, already so, over budget, changed meanwhile
    FAILED = 6  # it was begun and ended in a failure
    UNREACHABLE = 7  # the portal, or what it needs, is away; nothing was done
    UNKNOWN = 8  # it was asked for, and nobody here knows what came of it
    INTERRUPTED = 130  # Ctrl-C


class Problem(click.ClickException):
    """Why a command ends without having done what it was for; `code` and `detail` are the portal's words for machines.

    Shown on standard error: as a sentence, or as the API's JSON where `--json` was asked for.
    """

    def __init__(self, exit_code: Exit, message: str, *, code: str = "", detail: Any = None) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click reads it of the instance
        self.code, self.detail = code or exit_code.name.lower().replace("_", "-"), detail or {}
        context = click.get_current_context(silent=True)
        self.as_json = bool(context and getattr(context.obj, "json", False))

    def show(self, file: IO[Any] | None = None) -> None:
        if self.as_json:
            problem = {"code": self.code, "message": self.message, "detail": self.detail}
            put(json.dumps(problem), err=True)
        else:
            put(f"Error: {printable(self.message)}", err=True)


def unreachable(url: str, why: str) -> Problem:
    """No portal answers at `url`."""
    return Problem(Exit.UNREACHABLE, f"{url} cannot be reached: {why}. Is that its address, and does the portal run?")


def untrusted(url: str, error: object) -> Problem:
    """The portal at `url` has a certificate that nobody vouches for."""
    why = getattr(error, "verify_message", "") or error
    words = (
        f"The certificate of {url} is not trusted ({why}). If the portal made it itself, "
        f"fetch its authority's at {url}/tls/, compare the fingerprint, and give the file with --ca, or "
        "once to `nanoportal configure`."
    )
    return Problem(Exit.UNREACHABLE, words, code="untrusted-certificate")


def printable(text: object) -> str:
    """Text from elsewhere as a terminal may get it: without characters that could move its cursor or set its title."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


#: By the portal's status. What is missing here is a refusal below 500, and a failure of its own from there on.
STATUS = {
    **dict.fromkeys((400, 405, 413, 414, 415), Exit.USAGE),
    **dict.fromkeys((401, 403), Exit.NOT_PERMITTED),
    **dict.fromkeys((404, 410), Exit.NOT_THERE),
    **dict.fromkeys((502, 503, 504), Exit.UNREACHABLE),
}


def exit_of(status: int, *, acts: bool) -> Exit:
    """The exit code for a status from 400 on; `acts`: of a request that changes something. A failure inside the portal
    leaves open what became of such a one."""
    if status >= 500 and status not in STATUS:
        return Exit.UNKNOWN if acts else Exit.UNREACHABLE
    return STATUS.get(status, Exit.REFUSED)
