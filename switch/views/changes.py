"""A change of VLANs: its preview, the commit, and what is done until it is over."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from accounts.recent import require_recent
from operations import roles
from operations.http import ActorRequest, begin_act
from operations.roles import may
from slots.services import overview
from switch.forms import TIMES, CommitForm, valid
from switch.services import changes, running
from switch.views import shown
from switch.views.looking import viewer
from switch.views.vlans import after_act, resource

EXTENSION_SECONDS = 120


@require_GET
@viewer
def preview(request: ActorRequest, board: str) -> HttpResponse:
    """The dialog before a commit: what exactly is written, what is unsafe about it, when it undoes itself."""
    row = overview.find_board(board)
    roles.require(request.actor, "switch.commit", resource(row))
    made = changes.preview(row, request.actor)
    wiring = running.wiring(row)
    may_override = may(request.actor, "switch.override", resource(row))
    context = {
        "board": row,
        "lines": shown.lines(made.plan.words),
        "unsafe": made.plan.unsafe,
        "isolated": [wiring.words(port) for port in made.plan.isolated],
        "fingerprint": made.plan.fingerprint,
        "may_override": may_override,
        "is_possible": all(one.can_be_overridden and may_override for one in made.plan.unsafe),
        "times": TIMES,
        "request_key": uuid.uuid4().hex,
    }
    return render(request, "switch/_preview.html", context)


@require_POST
@viewer
def commit(request: ActorRequest, board: str) -> HttpResponse:
    """Queue exactly what was shown."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.commit", resource(row))
    said = valid(CommitForm(request.POST))
    overrides = tuple(request.POST.getlist("override"))
    if overrides and may(actor, "switch.override", resource(row)):
        require_recent(request)
    changes.commit(
        row,
        said["fingerprint"],
        actor,
        revert_after_seconds=said["revert_after_seconds"] or changes.USUAL_SECONDS,
        overrides=overrides,
        reason=said["reason"],
        key=said["key"],
    )
    return after_act(request, row)


@require_POST
@viewer
def confirm(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Keep the change; only for who committed it."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.confirm", resource(row))
    changes.confirm(changes.find(row, number), actor)
    return after_act(request, row)


@require_POST
@viewer
def extend(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Two more minutes before it undoes itself."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.extend", resource(row))
    changes.extend(changes.find(row, number), actor, EXTENSION_SECONDS)
    return after_act(request, row)


@require_POST
@viewer
def roll_back(request: ActorRequest, board: str, number: int) -> HttpResponse:
    row = overview.find_board(board)
    actor = begin_act(request, "switch.roll-back", resource(row))
    changes.roll_back(changes.find(row, number), actor)
    return after_act(request, row)


@require_POST
@viewer
def acknowledge(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """Somebody has seen that rolling back failed."""
    row = overview.find_board(board)
    actor = begin_act(request, "switch.acknowledge", resource(row))
    changes.acknowledge(changes.find(row, number), actor)
    return after_act(request, row)
