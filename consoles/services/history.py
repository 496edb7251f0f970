"""What consoles have said: recordings as people read, search and download them.

Whoever reads a console's past needs the right to read the console; each function asks for it. A download and a search
are audited, each once; playing back is not.
"""

import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction

from consoles.recordings import export, reading
from consoles.recordings import search as searching
from consoles.recordings.reading import Contents, Page
from consoles.recordings.search import Hit
from operations import audit, refusals, roles
from operations.roles import Actor
from slots.models import Slot

READ = "console.read"
_searching = threading.Lock()  # a search takes a processor for 2 s: the live consoles need the other ones
TEXT, CAST = "text", "cast"


def directory(board: str, slot: int) -> Path:
    """Where the recording of a console lies."""
    return Path(settings.DATA_DIR) / "consoles" / board / str(slot)


def resource(board: str, slot: int) -> str:
    """The name under which a console is permitted and audited."""
    return f"{board}/uart:{slot}"


def readable(actor: Actor, board: str) -> list[int]:
    """The slots of `board` with a console that `actor` may read. Raises `NotFound`."""
    slots = Slot.objects.filter(board__slug=board, board__present=True)
    numbers = dict(slots.values_list("number", "uart"))
    if not numbers:
        raise refusals.NotFound(f"There is no board {board}.", code="unknown-board")
    return [number for number, uart in numbers.items() if uart and roles.may(actor, READ, resource(board, number))]


def _readable(actor: Actor, board: str, slot: int) -> Path:
    """The recording of a console. Raises `NotPermitted`, `NotFound`."""
    roles.require(actor, READ, resource(board, slot))
    if not Slot.objects.filter(board__slug=board, board__present=True, number=slot).exists():
        raise refusals.NotFound(f"There is no slot {slot} on a board {board}.", code="unknown-slot")
    return directory(board, slot)


def timeline(actor: Actor, board: str, slot: int) -> Contents:
    """The segments of a recording and its newest markers, stages among them. Raises `NotPermitted`, `NotFound`."""
    return reading.contents(_readable(actor, board, slot))


def records(
    actor: Actor,
    board: str,
    slot: int,
    *,
    cursor: str = "",
    start: datetime | None = None,
    to: datetime | None = None,
    limit_bytes: int = reading.PAGE_BYTES,
) -> Page:
    """What was said from `cursor` on, else from the moment `start`, else from the beginning, up to `to`.

    Raises `NotPermitted`, `NotFound`, `BadRequest` for what is no cursor. Reads at most `limit_bytes` and one record.
    """
    path = _readable(actor, board, slot)
    if not cursor and start is not None:
        cursor = reading.locate(path, seconds(start))
        if not cursor:
            return Page()
    try:
        return reading.page(path, cursor, seconds(to) if to else None, limit_bytes)
    except ValueError as error:
        raise refusals.BadRequest(str(error), code="invalid-cursor") from error


def lead(actor: Actor, board: str, slot: int, at: datetime) -> Page:
    """What stood on the terminal `at` that moment: the last 64 KiB before it, however old; `next` goes on from there,
    None at the end. Raises `NotPermitted`, `NotFound`."""
    return reading.lead(_readable(actor, board, slot), seconds(at))


@dataclass(frozen=True)
class Results:
    """Hits, newest first. Where time or room ended, `older` goes on, and `reached` is the time back to which all was
    looked through; both None at the end."""

    hits: list[Hit]
    older: str | None
    reached: datetime | None


def search(actor: Actor, board: str, query: str, slots: Sequence[int] | None = None, older: str = "") -> Results:
    """Find a text in the recordings of `board`, or of some of its slots, in about 2 s at most; `older` as an earlier
    search said goes on. Blocks for that time, and while others search: never call it in an event loop.

    Raises `NotPermitted` for a slot that is asked for, `NotFound`, `BadRequest`. What nobody asked for by number and
    `actor` may not read is left out.
    """
    may_read = readable(actor, board)
    for number in slots or ():
        _readable(actor, board, number)
    wanted = [number for number in may_read if slots is None or number in slots]
    try:
        with _searching:
            found = searching.search({number: directory(board, number) for number in wanted}, query, older)
    except ValueError as error:
        raise refusals.BadRequest(str(error), code="invalid-search") from error
    if not older:
        with transaction.atomic():
            detail = {"query": query, "slots": wanted}
            audit.record("console.searched", actor=actor, target=board, detail=detail)
    return Results(found.hits, found.older, moment(found.reached) if found.reached is not None else None)


@dataclass(frozen=True)
class Download:
    """A recording as a file."""

    name: str
    content_type: str
    chunks: Iterator[bytes]

    async def stream(self) -> AsyncIterator[bytes]:
        """The chunks for an answer that is streamed: each is read in a thread, none before the one before it is on
        its way."""
        following = sync_to_async(self._following, thread_sensitive=False)
        while (chunk := await following()) is not None:
            yield chunk

    def _following(self) -> bytes | None:
        return next(self.chunks, None)


def download(
    actor: Actor, board: str, slot: int, form: str, start: datetime | None = None, end: datetime | None = None
) -> Download:
    """What was said from `start` to `end` (None: from or to the end there is), as `text` or as `cast`, an asciicast
    v2. Neither has a sequence that could act on who looks at it. Raises `NotPermitted`, `NotFound`, `BadRequest`."""
    path = _readable(actor, board, slot)
    if form not in (TEXT, CAST):
        raise refusals.BadRequest("A recording comes as text or as cast.", code="unknown-format")
    with transaction.atomic():
        detail = {"format": form, "from": start and start.isoformat(), "to": end and end.isoformat()}
        audit.record("console.downloaded", actor=actor, target=resource(board, slot), detail=detail)
    moments = reading.moments_between(path, seconds(start) if start else None, seconds(end) if end else None)
    since = f"-{start:%Y%m%dT%H%M%S}" if start else ""
    if form == TEXT:
        return Download(f"{board}-slot{slot}{since}.txt", "text/plain; charset=utf-8", export.text(moments))
    chunks = export.cast(moments, f"{board}, slot {slot}")
    return Download(f"{board}-slot{slot}{since}.cast", "application/x-asciicast", chunks)


def moment(at: float) -> datetime:
    """A recording's time (unix seconds) as pages show it."""
    return datetime.fromtimestamp(at, UTC)


def seconds(at: datetime) -> float:
    """A page's time as recordings know it; without a time zone it is UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def page_json(page: Page) -> dict[str, object]:
    """A page as players in the browser take it: `t` in unix seconds, `d` bytes in base64, `m` a marker."""
    return {"records": [_moment_json(one) for one in page.moments], "next": page.next}


def _moment_json(one: reading.Moment) -> dict[str, object]:
    if one.marker is None:
        return {"t": one.at, "d": b64encode(one.data).decode()}
    marker = one.marker
    said = {"kind": marker.kind, "at": marker.at.isoformat(), "words": marker.words, "detail": dict(marker.detail)}
    return {"t": one.at, "m": said}
