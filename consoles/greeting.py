"""What is asked once of a broker, on a new connection and by a thread that may wait: what it holds of our consoles."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consoles import journal
from consoles.journal import Cursor, Epoch
from consoles.journal_writer import Found
from consoles.link import Connection, LinkLost, connect
from consoles.resp import Word

log = logging.getLogger("nanoportal.consoled")


@dataclass(frozen=True)
class Greeting:
    """What a new connection brings: both links, and what the broker held at that moment."""

    journals: Connection
    keys: Connection
    found: list[Found]  # in the order of the places
    newest_key: dict[str, bytes | None]  # by board
    alive_at: dict[str, float | None]  # Unix seconds, by board
    memory: bytes


def greet(url: str, name: str, places: Sequence[tuple[str, int]]) -> Greeting:
    """Connect, and ask what there is of the consoles at `places` (board, slot). Blocks. Raises `LinkLost`.

    `name` is what the broker calls our journals' connection: the one of that name before this is ended.
    """
    journals = connect(url)
    try:
        end_namesakes(journals, name)
        found, (newest, alive), memory = _ask(journals, places)
        return Greeting(journals, connect(url), found, newest, alive, memory)
    except LinkLost:
        journals.socket.close()
        raise


def _ask(
    journals: Connection, places: Sequence[tuple[str, int]]
) -> tuple[list[Found], tuple[dict[str, bytes | None], dict[str, float | None]], bytes]:
    names = [journal.Keys(*place) for place in places]
    boards = sorted({board for board, _ in places})
    memory, *answers = journals.ask(
        [
            ("INFO", "memory"),
            *(("LRANGE", keys.epochs, 0, -1) for keys in names),
            *(("XREVRANGE", journal.keys_stream(board), "+", "-", "COUNT", 1) for board in boards),
            *(("GET", journal.daemon_key(board)) for board in boards),
        ]
    )
    epochs = [_epochs(keys, answer) for keys, answer in zip(names, answers, strict=False)]
    newest, alive = answers[len(names) : len(names) + len(boards)], answers[len(names) + len(boards) :]
    return (
        _last_entries(journals, names, epochs),
        (
            dict(zip(boards, map(_newest_id, newest), strict=True)),
            dict(zip(boards, map(_alive_at, alive), strict=True)),
        ),
        memory,
    )


def _last_entries(
    journals: Connection, names: Sequence[journal.Keys], epochs: Sequence[tuple[Epoch, ...]]
) -> list[Found]:
    """Of each console, how far the newest epoch has come."""
    streams = [keys.stream(known[-1].epoch) if known else "" for keys, known in zip(names, epochs, strict=True)]
    questions: list[tuple[Word, ...]] = [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in streams if stream]
    answers = iter(journals.ask(questions))
    last = [_newest_id(next(answers)) if stream else None for stream in streams]
    return [Found(known, Cursor.parse(name) if name else None) for known, name in zip(epochs, last, strict=True)]


def end_namesakes(journals: Connection, name: str) -> None:
    """End our connection before this one, should the broker still have it.

    Commands that a hung broker has not read yet would be worked off after it has answered what it holds. A name is
    asked for, since a broker that was started anew gives the old number to somebody else.
    """
    (clients,) = journals.exchange([("CLIENT", "LIST")])
    known = clients.decode(errors="replace").splitlines() if isinstance(clients, bytes) else []
    ours = [line.split()[0].removeprefix("id=") for line in known if f" name={name} " in line]
    journals.exchange([*(("CLIENT", "KILL", "ID", number) for number in ours), ("CLIENT", "SETNAME", name)])


def _epochs(names: journal.Keys, reply: list[bytes]) -> tuple[Epoch, ...]:
    """What cannot be read, was written by another release: there is nothing to go on with."""
    try:
        return tuple(map(Epoch.from_json, reply))
    except ValueError as error:
        log.warning("%s: %s", names.epochs, error)
        return ()


def _newest_id(reply: list[Any]) -> bytes | None:
    return reply[0][0] if reply else None


def _alive_at(reply: bytes | None) -> float | None:
    try:
        return float(json.loads(reply or b"")["at"])
    except (ValueError, KeyError, TypeError):
        return None
