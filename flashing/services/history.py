"""What was flashed, when, and how it went: the same during a run and long after."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from flashing.models import FlashJob, FlashRun
from operations import refusals
from operations.models import OperationLogLine
from operations.roles import PORTAL, Actor
from slots.models import FIRST, LAST
from slots.services import sight

LINES = 1000


@dataclass(frozen=True)
class Line:
    """A line of the logs of all jobs together. `number` only grows, with gaps: a cursor to read on from."""

    number: int
    at: datetime
    level: str
    slot: int
    text: str


def runs(board: str, actor: Actor = PORTAL) -> QuerySet[FlashRun]:
    """The runs of the board of that slug that `actor` sees, the newest first, with their jobs: three queries."""
    return _seen(FlashRun.objects.filter(board=board), board, actor)


def run(run_id: UUID, actor: Actor = PORTAL) -> FlashRun:
    """The run of that id, with the jobs that `actor` sees. Raises `NotFound`, also where that is none of them."""
    rows = FlashRun.objects.filter(pk=run_id)
    board = rows.values_list("board", flat=True).first()
    found = None if board is None else _seen(rows, board, actor).first()
    if found is None:
        raise refusals.NotFound(f"There is no flash {run_id}.", code="unknown-flash")
    return found


def _seen(rows: QuerySet[FlashRun], board: str, actor: Actor) -> QuerySet[FlashRun]:
    """Of runs on one board those with a slot that `actor` sees, and of those the jobs on such slots."""
    numbers = [number for number in range(FIRST, LAST + 1) if sight.sees_slot(actor, board, number)]
    jobs = FlashJob.objects.filter(number__in=numbers).select_related("operation", "slot__board")
    theirs = rows.filter(Exists(FlashJob.objects.filter(run=OuterRef("pk"), number__in=numbers)))
    return theirs.select_related("image", "profile").prefetch_related(Prefetch("jobs", jobs))


def log(run: FlashRun, after: int = 0) -> list[Line]:
    """The next lines of the run's jobs, 1,000 at most, in the order in which they were written."""
    operations = [job.operation_id for job in run.jobs.all()]
    rows = OperationLogLine.objects.filter(operation__in=operations, pk__gt=after).order_by("pk")
    values = rows.values_list("pk", "at", "level", "operation__flash__number", "text")[:LINES]
    return [Line(*row) for row in values]
