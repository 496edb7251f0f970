"""Who is at a console: one row per socket in the broker, renewed by the web process that serves it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consoles import journal

RENEW_SECONDS = 10.0
GONE_SECONDS = 30.0  # what was not renewed for so long belongs to a process that is gone


@dataclass(frozen=True)
class Present:
    """One open console of one person. `since` is ISO time."""

    socket: str
    person: str
    user_id: int | None
    since: str


async def announce(client: Any, keys: journal.Keys, here: Iterable[Present], now: float, *, news: bool) -> None:
    """Write the rows of `here` (at least one) as seen at `now`, Unix seconds; with `news`, let everybody hear of it."""
    rows = {present.socket: json.dumps({**asdict(present), "seen": now}, separators=(",", ":")) for present in here}
    pipeline = client.pipeline(transaction=False)
    pipeline.hset(keys.present, mapping=rows)
    pipeline.expire(keys.present, int(GONE_SECONDS * 2))
    if news:
        _tell(pipeline, keys)
    await pipeline.execute()


async def withdraw(client: Any, keys: journal.Keys, sockets: Iterable[str]) -> None:
    """Remove the rows of `sockets` (at least one), and let everybody hear of it."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hdel(keys.present, *sockets)
    _tell(pipeline, keys)
    await pipeline.execute()


def _tell(pipeline: Any, keys: journal.Keys) -> None:
    fields = {journal.NEWS: journal.news("presence")}
    pipeline.xadd(keys.news, fields, maxlen=journal.NEWS_KEPT, approximate=True)


def people(rows: Mapping[bytes, bytes], now: float) -> tuple[list[Present], list[str]]:
    """Who is there at `now`, the longest first, and the sockets of those who are gone without a word."""
    here, gone = [], []
    for socket, row in rows.items():
        fields = json.loads(row)
        seen = fields.pop("seen")
        # (a time far ahead was written before the clock was set back)
        if abs(now - seen) < GONE_SECONDS:
            here.append(Present(**fields))
        else:
            gone.append(socket.decode())
    return sorted(here, key=lambda present: (present.since, present.socket)), gone
