"""Signing in and out, and the first start."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import actor_for, address_of
from accounts.forms import FirstAdministratorForm, SignInForm
from accounts.services import setup as first_start
from accounts.services import signing
from operations.http import record_refusal, status_of
from operations.refusals import Refused

# When this browser signed in: outlives the session, so that the sign-in page can say what became of it.
SIGNED_IN_COOKIE = "signed_in_at"


@method_decorator(never_cache, name="dispatch")
class SignIn(auth_views.LoginView):
    """The sign-in page. `next` is followed only to this portal's own addresses."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.headers.get("HX-Request"):  # a panel of a page whose session ended: the page itself must go
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
            return HttpResponse(status=204, headers={"HX-Redirect": f"{request.path}?{urlencode({'next': page})}"})
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(ended=how_session_ended(self.request), **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        signing.sign_in(self.request, form.get_user())
        return remember_sign_in(redirect(self.get_success_url()))

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        signing.note_failed_sign_in(self.request, form.data.get("username", ""))
        return super().form_invalid(form)


def remember_sign_in(response: HttpResponse) -> HttpResponse:
    """Leave the cookie by which `how_session_ended` knows that somebody was signed in here."""
    now = int(timezone.now().timestamp())
    response.set_cookie(
        SIGNED_IN_COOKIE,
        str(now),
        max_age=timedelta(days=30),
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def how_session_ended(request: HttpRequest) -> str:
    """One sentence for somebody whose session is over; empty for who never had one or signed out."""
    text = request.COOKIES.get(SIGNED_IN_COOKIE, "")
    if request.user.is_authenticated or not text.isdecimal() or len(text) > 12:
        return ""
    held = timezone.now() - datetime.fromtimestamp(int(text), tz=timezone.get_current_timezone())
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    if held >= longest:
        return f"You were signed out after {longest // timedelta(hours=1)} h; sign in again."
    return "You were signed out, because your password or account changed; sign in again."


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    signing.sign_out(request)
    response = redirect(settings.LOGIN_URL)
    response.delete_cookie(SIGNED_IN_COOKIE, samesite="Lax")
    return response


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """First start: make the first administrator, by the link that the portal printed."""
    data_dir = Path(settings.DATA_DIR)
    try:
        until = first_start.check_setup_token(data_dir, token)
        form = FirstAdministratorForm(request.POST or None)
        if not form.is_valid():
            return render(request, "accounts/setup.html", {"form": form, "until": until})
        given = form.cleaned_data
        person = first_start.redeem(data_dir, token, given["name"], given["password"], address_of(request))
    except Refused as refusal:
        record_refusal(refusal, actor_for(request, name="anonymous", source="setup"), "setup", "portal")
        return render(request, "accounts/setup_closed.html", {"refusal": refusal}, status=status_of(refusal))
    signing.sign_in(request, person)
    return remember_sign_in(redirect("/"))
