"""From refusal to answer: the only place that knows HTTP statuses, and the refusal's own audit entry."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone

from hardware.errors import HardwareError
from operations import audit, refusals
from operations.models import RefusalCount
from operations.refusals import Refused
from operations.roles import Actor

log = logging.getLogger("nanoportal.refusals")

STATUS: dict[type[Refused], int] = {
    refusals.BadRequest: 400,
    refusals.TokenRefused: 401,
    refusals.NotPermitted: 403,
    refusals.NotFound: 404,
    refusals.TooManyTries: 429,
    refusals.Busy: 409,
    refusals.Expired: 409,
    refusals.Conflict: 409,
    refusals.ControllerSlotProtected: 422,
    refusals.AmbiguousPowerState: 422,
    refusals.NotOffered: 422,
    refusals.StrandingNotAccepted: 422,
    refusals.OverBudget: 422,
    refusals.Outdated: 412,
    refusals.UnsafePlan: 422,
    refusals.PlanStale: 409,
    refusals.IdempotencyMismatch: 422,
    refusals.Gone: 410,
    refusals.WrongVersion: 412,
    refusals.UnsupportedMedia: 415,
    refusals.ChecksumMismatch: 460,  # the upload protocol's own
    refusals.ImageRejected: 422,
    refusals.NoRoom: 422,
    refusals.Unavailable: 503,
}


class ActorRequest(HttpRequest):
    """A request as it reaches the apps: with the person behind it, and the act that is asked for."""

    actor: Actor
    act: tuple[Actor, str, str]


QUIET = timedelta(seconds=10)


def status_of(refusal: Refused) -> int:
    """HTTP status of a refusal: that of its nearest class in the table."""
    for kind in type(refusal).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 400


def problem(refusal: Refused) -> dict[str, Any]:
    """The body of a refused request: `{"code", "message", "detail"}`."""
    return {"code": refusal.code, "message": refusal.message, "detail": refusal.detail}


def record_refusal(refusal: Refused, actor: Actor, action: str, target: str) -> None:
    """Audit a refusal in a transaction of its own: one entry per actor, act, target and code each 10 s, with a
    count."""
    now = timezone.now()
    target = _storable(target)
    with transaction.atomic():
        row, made = RefusalCount.objects.get_or_create(
            actor=actor.name, action=action, target=target, code=refusal.code, defaults={"since": now}
        )
        same = RefusalCount.objects.filter(pk=row.pk)
        # (a time far ahead of now was taken before the clock was set back)
        due = same.exclude(since__gt=now - QUIET, since__lt=now + QUIET)
        if not made and not due.update(since=now):
            same.update(count=F("count") + 1)
            return
        unsaid = same.get().count
        same.update(count=0)
        audit.record(
            action,
            actor=actor,
            target=target,
            outcome="refused",
            code=refusal.code,
            detail={"message": refusal.message, "same_since_last_entry": unsaid},
        )


def _storable(target: str) -> str:
    """What was asked for as a column takes it: it may be any text that somebody wrote into a URL."""
    length = RefusalCount._meta.get_field("target").max_length
    return "".join(letter if letter.isprintable() else "?" for letter in target[:length])


def refusal_response(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """A refusal as JSON for the API, as a fragment for htmx, as a page for the rest."""
    status = status_of(refusal)
    if request.path.startswith("/api/"):
        return JsonResponse(problem(refusal), status=status)
    context = {"refusal": refusal, "status": status}
    if getattr(request, "htmx", False):
        return render(request, "includes/refusal.html", context, status=status)
    if not getattr(getattr(request, "actor", None), "name", ""):  # the frame is for those who are signed in
        return HttpResponse(render_to_string("error.html", context), status=status)
    return render(request, "refused.html", context, status=status)


def other_method(request: HttpRequest, allowed: str) -> HttpResponse:
    """The answer of the API to a method that an address does not take."""
    said = {
        "code": "method-not-allowed",
        "message": f"This address takes {allowed}, not {request.method}.",
        "detail": {},
    }
    return JsonResponse(said, status=405, headers={"Allow": allowed})


class RefusalMiddleware:
    """Turns a `Refused` that a view let through into its answer. What was asked is read from `request.act`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_wordless = response.status_code == 405 and request.path.startswith("/api/")
        return other_method(request, response["Allow"]) if is_wordless else response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Refused):
            note_refusal(request, error)
            return refusal_response(request, error)
        if isinstance(error, HardwareError):
            return refusal_response(request, refusals.Unavailable(str(error), code=error.code))
        return None


def note_refusal(request: HttpRequest, refusal: Refused) -> None:
    """Audit the refusal of the act that the view said was asked for (`begin_act`); without one, that of being shown
    something, if it was the right to see it that somebody lacked."""
    act = getattr(request, "act", None)
    actor = getattr(request, "actor", None)
    if act is None and isinstance(refusal, refusals.NotPermitted) and actor is not None and actor.name:
        act = (actor, "view", "portal")
    if act is not None:
        record_refusal(refusal, *act)


def parts_of(address: str) -> SplitResult:
    """The parts of an address that a browser, or anybody, said in a header; all empty if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def begin_act(request: ActorRequest, action: str, target: str) -> Actor:
    """Say, before anything can be refused, who asks for what; returns the request's actor."""
    request.act = (request.actor, action, target)
    return request.actor
