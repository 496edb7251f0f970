"""Two threads for one operation: one works a line and never waits for the database, the other writes and reads rows."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

log = logging.getLogger("nanoportal.scribe")
T = TypeVar("T")


class Scribe:
    """Writes down what is told from beside a pressed button.

    A database that is locked for seconds must not turn a press of one second into one that cuts the power, so the
    press is not made in the thread that talks to the database.
    """

    def __init__(self) -> None:
        self._errands: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def attend(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread of its own and do, in this one, what it tells and asks until it ends.

        Returns or raises what `work` does, once all that was told is done. Blocks for as long.
        """
        result: Future[T] = Future()
        thread = threading.Thread(target=self._work, args=(work, result), name="line")
        thread.start()
        for errand in iter(self._errands.get, None):
            errand()
        thread.join()
        return result.result()

    def tell(self, errand: Callable[[], None]) -> None:
        """Called by the work: have `errand` done, in order, and go on at once. Its failure is logged and changes
        nothing: what happens on the line goes on, and how it ended is written by somebody else."""

        def do() -> None:
            try:
                errand()
            except Exception:
                log.exception("a step of a running operation could not be written down")

        self._errands.put(do)

    def ask(self, question: Callable[[], T]) -> T:
        """Called by the work: what `question` returns or raises, after all that was told before. Blocks."""
        answer: Future[T] = Future()
        self._errands.put(lambda: _fulfil(answer, question))
        return answer.result()

    def _work(self, work: Callable[[], T], result: "Future[T]") -> None:
        _fulfil(result, work)
        self._errands.put(None)


def _fulfil(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # handed on whole: whoever waits for the future raises it again
        future.set_exception(error)
