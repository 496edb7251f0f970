"""A running Linux on a SOM as the target: whether it is the machine that it should be, and which disks it has."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from flashing.services import network
from operations.http import ActorRequest, begin_act
from operations.refusals import Refused
from slots.services import overview
from slots.views import viewer


@require_GET
@viewer
def network_panel(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """What a running Linux offers as disks; before that, whether it is the machine that it should be."""
    overview.find_board(board)
    host = request.GET.get(f"host-{number}", "").strip()
    return render_network(request, board, number, host)


def render_network(request: ActorRequest, board: str, number: int, host: str) -> HttpResponse:
    """The host key that the machine shows, or its disks once that is accepted; the portal's key in any case."""
    context: dict[str, Any] = {"board_slug": board, "number": number, "host": host}
    try:
        context["key"] = network.public_key()
        slot = f"{board}/slot:{number}"
        sight = network.fingerprint(slot, host, request.actor)
        context |= {
            "sight": sight,
            "disks": network.disks(slot, host, request.actor) if sight.state == "accepted" else [],
        }
    except Refused as error:
        context["refusal"] = error
    return render(request, "flashing/_network.html", context)


@require_POST
@viewer
def trust_host(request: ActorRequest, board: str, number: int) -> HttpResponse:
    """A person's word that this fingerprint is that machine's."""
    overview.find_board(board)
    host = request.POST.get(f"host-{number}", "").strip()
    slot = f"{board}/slot:{number}"
    actor = begin_act(request, "flash.trust-host", slot)
    network.trust(slot, host, request.POST.get("fingerprint", ""), actor)
    return render_network(request, board, number, host)
