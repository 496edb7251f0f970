"""Operations over REST."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from ninja import Field, Router, Schema, Status

from operations import lifecycle, refusals, roles
from operations.http import ActorRequest, begin_act
from operations.models import Operation, OperationLogLine

router = Router(tags=["operations"])


class Problem(Schema):
    """What every refused or failed request answers."""

    code: str
    message: str
    detail: dict[str, Any] = Field(default_factory=dict)


ERRORS = dict.fromkeys((400, 401, 403, 404, 409), Problem)


class LogLine(Schema):
    number: int
    at: datetime
    level: str
    text: str


class OperationOut(Schema):
    id: UUID
    kind: str
    title: str
    resource: str
    state: str
    actor: str
    reason: str
    code: str
    message: str
    progress: str
    step: int
    steps: int
    created_at: datetime
    expires_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    group: UUID | None
    position: int


class OperationDetail(OperationOut):
    plan: dict[str, Any]
    log: list[LogLine]


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
