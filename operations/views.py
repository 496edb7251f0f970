"""The audit log and operations as pages."""

import uuid
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from operations import exporting, lifecycle, roles, searching, verifying
from operations.api import find_operation
from operations.http import ActorRequest, begin_act
from operations.models import AuditEntry
from operations.progress import plan_words, progress_of
from operations.reading import ACTS, read, recording
from operations.roles import Actor, may
from operations.searching import Page
from operations.verifying import Place

NEWEST_FOR_CHOICES = 5000
EXPORTS = (("csv", "CSV, for a spreadsheet"), ("jsonl", "JSON lines, as signed"))
WALK = "audit_walk"  # in the session: how far a verification has come


@login_required
@require_GET
def audit_page(request: ActorRequest) -> HttpResponse:
    """The entries that somebody may see, newest first, filtered and searched; one may be open."""
    actor = request.actor
    roles.require(actor, "audit.view", "portal")
    asked = searching.asked_for(request.GET.dict())
    found = searching.narrowed(searching.visible(actor), asked)
    page = searching.page(found, before=_number(request, "before"), after=_number(request, "after"))
    opened, sees_all = request.GET.get("open", ""), searching.sees_all(actor)
    context: dict[str, object] = {
        "page": page,
        "entries": [read(entry, is_whole=sees_all or searching.is_own(actor, entry)) for entry in page.entries],
        "opened": opened,
        "recording": next((recording(actor, entry) for entry in page.entries if str(entry.seq) == opened), None),
        "count": _count(actor, page, asked),
        "query": urlencode({name: value for name, value in asked.items() if value}),
        "here": _here(request),
        "sees_all": sees_all,
    }
    if request.htmx:  # type: ignore[attr-defined]
        return panel(request, "operations/_entries.html", context)
    context |= {
        "asked": asked,
        "given": [(name, value) for name, value in asked.items() if value],
        "choices": choices(searching.visible(actor)),
        "may_verify": may(actor, "audit.verify", "portal"),
        "exports": EXPORTS,
        "check": verifying.last_check() if sees_all else None,
    }
    return panel(request, "operations/audit.html", context)


def _number(request: ActorRequest, name: str) -> int | None:
    """An entry's number in the request; None for none, or what cannot be one."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _here(request: ActorRequest) -> str:
    """The part of the address that says which page of entries this is."""
    return urlencode({name: number for name in ("before", "after") if (number := _number(request, name)) is not None})


def _count(actor: Actor, page: Page, asked: dict[str, str]) -> str:
    """How many entries fit, in words. Words that are everywhere are costly to count, and nobody reads them all."""
    if page.newest and page.older is None:
        return f"{len(page.entries)}"
    if asked["text"]:
        return f"more than {len(page.entries)}"
    fitting = searching.narrowed(searching.visible(actor, to_count=True), asked, to_count=True)
    number = searching.counted(fitting)
    return f"{number}" if number <= searching.COUNTED else f"more than {searching.COUNTED}"


def panel(request: ActorRequest, template: str, context: dict[str, object]) -> HttpResponse:
    """A page or a panel of it: they have one address, so caches must tell them apart."""
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def choices(entries: QuerySet[AuditEntry]) -> dict[str, list[tuple[str, str]]]:
    """What the filters can be set to, each with its words: the values among the newest of `entries`."""
    newest = list(entries.values_list("actor", "action", "outcome")[:NEWEST_FOR_CHOICES])
    actors, actions, outcomes = zip(*newest, strict=True) if newest else ((), (), ())
    return {
        "actor": [(name, name or "nobody") for name in sorted(set(actors))],
        "action": sorted(((name, ACTS.get(name, name)) for name in set(actions)), key=lambda choice: choice[1]),
        "outcome": [(name, name.capitalize()) for name in sorted(set(outcomes))],
    }


@login_required
@require_POST
def verify(request: ActorRequest) -> HttpResponse:
    """Walk along the chain for a second; the answer goes on by itself until it is the verdict."""
    roles.require(begin_act(request, "audit.verify", "portal"), "audit.verify", "portal")
    found = verifying.walk(_place(request) if "on" in request.POST else None)
    if isinstance(found, Place):
        request.session[WALK] = [found.last, found.mac, found.began]
        count = verifying.length() - found.began
        return render(request, "operations/_walk.html", {"place": found, "count": count})
    request.session.pop(WALK, None)
    return render(request, "operations/_verdict.html", {"verdict": found, "at": timezone.now()})


def _place(request: ActorRequest) -> Place | None:
    """How far the walk of this session has come."""
    walked = request.session.get(WALK)
    return Place(*walked) if walked else None


@login_required
@require_POST
def export(request: ActorRequest) -> StreamingHttpResponse:
    """The entries that fit the filters as a file, oldest first. On record as an act."""
    actor = begin_act(request, "audit.export", "portal")
    form = request.POST.get("format", "")
    entries = searching.export(actor, searching.asked_for(request.POST.dict()), form)
    return exporting.download(entries, form)


@login_required
@require_GET
def operation_page(request: ActorRequest, operation_id: uuid.UUID) -> HttpResponse:
    """One operation: plan, progress, log; the same during and after."""
    roles.require(request.actor, "view", "portal")
    operation = find_operation(request.actor, operation_id)
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
    operation = find_operation(request.actor, operation_id)
    actor = begin_act(request, "operation.cancel", operation.resource)
    lifecycle.cancel(operation, actor)
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    return HttpResponseRedirect(reverse("operations:operation", args=[operation.pk]))
