"""Runs: those of a board, and one of them while it goes on and after."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from flashing import guidance
from flashing.models import FlashJob, FlashRun
from flashing.services import boot_mode, history, requests
from flashing.services.history import Line
from flashing.views import drawing, shown, stepper
from flashing.views.shown import RunView
from images.views import leave_for
from operations import lifecycle, refusals
from operations.http import ActorRequest, begin_act
from operations.roles import may, may_somewhere
from slots.models import Slot
from slots.services import overview, power
from slots.views import panel_of, viewer

RUNS_PER_PAGE = 25
LINES_SHOWN = 500  # of the log; its text has them all


@require_GET
@viewer
def runs_page(request: ActorRequest, board: str) -> HttpResponse:
    """The runs of a board, the newest first; or the list alone for refreshing."""
    row = overview.find_board(board)
    page = Paginator(history.runs(board, request.actor), RUNS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "board": row,
        "page": page,
        "views": [shown.view_of(run) for run in page.object_list],
        "may_flash": may_somewhere(request.actor, "flash", board),
    }
    return render(request, "flashing/_runs.html" if panel_of(request) else "flashing/runs.html", context)


def find_run(request: ActorRequest, board: str, run_id: UUID) -> FlashRun:
    """The run of that id on that board, with what the person sees of it. Raises `NotFound`."""
    run = history.run(run_id, request.actor)
    if run.board != board:
        raise refusals.NotFound("There is no such run on this board.", code="unknown-run")
    return run


def find_job(request: ActorRequest, board: str, operation_id: UUID) -> FlashJob:
    """The job of that operation on that board, if it is on a slot that the person sees. Raises `NotFound`."""
    jobs = FlashJob.objects.select_related("operation", "run", "slot__board")
    job = jobs.filter(operation_id=operation_id, run__board=board).first()
    if job is None or not may(request.actor, "view", job.operation.resource):
        raise refusals.NotFound("There is no such flash on this board.", code="unknown-job")
    return job


@require_GET
@viewer
def run_page(request: ActorRequest, board: str, run_id: UUID) -> HttpResponse:
    return render_run(request, board, find_run(request, board, run_id))


def render_run(request: ActorRequest, board: str, run: FlashRun) -> HttpResponse:
    """A run's page, or what of it changes."""
    view = shown.view_of(run)
    context: dict[str, Any] = {
        "board": overview.find_board(board),
        "view": view,
        "run": run,
        "title": f"Flash {stepper.slots_in_words(target.job.number for target in view.targets)}",
        "steps": steps_of(view),
        "may_flash": may_somewhere(request.actor, "flash", board),
        **hands_context(view),
    }
    if panel_of(request):
        return render(request, "flashing/_run.html", context)
    return render(request, "flashing/run.html", context | {"log": log_of(run)})


def steps_of(view: RunView) -> list[stepper.Step]:
    run, jobs = view.run, [target.job for target in view.targets]
    notes = (
        stepper.numbers_in_words(job.number for job in jobs),
        run.image_name,
        stepper.methods_in_words(job.method for job in jobs),
        run.profile_name or "no profile",
        f"typed {len(jobs)} name{'s' if len(jobs) > 1 else ''}",
    )
    hands = view.hands
    return stepper.of_run(notes, hands=f"slot {hands.job.number}" if hands else "", writing=view.is_writing)


def hands_context(view: RunView) -> dict[str, Any]:
    """What hands have to do now, if anything."""
    target = view.hands
    if target is None or target.job.slot is None:
        return {}
    number, method = target.job.number, target.job.method
    return {
        "hands": target,
        "guide": guide_of(target.job, target.job.slot),
        "trouble": guidance.trouble(method),
        "drawing": drawing.of_slot(number, method),
        "small_drawing": drawing.of_slot(number, method, pitch=drawing.NARROW),
    }


def guide_of(job: FlashJob, slot: Slot) -> list[dict[str, Any]]:
    """The steps for hands, each with where it stands."""
    steps = guidance.steps(job.method, slot=slot.number, traits=power.traits_of(slot), address=job.address)
    here = min(job.hands_step, len(steps))
    return [
        {"step": step, "at": "done" if index < here else "now" if index == here else "todo"}
        for index, step in enumerate(steps, start=1)
    ]


def log_of(run: FlashRun) -> dict[str, Any]:
    """The last lines of a run's log, numbered from its beginning."""
    lines = whole_log(run)
    shown_lines = lines[-LINES_SHOWN:]
    is_open = any(job.operation.is_open for job in run.jobs.all())
    return {"lines": shown_lines, "before": len(lines) - len(shown_lines), "is_open": is_open}


def whole_log(run: FlashRun) -> list[Line]:
    lines = history.log(run)
    while more := history.log(run, lines[-1].number if lines else 0):
        lines += more
    return lines


@require_GET
@viewer
def log_panel(request: ActorRequest, board: str, run_id: UUID) -> HttpResponse:
    """The log alone, for refreshing."""
    run = find_run(request, board, run_id)
    return render(request, "flashing/_log.html", {"board": overview.find_board(board), "run": run, "log": log_of(run)})


@require_GET
@viewer
def log_text(request: ActorRequest, board: str, run_id: UUID) -> HttpResponse:
    """The whole log as text: number, time (UTC), slot, line."""
    run = find_run(request, board, run_id)
    lines = [
        f"{number:5} {line.at:%Y-%m-%d %H:%M:%S}.{line.at.microsecond // 1000:03} slot {line.slot}: {line.text}\n"
        for number, line in enumerate(whole_log(run), start=1)
    ]
    headers = {"Content-Disposition": f'attachment; filename="flash-{run.pk.hex[:8]}.txt"'}
    return HttpResponse("".join(lines), content_type="text/plain; charset=utf-8", headers=headers)


# ---- Acts --------------------------------------------------------------------------------------------------------


def after_act(request: ActorRequest, board: str, run_id: UUID) -> HttpResponse:
    """Show the run as it is now: in place for htmx, by redirect otherwise."""
    if panel_of(request):
        return render_run(request, board, find_run(request, board, run_id))
    return HttpResponseRedirect(reverse("flashing:run", args=[board, run_id]))


@require_POST
@viewer
def holding(request: ActorRequest, board: str, operation_id: UUID) -> HttpResponse:
    """A person's word that they are holding BOOT: the line is pressed now."""
    job = find_job(request, board, operation_id)
    boot_mode.holding(job, begin_act(request, "flash.hands", job.operation.resource))
    return after_act(request, board, job.run_id)


@require_POST
@viewer
def simulated_hands(request: ActorRequest, board: str, operation_id: UUID) -> HttpResponse:
    """What hands would do now, done by the simulator of a simulated board."""
    job = find_job(request, board, operation_id)
    boot_mode.simulated_hands(job, begin_act(request, "flash.hands", job.operation.resource))
    return after_act(request, board, job.run_id)


@require_POST
@viewer
def cancel(request: ActorRequest, board: str, operation_id: UUID) -> HttpResponse:
    """Ask one slot's flash to end; the others go on."""
    job = find_job(request, board, operation_id)
    lifecycle.cancel(job.operation, begin_act(request, "operation.cancel", job.operation.resource))
    return after_act(request, board, job.run_id)


@require_http_methods(["GET", "POST"])
@viewer
def cancel_all(request: ActorRequest, board: str, run_id: UUID) -> HttpResponse:
    """End all of a run: asked for, then done. A slot that has ended meanwhile is left as it is."""
    run = find_run(request, board, run_id)
    still_open = [target for target in shown.view_of(run).targets if target.is_open]
    if request.method == "GET":
        return render(request, "flashing/_cancel_all.html", {"board_slug": board, "run": run, "targets": still_open})
    requests.cancel_all(run, begin_act(request, "operation.cancel", board))
    return after_act(request, board, run_id)


@require_http_methods(["GET", "POST"])
@viewer
def retry(request: ActorRequest, board: str, operation_id: UUID) -> HttpResponse:
    """The same again from the start, as a new run: asked for with the slot's name, then done."""
    job = find_job(request, board, operation_id)
    if request.method == "GET":
        return render(request, "flashing/_retry.html", {"board_slug": board, "job": job, "match": match_of(job)})
    actor = begin_act(request, "flash.request", job.operation.resource)
    run = requests.retry(job, actor, request.POST.get("typed", "").strip())
    return leave_for(request, reverse("flashing:run", args=[board, run.pk]))


def match_of(job: FlashJob) -> str:
    """What has to be typed: the name of the SOM that sits there now, or which slot it is."""
    som = getattr(job.slot, "som", None) if job.slot else None
    return (som.name if som else "") or f"slot {job.number}"
