"""Progress on standard error: a bar for somebody who watches, nothing for a log file."""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nanoportal_client.output import put
from nanoportal_client.words import size

if TYPE_CHECKING:
    from nanoportal_client.invocation import Invocation

PAUSE_SECONDS = 0.1  # between two drawings
SURE_SECONDS = 1.0  # before which nothing is said of how fast it goes
LONG_SECONDS = 360_000.0  # from which on nothing is said of when it ends
CLEAR = "\r\x1b[K"  # to the line's beginning, and nothing on it


class Bar:
    """How many of `total` bytes are done, drawn over itself. `before` of them were done already when it began."""

    def __init__(self, title: str, total: int, before: int, now: Callable[[], float]) -> None:
        self._title, self._total, self._before, self._done, self._now = title, total, before, before, now
        self._began = self._drawn_at = now()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._now() - self._drawn_at >= PAUSE_SECONDS or self._done >= self._total:
            self.draw()

    def draw(self) -> None:
        """As the terminal is wide now."""
        self._drawn_at = self._now()
        columns = shutil.get_terminal_size().columns
        put(CLEAR + line(self._title, self._done, self._total, self._speed(), columns - 1), err=True, end="")

    def clear(self) -> None:
        """Make room for a word."""
        put(CLEAR, err=True, end="")

    def _speed(self) -> float:
        """Bytes a second; 0 while that is not known."""
        seconds = self._now() - self._began
        return (self._done - self._before) / seconds if seconds >= SURE_SECONDS else 0.0


def line(title: str, done: int, total: int, speed: float, columns: int) -> str:
    """One bar with its figures, at most so many columns wide; a narrow terminal gets figures alone. Pure."""
    share = min(done / total, 1.0)
    seconds = (total - done) / speed if speed > 0 else math.inf
    left = f"  {size(speed)}/s  {_clock(seconds)} left" if 0 < seconds < LONG_SECONDS else ""
    figures = f"{share:4.0%}  {size(done)} of {size(total)}{left}"
    room = columns - len(f"{title:11} [] {figures}")
    if room < 10:
        return f"{title:11} {figures}"[:columns]
    marks = "#" * int(room * share)
    return f"{title:11} [{marks:-<{room}}] {figures}"


def _clock(seconds: float) -> str:
    """Like 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextlib.contextmanager
def bar(invocation: "Invocation", title: str, total: int, before: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar of `total` bytes for as long as this lasts; the function that it gives is called with how many more are
    done. It stays as it was at the end."""
    if not invocation.draws or total <= 0:
        yield lambda count: None
        return
    invocation.bar = drawn = Bar(title, total, before, invocation.clock.now)
    drawn.draw()
    try:
        yield drawn.advance
    finally:
        drawn.draw()
        invocation.bar = None
        put("", err=True)
