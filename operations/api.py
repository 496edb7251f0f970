"""Operations over REST, and what the lists, edits and refusals of all apps have in common."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from ninja import Field, Header, Query, Router, Schema, Status
from pydantic import ConfigDict

from operations import lifecycle, refusals, roles
from operations.http import ActorRequest, begin_act
from operations.models import OPEN_STATES, Operation, OperationLogLine, OperationState

router = Router(tags=["operations"])


class Problem(Schema):
    """What every refused or failed request answers."""

    code: str = Field(description="Stable: decide by this.")
    message: str = Field(description="One sentence for people: what happened, and what to do.")
    detail: dict[str, Any] = Field(default_factory=dict, description="What else a machine may want; may be empty.")


ERRORS = dict.fromkeys((400, 401, 403, 404, 409), Problem)
ACT_ERRORS = {**ERRORS, **dict.fromkeys((422, 503), Problem)}  # of what hardware or a worker is asked for
EDIT_ERRORS = {**ERRORS, 412: Problem}
IF_MATCH: Any = Header(  # type: ignore[type-arg]
    "",
    alias="If-Match",
    max_length=400,
    description="The ETag that was read: 412 `outdated` if it is something else by now, and nothing is changed. "
    "Left out or `*`: whatever is there.",
)
KEY: Any = Header(  # type: ignore[type-arg]
    "",
    alias="Idempotency-Key",
    max_length=200,
    description="Of one's own choice, 1 to 200 letters; everybody has their own. With the same key and body the same "
    "operation for 24 hours, and nothing done twice; with another body 422 `idempotency-mismatch`.",
)
Row = TypeVar("Row")


def one_of(words: Iterable[str]) -> str:
    """For the description of a field that has one of these values."""
    return f"One of {', '.join(words)}."


def sends(*types: str) -> dict[str, Any]:
    """For the description of an operation that answers 200 with a file of one of these media types."""
    return {"responses": {200: {"content": {kind: {} for kind in types}}}}


def takes(*types: str, **headers: str) -> dict[str, Any]:
    """For the description of an operation that reads its body (of one of these media types, if any) and headers by
    itself; of each header an example."""
    described: dict[str, Any] = {
        "parameters": [
            {"in": "header", "name": name.replace("_", "-"), "schema": {"type": "string"}, "example": example}
            for name, example in headers.items()
        ]
    }
    if types:
        content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types}
        described["requestBody"] = {"required": True, "content": content}
    return described


class Strict(Schema):
    """A body that is sent: a field that there is not is refused, not left out, since it was meant to say something."""

    model_config = ConfigDict(extra="forbid")


class Page(Schema):
    """Which part of a list."""

    offset: int = Field(0, ge=0, le=1_000_000, description="How many to leave out.")
    limit: int = Field(50, ge=1, le=200, description="How many at most.")


def cut(rows: QuerySet[Any] | Sequence[Row], page: Page) -> tuple[int, list[Any]]:
    """How many rows there are, and those of the page. A query each for a query set."""
    count = rows.count() if isinstance(rows, QuerySet) else len(rows)
    return count, list(rows[page.offset : page.offset + page.limit])


class LogLine(Schema):
    number: int
    at: datetime
    level: str
    text: str


class OperationOut(Schema):
    id: UUID
    kind: str = Field(description="What it does: power.reset, flash.write, switch.vlan and others.")
    title: str
    resource: str = Field(description="To what: `demo/slot:3`, `demo/switch`.")
    state: str = Field(description=one_of(OperationState.values))
    actor: str
    reason: str
    code: str = Field(description="Why it failed; empty otherwise.")
    message: str = Field(description="How it ended, in a sentence.")
    progress: str = Field(description="The step that is done now, in words.")
    step: int = Field(description="Its number, from 1; 0 before the first.")
    steps: int
    created_at: datetime
    expires_at: datetime | None = Field(description="If it has not begun by then, it never does.")
    started_at: datetime | None
    ended_at: datetime | None
    group: UUID | None = Field(description="Of one act on several slots: the same for all of its operations.")
    position: int = Field(description="Its place in the group.")


class OperationDetail(OperationOut):
    plan: dict[str, Any]
    log: list[LogLine]


class OperationList(Schema):
    count: int
    operations: list[OperationOut]


class WhichOperations(Page):
    """Which operations; all that are given must fit."""

    board: str = Field("", max_length=60, examples=["demo"])
    slot: int | None = Field(None, ge=1, le=7, description="With `board`.")
    kind: str = Field("", max_length=40, examples=["power.reset"])
    state: Literal["", "open", "ended"] = Field("", description="Open: it waits, is queued or runs.")
    group: UUID | None = Field(None, description="Those of one act on several slots.")


def operation_out(operation: Operation) -> dict[str, Any]:
    """An operation as the API shows it; a late one is Expired even before anybody wrote so."""
    shown = {name: getattr(operation, name) for name in OperationOut.model_fields}
    return {**shown, "state": operation.shown_state(timezone.now())}


def find_operation(actor: roles.Actor, operation_id: UUID) -> Operation:
    """The operation of that id, if it is about what `actor` may see. Raises `NotFound`."""
    operation = Operation.objects.filter(pk=operation_id).first()
    if operation is None or not roles.may(actor, "view", operation.resource):
        raise refusals.NotFound(f"There is no operation {operation_id}.", code="unknown-operation")
    return operation


@router.get("/operations", response={200: OperationList, **ERRORS})
def list_operations(request: ActorRequest, asked: Query[WhichOperations]) -> dict[str, Any]:
    """What was asked for on boards that you see, the newest first."""
    roles.require(request.actor, "view", "portal")
    found = narrowed(Operation.objects.order_by("-created_at", "pk"), asked)
    seen = roles.seen_boards(request.actor)
    if seen is not None:
        found = found.filter(resource__in=roles.seen_resources(request.actor, seen))
    count, page = cut(found, asked)
    return {"count": count, "operations": [operation_out(operation) for operation in page]}


def narrowed(operations: QuerySet[Operation], asked: WhichOperations) -> QuerySet[Operation]:
    """Those of `operations` that fit what is asked for. A slot's console counts as the slot."""
    wanted: dict[str, Any] = {name: value for name in ("board", "kind", "group") if (value := getattr(asked, name))}
    if asked.slot is not None:
        wanted["resource__in"] = [f"{asked.board}/{kind}:{asked.slot}" for kind in ("slot", "uart")]
    if asked.state:
        ended = asked.state == "ended"
        operations = operations.exclude(state__in=OPEN_STATES) if ended else operations.filter(state__in=OPEN_STATES)
    return operations.filter(**wanted)


@router.get("/operations/{uuid:operation_id}", response={200: OperationDetail, **ERRORS})
def get_operation(request: ActorRequest, operation_id: UUID, after: int = 0) -> dict[str, Any]:
    """State, progress, and the log lines whose number is above `after`."""
    roles.require(request.actor, "view", "portal")
    operation = find_operation(request.actor, operation_id)
    lines = OperationLogLine.objects.filter(operation=operation, number__gt=after)[:1000]
    return {**operation_out(operation), "plan": operation.plan, "log": list(lines)}


@router.post("/operations/{uuid:operation_id}/cancel", response={202: OperationOut, **ERRORS})
def cancel_operation(request: ActorRequest, operation_id: UUID) -> Any:
    """Cancel: at once if it waits; if it runs, a pressed button is released now and the state is Unknown."""
    operation = find_operation(request.actor, operation_id)
    actor = begin_act(request, "operation.cancel", operation.resource)
    lifecycle.cancel(operation, actor)
    operation.refresh_from_db()
    return Status(202, operation_out(operation))
