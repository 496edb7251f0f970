"""Whether a person has lately shown that it is really them: asked before the gravest acts.

Signing in counts, and so does confirming with password or passkey. `require_recent` is called by a door, before the
form is shown as well as before the act; `RecentMiddleware` sends a page's visitor to the confirmation.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from operations.http import note_refusal, parts_of
from operations.refusals import NotPermitted

RECENT_SECONDS = 600
CONFIRMED_AT = "confirmed_at"


class SignInAgain(NotPermitted):
    """The session is old for an act this grave; nothing was done."""

    code = "sign-in-again"


def note_confirmed(request: HttpRequest) -> None:
    """Remember that the person has just shown who they are."""
    request.session[CONFIRMED_AT] = int(time.time())


def note_signed_in(sender: Any, request: HttpRequest, **more: Any) -> None:
    """Receiver of Django's `user_logged_in`."""
    note_confirmed(request)


def is_recent(request: HttpRequest) -> bool:
    """Whether that was within the last 10 minutes. A clock that was set back in between makes it no."""
    at = request.session.get(CONFIRMED_AT)
    return isinstance(at, int) and 0 <= time.time() - at < RECENT_SECONDS


def require_recent(request: HttpRequest, *, token_scope: str = "") -> None:
    """Raise SignInAgain unless the person signed in or confirmed within 10 minutes.

    A token confirms nothing: it passes only if it carries `token_scope`, else NotPermitted says that a person must do
    it. Does not block and asks no database beyond the session.
    """
    actor = getattr(request, "actor", None)
    if actor is not None and actor.credential == "token":
        limits = getattr(actor, "limits", None)
        if token_scope and limits is not None and token_scope in limits.scopes:
            return
        raise NotPermitted("A token cannot do this; sign in at the portal's page.", code="person-needed")
    if not is_recent(request):
        raise SignInAgain(
            "This needs you to have signed in within the last 10 minutes; confirm that it is you, then do it again."
        )


class RecentMiddleware:
    """Leads a page's visitor to the confirmation and back. The API answers 403 `sign-in-again` instead."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, SignInAgain) or request.path.startswith("/api/"):
            return None
        note_refusal(request, error)
        where = f"{reverse('accounts:confirm')}?{urlencode({'next': page_of(request)})}"
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Redirect": where})
        if request.method != "GET":
            messages.warning(request, "Nothing was done yet: confirm that it is you, then do it again.")
        return redirect(where)


def page_of(request: HttpRequest) -> str:
    """The page that the person is on: where a form was sent from, or the page that was asked for."""
    if request.method == "GET" and not request.headers.get("HX-Request"):
        return request.get_full_path()
    said = parts_of(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
    if said.netloc != request.get_host():
        return "/"
    return f"{said.path}?{said.query}" if said.query else said.path or "/"
