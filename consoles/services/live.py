"""What consoles are doing now, for those who ask once: pages as they are drawn, and the API."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from consoles import presence
from consoles.journal import Keys
from consoles.keyboard import Typist
from consoles.state import BROKER_IS_AWAY, DAEMON_IS_AWAY, OK, ConsoleState

BROKER_SECONDS = 2.0


@contextmanager
def broker() -> Iterator[Redis]:
    """The journal's broker, for one use. What is called on it raises `RedisError` or `OSError` while it is away."""
    with Redis.from_url(
        settings.JOURNAL_URL, protocol=2, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
    ) as client:
        yield client


def states(board: str, slots: Iterable[int]) -> dict[int, ConsoleState]:
    """The state of some consoles of `board`: one round trip. A broker that is away is a state as well."""
    wanted = list(slots)
    if not wanted:
        return {}
    try:
        with broker() as client:
            pipeline = client.pipeline(transaction=False)
            for slot in wanted:
                keys = Keys(board, slot)
                pipeline.get(keys.port)
                pipeline.get(keys.typist)
                pipeline.hgetall(keys.present)
            rows = pipeline.execute()
    except (RedisError, OSError):
        return dict.fromkeys(wanted, ConsoleState(port=BROKER_IS_AWAY))
    found = zip(wanted, rows[0::3], rows[1::3], rows[2::3], strict=True)
    return {slot: _state(port, typist, present) for slot, port, typist, present in found}


def _state(port: bytes | None, typist: bytes | None, present: dict[bytes, bytes]) -> ConsoleState:
    return ConsoleState(
        port={**json.loads(port), "reach": OK} if port else DAEMON_IS_AWAY,
        typist=Typist.from_json(typist),
        present=tuple(presence.people(present, time.time())[0]),
    )
