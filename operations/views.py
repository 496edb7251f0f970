"""The audit log and operations as pages."""

import uuid
from datetime import datetime, time, timedelta
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_POST

from operations import audit, lifecycle, roles
from operations.api import find_operation
from operations.http import ActorRequest, begin_act
from operations.models import AuditEntry
from operations.progress import plan_words, progress_of
from operations.reading import ACTS, read
from operations.roles import may

ENTRIES_PER_PAGE = 50
FILTERS = ("actor", "target", "action", "outcome", "operation", "on")
NEWEST_FOR_CHOICES = 5000


@login_required
@require_GET
def audit_page(request: ActorRequest) -> HttpResponse:
    """Entries, newest first, filtered by actor, target, action, outcome, operation and day; one may be open."""
    roles.require(request.actor, "audit.view", "portal")
    asked = {name: request.GET.get(name, "").strip() for name in FILTERS}
    page = Paginator(filtered(asked), ENTRIES_PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, object] = {
        "page": page,
        "entries": [read(entry) for entry in page.object_list],
        "opened": request.GET.get("open", ""),
        "query": urlencode({name: value for name, value in asked.items() if value}),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return panel(request, "operations/_entries.html", context)
    context |= {"asked": asked, "choices": choices(), "may_verify": may(request.actor, "audit.verify", "portal")}
    return panel(request, "operations/audit.html", context)


def panel(request: ActorRequest, template: str, context: dict[str, object]) -> HttpResponse:
    """A page or a panel of it: they have one address, so caches must tell them apart."""
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


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


def choices() -> dict[str, list[tuple[str, str]]]:
    """What the filters can be set to, each with its words: the values among the newest entries."""
    newest = AuditEntry.objects.values_list("actor", "action", "outcome")[:NEWEST_FOR_CHOICES]
    actors, actions, outcomes = zip(*newest, strict=True) if newest else ((), (), ())
    return {
        "actor": [(name, name or "nobody") for name in sorted(set(actors))],
        "action": sorted(((name, ACTS.get(name, name)) for name in set(actions)), key=lambda choice: choice[1]),
        "outcome": [(name, name.capitalize()) for name in sorted(set(outcomes))],
    }


@login_required
@require_POST
def verify(request: ActorRequest) -> HttpResponse:
    """Check the chain now and show the verdict."""
    roles.require(request.actor, "audit.verify", "portal")
    return render(request, "operations/_verdict.html", {"verdict": audit.verify(), "at": timezone.now()})


@login_required
@require_GET
def operation_page(request: ActorRequest, operation_id: uuid.UUID) -> HttpResponse:
    """One operation: plan, progress, log; the same during and after."""
    roles.require(request.actor, "view", "portal")
    operation = find_operation(operation_id)
    board, _, rest = operation.resource.partition("/")
    context: dict[str, object] = {
        "operation": operation,
        "progress": progress_of(operation),
        "plan": plan_words(operation),
        "log": operation.log.all(),
        "may_power": may(request.actor, lifecycle.right_to(operation), operation.resource),
        "board_slug": board,
        "slot_number": rest.removeprefix("slot:") if rest.startswith("slot:") else "",
    }
    whole = not request.htmx  # type: ignore[attr-defined]
    return panel(request, "operations/operation.html" if whole else "operations/_operation.html", context)


@login_required
@require_POST
def cancel(request: ActorRequest, operation_id: uuid.UUID) -> HttpResponse:
    """Ask an operation to end; what becomes of it is shown when the worker says so."""
    operation = find_operation(operation_id)
    actor = begin_act(request, "operation.cancel", operation.resource)
    lifecycle.cancel(operation, actor)
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    return HttpResponseRedirect(reverse("operations:operation", args=[operation.pk]))
