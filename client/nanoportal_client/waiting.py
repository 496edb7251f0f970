"""Waiting for operations to end, as long as it takes and whatever the connection does meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nanoportal_client.invocation import Invocation
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.timing import Clock

OPEN = ("waiting", "queued", "running")
#: What an end means to a script. An interrupted one was begun, and nobody knows what came of it.
ENDS = {"succeeded": Exit.DONE, "interrupted": Exit.UNKNOWN}
LOOK_SECONDS = (0.1, 0.2, 0.4, 0.7, 1.0)  # between looks, ever longer
PATIENCE_SECONDS = 60.0  # with a portal that cannot be reached


@dataclass
class Patience:
    """When to look next, and when to give up: `within` seconds for it all (None: as long as it takes), and a minute for
    a portal that is away."""

    clock: Clock
    within: float | None = None

    def __post_init__(self) -> None:
        self._began = self._seen = self.clock.now()
        self._looks = 0

    def look(self, read: Callable[[], Any]) -> Any:
        """What `read` gives; None while the portal is away. Raises `Problem` when it is away for too long."""
        try:
            found = read()
        except Problem as problem:
            if problem.exit_code is not Exit.UNREACHABLE:
                raise
            if self.clock.now() - self._seen > PATIENCE_SECONDS:
                words = f"{problem.message} What was asked for may go on there; nobody here knows how it ends."
                raise Problem(Exit.UNKNOWN, words, code="lost-sight") from problem
            return None
        self._seen = self.clock.now()
        return found

    def hurry(self) -> None:
        """Something has happened, so more may happen soon."""
        self._looks = 0

    def rest(self, what: str) -> None:
        """Wait until the next look. Raises `Problem` when the time is over."""
        pause = LOOK_SECONDS[min(self._looks, len(LOOK_SECONDS) - 1)]
        self._looks += 1
        if self.within is not None and self.clock.now() - self._began + pause > self.within:
            raise Problem(Exit.UNKNOWN, f"{what} has not ended after {self.within:g} s, and goes on.", code="goes-on")
        self.clock.sleep(pause)


def wait_for(invocation: Invocation, ids: Sequence[str], within: float | None = None) -> list[dict[str, Any]]:
    """The operations, once all have ended; their log goes to standard error as it grows. Ctrl-C leaves them alone."""
    patience = Patience(invocation.clock, within)
    open_ids, ended, seen = list(ids), {}, dict.fromkeys(ids, 0)
    try:
        while open_ids:
            for one in list(open_ids):
                found = patience.look(partial(invocation.portal.get, f"/operations/{one}", after=seen[one]))
                if found is None:
                    continue
                told = _say_log(invocation, found, seen[one], several=len(ids) > 1)
                if told > seen[one]:
                    seen[one] = told
                    patience.hurry()
                if found["state"] not in OPEN:
                    ended[one] = found
                    open_ids.remove(one)
            if open_ids:
                patience.rest(f"Operation {open_ids[0]}")
    except KeyboardInterrupt:
        words = f"It goes on without you; to come back to it: nanoportal wait {' '.join(open_ids)}"
        raise Problem(Exit.INTERRUPTED, words) from None
    return [ended[one] for one in ids]


def _say_log(invocation: Invocation, operation: dict[str, Any], seen: int, *, several: bool) -> int:
    for line in operation.get("log", ()):
        if not invocation.json:
            invocation.say(f"{operation['resource']}: {line['text']}" if several else line["text"])
        seen = max(seen, line["number"])
    return seen


def end_of(operations: Sequence[dict[str, Any]]) -> None:
    """Raise `Problem` unless all have succeeded, naming the first that has not."""
    worst = next((one for one in operations if one["state"] != "succeeded"), None)
    if worst is None:
        return
    words = worst["message"] or f"{worst['title']} ended {worst['state']}."
    raise Problem(
        ENDS.get(worst["state"], Exit.FAILED),
        f"{worst['title']}: {words}",
        code=worst["code"] or worst["state"],
        detail={"operation": worst["id"], "state": worst["state"]},
    )
