"""The time, and waiting: in one place, so that tests need not wait."""

import time
from collections.abc import Callable
from dataclasses import dataclass

ANSWER_SECONDS = 30.0  # for an answer of the portal's; the slowest that there is reads the switch's address table


@dataclass(frozen=True)
class Clock:
    """Seconds of a clock that only goes forward, and a wait of so many."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
