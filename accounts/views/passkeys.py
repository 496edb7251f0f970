"""Passkeys, spoken of with the browser in JSON: making one, signing in with one, confirming with one."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.recent import SignInAgain, note_confirmed, require_recent
from accounts.services import passkeys, signing
from accounts.views.account import PersonRequest, own_account
from accounts.views.signing import next_of, remember_sign_in
from operations.http import begin_act, note_refusal, problem, status_of
from operations.refusals import BadRequest, NotPermitted, Refused

LONGEST_BODY = 64 * 1024  # bytes; an answer with attestation has about 2,000


def answering_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A refusal as `{code, message, detail}`, since a script reads it; one that asks to confirm names the page."""

    @wraps(view)
    def answer(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refused as refusal:
            note_refusal(request, refusal)
            body = problem(refusal)
            if isinstance(refusal, SignInAgain):
                body["detail"] = {"page": f"{reverse('accounts:confirm')}?next={reverse('accounts:account')}"}
            return JsonResponse(body, status=status_of(refusal))

    return answer


def sent(request: HttpRequest) -> dict[str, Any]:
    """The body. Raises BadRequest unless it is a JSON object of a sensible size."""
    try:
        body = json.loads(request.body) if len(request.body) <= LONGEST_BODY else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body is not the JSON object that this needs.")
    return body


def word(body: dict[str, Any], name: str) -> str:
    """A text in the body; empty if there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


# ---- Signing in --------------------------------------------------------------------------------------------------


@require_POST
@answering_json
def sign_in_options(request: HttpRequest) -> HttpResponse:
    """What the browser needs to ask for a passkey; of the person whose password was just right, if there is one."""
    options = passkeys.use_options(request, signing.half_signed_in(request))
    signing.end_soon(request, passkeys.CHALLENGE_SECONDS)
    return JsonResponse(options)


@require_POST
@answering_json
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in by what the browser answered. The body is `{"credential": ..., "next": "/"}`."""
    body = sent(request)
    try:
        person = passkeys.whose(request, body.get("credential"))
        half = signing.half_signed_in(request)
        if half is not None and half != person:
            raise NotPermitted(f"This passkey is not {half.username}'s.", code="unknown-passkey")
    except Refused as refusal:
        signing.note_failed_sign_in(request, "", refusal)
        raise
    signing.sign_in(request, person, "password and passkey" if half else "passkey")
    return remember_sign_in(request, JsonResponse({"next": next_of(request, word(body, "next"))}))


# ---- Confirming --------------------------------------------------------------------------------------------------


@login_required
@require_POST
@answering_json
def confirm_options(request: PersonRequest) -> HttpResponse:
    """What the browser needs to ask for one of the person's own passkeys."""
    return JsonResponse(passkeys.use_options(request, request.user))


@login_required
@require_POST
@answering_json
def confirm(request: PersonRequest) -> HttpResponse:
    """Confirm that it is still the same person, by their passkey."""
    begin_act(request, "account.confirm", f"person:{request.user.username}")
    body = sent(request)
    if passkeys.whose(request, body.get("credential")) != request.user:
        raise NotPermitted("This passkey is not yours.", code="unknown-passkey")
    note_confirmed(request)
    return JsonResponse({"next": next_of(request, word(body, "next"))})


# ---- Making and removing -----------------------------------------------------------------------------------------


@login_required
@require_POST
@answering_json
def creation_options(request: PersonRequest) -> HttpResponse:
    """What the browser needs to make a passkey."""
    own_account(request)
    require_recent(request)
    return JsonResponse(passkeys.creation_options(request, request.user))


@login_required
@require_POST
@answering_json
def create(request: PersonRequest) -> HttpResponse:
    """Keep the passkey that the browser made. The body is `{"credential": ..., "name": "phone"}`."""
    actor = own_account(request)
    require_recent(request)
    body = sent(request)
    made = passkeys.create(request, actor, request.user, word(body, "name"), body.get("credential"))
    messages.success(request, f"The passkey {made.name} signs you in from now on, without a password.")
    return JsonResponse({"next": reverse("accounts:account")})


@login_required
@require_POST
def remove(request: PersonRequest, pk: int) -> HttpResponse:
    """Forget one of one's own passkeys."""
    actor = own_account(request)
    require_recent(request)
    passkeys.remove(actor, request.user, pk)
    messages.success(request, "The passkey is removed; delete it on its device too.")
    return redirect("accounts:account")
