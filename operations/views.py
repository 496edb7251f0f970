"""The audit log and operations as pages."""

import uuid
from datetime import datetime, time, timedelta

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_POST

from operations import audit, lifecycle, roles
from operations.api import find_operation
from operations.http import ActorRequest, begin_act
from operations.models import AuditEntry

ENTRIES_PER_PAGE = 50


@login_required
@require_GET
def audit_page(request: ActorRequest) -> HttpResponse:
    """Entries, newest first, filtered by actor, target, action, outcome, operation and day."""
    roles.require(request.actor, "audit.view", "portal")
    asked = {name: request.GET.get(name, "").strip() for name in FILTERS}
    page = Paginator(filtered(asked), ENTRIES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "asked": asked, "choices": choices(), "filtered": any(asked.values())}
    return render(request, "operations/audit.html", context)


FILTERS = ("actor", "target", "action", "outcome", "operation", "on")


def filtered(asked: dict[str, str]) -> QuerySet[AuditEntry]:
    """The entries that fit all filters that are given; a day or id that cannot be fits none."""
    entries = AuditEntry.objects.all()
    for name in ("actor", "action", "outcome"):
        if asked[name]:
            entries = entries.filter(**{name: asked[name]})
    if asked["target"]:
        entries = entries.filter(target__contains=asked["target"])
    if asked["operation"]:
        try:
            entries = entries.filter(operation_id=uuid.UUID(asked["operation"]))
        except ValueError:
            return entries.none()
    if asked["on"]:
        day = _day(asked["on"])
        if day is None:
            return entries.none()
        entries = entries.filter(at__gte=day, at__lt=day + timedelta(days=1))
    return entries


def _day(text: str) -> datetime | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None


def choices() -> dict[str, list[str]]:
    """What the filters can be set to: the values among the newest 5,000 entries."""
    newest = AuditEntry.objects.values_list("actor", "action", "outcome")[:5000]
    columns = list(zip(*newest, strict=True)) or [(), (), ()]
    return {name: sorted(set(column)) for name, column in zip(("actor", "action", "outcome"), columns, strict=True)}


@login_required
@require_POST
def verify(request: ActorRequest) -> HttpResponse:
    """Check the chain now and show the verdict."""
    roles.require(request.actor, "audit.verify", "portal")
    return render(request, "operations/_verdict.html", {"verdict": audit.verify()})


@login_required
@require_GET
def operation_page(request: ActorRequest, operation_id: uuid.UUID) -> HttpResponse:
    """One operation: plan, progress, log; the same during and after."""
    roles.require(request.actor, "view", "portal")
    operation = find_operation(operation_id)
    context = {"operation": operation, "log": operation.log.all()}
    template = "operations/_operation.html" if request.htmx else "operations/operation.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@login_required
@require_POST
def cancel(request: ActorRequest, operation_id: uuid.UUID) -> HttpResponse:
    operation = find_operation(operation_id)
    actor = begin_act(request, "operation.cancel", operation.resource)
    lifecycle.cancel(operation, actor)
    back = request.headers.get("HX-Current-URL") or f"/operations/{operation.pk}/"
    if request.htmx:  # type: ignore[attr-defined]
        response = HttpResponse(status=204)
        response["HX-Trigger"] = "live-refresh"
        return response
    return HttpResponseRedirect(f"/operations/{operation.pk}/" if "://" in back else back)
