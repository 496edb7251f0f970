"""What somebody has to be told: the panel on every page, and putting one away."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from accounts.services import notices
from operations.http import ActorRequest


@login_required
@require_GET
def unseen(request: ActorRequest) -> HttpResponse:
    """The panel."""
    return _panel(request)


@login_required
@require_POST
def see(request: ActorRequest, pk: int) -> HttpResponse:
    """One of them is put away; answers with the panel, or sends a browser without scripts to the start."""
    notices.see(request.actor.user_id, pk)
    return _panel(request) if request.headers.get("HX-Request") else HttpResponseRedirect("/")


def _panel(request: ActorRequest) -> HttpResponse:
    shown = notices.unseen(request.actor.user_id)[: notices.SHOWN]
    return render(request, "accounts/_notices.html", {"notices": shown})
