"""What can be flashed how, runs, their jobs and log.

A job's id is its operation's, so `/operations/{id}/cancel` cancels it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Query, Router, Schema, Status

from flashing.models import FlashJob, FlashRun, Method, Phase
from flashing.services import boot_mode, history, requests
from flashing.services.requests import Ask, TargetAsk
from operations import refusals, roles
from operations.api import ACT_ERRORS, ERRORS, KEY, OperationOut, Page, Strict, cut, one_of, operation_out
from operations.http import ActorRequest, begin_act
from slots.services import overview, power

router = Router()


class MethodOut(Schema):
    method: str
    available: bool
    words: str = Field(description="What it does, or why it cannot be taken now.")
    media: list[str]
    address: str


class MethodList(Schema):
    count: int
    methods: list[MethodOut]


class AimIn(Strict):
    method: str = Field(
        max_length=10,
        description=f"{one_of(Method.values)} As `flash-methods` of the slot offers.",
        examples=["rpiboot"],
    )
    medium: str = Field(max_length=20, description="One of that method's `media`.", examples=["eMMC"])
    address: str = Field("", max_length=300, description="For the network only: `root@10.0.0.3:/dev/mmcblk0`.")
    typed: str = Field(max_length=60, description="The SOM's name, or `slot 3` if it has none: that it is meant.")


class TargetIn(AimIn):
    slot: int = Field(ge=1, le=7)


class WishIn(Strict):
    image_id: UUID = Field(description="Of an image in the library that is not retired.")
    profile_id: int | None = Field(None, description="Of a first-boot profile; null for none.")
    unverified_reason: str = Field("", max_length=300, description="Set: it is not read back, and why.")
    reason: str = Field("", max_length=300)


class FlashIn(AimIn, WishIn):
    """One slot; what a run of several says for each of its targets."""


class RunIn(WishIn):
    targets: list[TargetIn] = Field(min_length=1, max_length=7)


class RetryIn(Strict):
    typed: str = Field(max_length=60, description="The SOM's name, or `slot 3` if it has none: that it is meant.")


class JobOut(Schema):
    id: UUID = Field(description="Also the id of its operation.")
    slot: int
    som: str
    method: str
    medium: str
    address: str
    phase: str = Field(description=one_of(Phase.values))
    failed_in: str = Field(description="The phase in which it failed; empty if it did not.")
    hands_step: int = Field(description="Which step hands have to do now; 0 = none.")
    hands_deadline: datetime | None
    usb: str = Field(description="What is on its USB path now, in words.")
    done_bytes: int = Field(description="On the device, or read back from it while verifying.")
    total_bytes: int
    bytes_per_second: float
    eta_seconds: float | None = Field(description="By the rate that was measured; null before there is one.")
    progress_at: datetime | None
    contents: str = Field(description="untouched, unknown, unverified, or image (read back and equal).")
    power_before: str
    power_after: str
    hostname: str
    operation: OperationOut


class RunOut(Schema):
    id: UUID
    board: str
    image_id: UUID | None
    image_name: str
    image_sha256: str
    size_bytes: int
    data_bytes: int
    profile_name: str
    unverified_reason: str
    actor: str
    created_at: datetime
    jobs: list[JobOut]


class RunList(Schema):
    count: int
    runs: list[RunOut]


class OfBoard(Page):
    board: str = Field(max_length=60, examples=["demo"])


class RunLine(Schema):
    number: int = Field(description="Only grows, with gaps: `after=` reads on from it.")
    at: datetime
    level: str
    slot: int
    text: str


class RunDetail(RunOut):
    log: list[RunLine]


def job_json(job: FlashJob) -> dict[str, Any]:
    plain = {
        name: getattr(job, name) for name in JobOut.model_fields if name not in ("id", "slot") and hasattr(job, name)
    }
    own = {"id": job.operation_id, "slot": job.number, "som": job.som_name, "usb": job.usb_words}
    return {**plain, **own, "operation": operation_out(job.operation)}


def run_json(run: FlashRun) -> dict[str, Any]:
    plain = {name: getattr(run, name) for name in RunOut.model_fields if name != "jobs"}
    return {**plain, "jobs": [job_json(job) for job in run.jobs.all()]}


@router.get("/boards/{board}/slots/{int:number}/flash-methods", response={200: MethodList, **ERRORS})
def list_methods(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """The ways by which a slot's storage can be reached, those that cannot be taken now with the reason."""
    roles.require(request.actor, "view", f"{board}/slot:{number}")
    found = requests.offers(power.find_slot(board, number))
    return {"count": len(found), "methods": found}


@router.post("/boards/{board}/slots/{int:number}/flash", response={202: RunOut, **ACT_ERRORS})
def flash_slot(
    request: ActorRequest,
    board: str,
    number: int,
    body: FlashIn,
    idempotency_key: str = KEY,
) -> Any:
    """Flash one slot: a run of one. Answers when it is queued; with the same Idempotency-Key, the run from before."""
    actor = begin_act(request, "flash.request", f"{board}/slot:{number}")
    target = TargetAsk(number, body.method, body.medium, body.address)
    ask = ask_of(body, (target,), {number: body.typed})
    return Status(202, run_json(requests.request_flash(overview.find_board(board), ask, actor, key=idempotency_key)))


@router.post("/boards/{board}/flash-runs", response={202: RunOut, **ACT_ERRORS})
def flash_several(
    request: ActorRequest,
    board: str,
    body: RunIn,
    idempotency_key: str = KEY,
) -> Any:
    """Flash one image onto several slots at once; it is read and expanded once for all of them."""
    actor = begin_act(request, "flash.request", board)
    targets = tuple(TargetAsk(one.slot, one.method, one.medium, one.address) for one in body.targets)
    ask = ask_of(body, targets, {one.slot: one.typed for one in body.targets})
    return Status(202, run_json(requests.request_flash(overview.find_board(board), ask, actor, key=idempotency_key)))


def ask_of(body: WishIn, targets: tuple[TargetAsk, ...], typed: dict[int, str]) -> Ask:
    unverified, reason = power.clean_reason(body.unverified_reason), power.clean_reason(body.reason)
    return Ask(body.image_id, targets, body.profile_id, unverified, reason, typed)


@router.get("/flash-runs", response={200: RunList, **ERRORS})
def list_runs(request: ActorRequest, asked: Query[OfBoard]) -> dict[str, Any]:
    """The runs of a board, the newest first."""
    roles.require(request.actor, "view", asked.board)
    count, page = cut(history.runs(overview.find_board(asked.board).slug, request.actor), asked)
    return {"count": count, "runs": [run_json(run) for run in page]}


@router.get("/flash-runs/{uuid:run_id}", response={200: RunDetail, **ERRORS})
def get_run(request: ActorRequest, run_id: UUID, after: int = 0) -> dict[str, Any]:
    """A run with its jobs, and the log lines of all of them whose number is above `after`, 1,000 at most."""
    roles.require(request.actor, "view", "portal")
    run = history.run(run_id, request.actor)
    return {**run_json(run), "log": history.log(run, after)}


def find_job(actor: roles.Actor, operation_id: UUID) -> FlashJob:
    """The job of that id, if it is on a slot that `actor` sees. Raises `NotFound`."""
    job = FlashJob.objects.select_related("operation", "run", "slot__board").filter(operation_id=operation_id).first()
    if job is None or not roles.may(actor, "view", job.operation.resource):
        raise refusals.NotFound(f"There is no flash job {operation_id}.", code="unknown-job")
    return job


@router.post("/flash-jobs/{uuid:job_id}/holding", response={202: JobOut, **ACT_ERRORS})
def say_holding(request: ActorRequest, job_id: UUID) -> Any:
    """Say that BOOT is being held now: the slot's line is pressed at once."""
    job = find_job(request.actor, job_id)
    boot_mode.holding(job, begin_act(request, "flash.hands", job.operation.resource))
    return Status(202, job_json(find_job(request.actor, job_id)))


@router.post("/flash-jobs/{uuid:job_id}/retry", response={202: RunOut, **ACT_ERRORS})
def retry_job(request: ActorRequest, job_id: UUID, body: RetryIn, idempotency_key: str = KEY) -> Any:
    """The same once more from the start, as a run of its own."""
    job = find_job(request.actor, job_id)
    actor = begin_act(request, "flash.request", job.operation.resource)
    return Status(202, run_json(requests.retry(job, actor, body.typed, key=idempotency_key)))


@router.post("/flash-runs/{uuid:run_id}/cancel", response={202: RunOut, **ACT_ERRORS})
def cancel_run(request: ActorRequest, run_id: UUID) -> Any:
    """End all of a run that has not ended; what was being written is then unknown."""
    run = history.run(run_id, request.actor)
    requests.cancel_all(run, begin_act(request, "operation.cancel", run.board))
    return Status(202, run_json(history.run(run_id, request.actor)))
