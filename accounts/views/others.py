"""How somebody else signs in: what an administrator sees of it, ends and takes away."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.recent import require_recent
from accounts.services import passkeys, second_factor, sessions
from accounts.views.people import administrator_asks, person_by
from operations.http import ActorRequest


def what_is_known(person: User, this_key: str | None) -> dict[str, object]:
    """What the page shows of somebody."""
    return {
        "person": person,
        "codes_on": second_factor.is_on(person),
        "codes_left": second_factor.codes_left(person),
        "passkeys": person.passkeys.order_by("created_at"),
        "sessions": sessions.sessions_of(person, this_key),
    }


@login_required
@require_GET
def signing(request: ActorRequest, pk: int) -> HttpResponse:
    """By what somebody signs in, and where they are signed in."""
    administrator_asks(request, pk)
    return render(request, "accounts/signing_of.html", what_is_known(person_by(pk), request.session.session_key))


@login_required
@require_POST
def codes_off(request: ActorRequest, pk: int) -> HttpResponse:
    """For somebody who lost app and recovery codes: their password alone is enough again."""
    actor = administrator_asks(request, pk)
    person = person_by(pk)
    require_recent(request)
    second_factor.turn_off(actor, person)
    messages.success(request, f"Codes are off for {person.username}: their password alone signs them in.")
    return redirect("accounts:signing-of", pk=pk)


@login_required
@require_POST
def remove_passkey(request: ActorRequest, pk: int, key: int) -> HttpResponse:
    """For somebody who lost the device that holds it."""
    actor = administrator_asks(request, pk)
    person = person_by(pk)
    require_recent(request)
    passkeys.remove(actor, person, key)
    messages.success(request, f"That passkey of {person.username} signs nobody in any more.")
    return redirect("accounts:signing-of", pk=pk)


@login_required
@require_POST
def end_session(request: ActorRequest, pk: int, session: str) -> HttpResponse:
    """End one session of somebody."""
    actor = administrator_asks(request, pk)
    person = person_by(pk)
    sessions.end(actor, person, session)
    messages.success(request, f"That session of {person.username} has ended; its consoles close within 3 s.")
    return redirect("accounts:signing-of", pk=pk)


@login_required
@require_POST
def end_sessions(request: ActorRequest, pk: int) -> HttpResponse:
    """End all sessions of somebody, but for the one that asks."""
    actor = administrator_asks(request, pk)
    person = person_by(pk)
    ended = sessions.end_all(actor, person, except_key=request.session.session_key)
    messages.success(request, f"Sessions of {person.username} that have ended: {ended}.")
    return redirect("accounts:signing-of", pk=pk)
