"""What was flashed, when, and how it went: the same during a run and long after."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from flashing.models import FlashJob, FlashRun
from operations import refusals
from operations.models import OperationLogLine

LINES = 1000


@dataclass(frozen=True)
class Line:
    """A line of the logs of all jobs together. `number` only grows, with gaps: a cursor to read on from."""

    number: int
    at: datetime
    level: str
    slot: int
    text: str


def runs(board: str) -> QuerySet[FlashRun]:
    """The runs of the board of that slug, the newest first, with their jobs: three queries."""
    return _whole(FlashRun.objects.filter(board=board))


def run(run_id: UUID) -> FlashRun:
    """The run of that id, with its jobs. Raises `NotFound`."""
    found = _whole(FlashRun.objects.filter(pk=run_id)).first()
    if found is None:
        raise refusals.NotFound(f"There is no flash {run_id}.", code="unknown-flash")
    return found


def _whole(rows: QuerySet[FlashRun]) -> QuerySet[FlashRun]:
    jobs = FlashJob.objects.select_related("operation", "slot__board")
    return rows.select_related("image", "profile").prefetch_related(Prefetch("jobs", jobs))


def log(run: FlashRun, after: int = 0) -> list[Line]:
    """The next lines of all jobs, 1,000 at most, in the order in which they were written."""
    rows = OperationLogLine.objects.filter(operation__flash__run=run, pk__gt=after).order_by("pk")
    values = rows.values_list("pk", "at", "level", "operation__flash__number", "text")[:LINES]
    return [Line(*row) for row in values]
