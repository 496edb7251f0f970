"""Signing in, in one step or two, and out; and the first start."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import actor_for, address_of
from accounts.forms import CodeForm, FirstAdministratorForm, SignInForm
from accounts.models import User
from accounts.services import passkeys, second_factor, signing, throttling
from accounts.services import setup as first_start
from operations.http import parts_of, record_refusal, status_of
from operations.refusals import NotPermitted, Refused, TooManyTries

# When this browser signed in: outlives the session, so that the sign-in page can say what became of it.
SIGNED_IN_COOKIE = "signed_in_at"


class SignIn(auth_views.LoginView):
    """The sign-in page. `next` is followed only to this portal's own addresses."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    allowance: throttling.Allowance | None = None

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.headers.get("HX-Request"):  # a panel of a page whose session ended: the page itself must go
            page = parts_of(request.headers.get("HX-Current-URL", "")).path or "/"
            return HttpResponse(status=204, headers={"HX-Redirect": f"{request.path}?{urlencode({'next': page})}"})
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = signing.typed_name(request)
        if name and request.POST.get("password"):
            device = signing.device_of(request, name)
            try:
                self.allowance = throttling.take(throttling.keys_for_password(name, address_of(request), device))
            except TooManyTries as refusal:
                signing.note_failed_sign_in(request, name, refusal)
                return self.wait(refusal)
        return super().post(request, *args, **kwargs)

    def wait(self, refusal: TooManyTries) -> HttpResponse:
        """The page with the refusal, the password unread."""
        form = SignInForm(self.request, initial={"username": self.request.POST["username"]})
        answer = self.render_to_response(self.get_context_data(form=form, refusal=refusal))
        return waiting(answer, refusal)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        about = {
            "ended": how_session_ended(self.request),
            "why_no_passkey": passkeys.why_not_here(self.request),
            "warning": self.allowance.warning if self.allowance else "",
        }
        return super().get_context_data(**about | kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person = form.get_user()
        if self.allowance:
            throttling.give_back(self.allowance)
        return first_step_done(self.request, person, "password", self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        signing.note_failed_sign_in(self.request, signing.typed_name(self.request))
        return super().form_invalid(form)


def first_step_done(request: HttpRequest, person: User, means: str, wanted: str) -> HttpResponse:
    """Lead somebody on who has just shown one thing that only they have (`means`, in words): to the second step if
    they have one, else in."""
    if second_factor.is_on(person):
        signing.half_sign_in(request, person)
        return redirect(f"{reverse('accounts:second-step')}?{urlencode({'next': wanted})}")
    signing.sign_in(request, person, means)
    return remember_sign_in(request, redirect(wanted))


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """After the password: a code of the app, or a recovery code."""
    person = signing.half_signed_in(request)
    if person is None:
        messages.info(request, "Type name and password again; the code must follow within 5 minutes.")
        return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': next_of(request)})}")
    form = CodeForm(request.POST or None)
    page = {"form": form, "next": next_of(request), "passkeys_here": has_passkey_here(request, person)}
    if not form.is_valid():
        return render(request, "accounts/second_step.html", page)
    try:
        means, warning = accept_second_step(request, person, form.cleaned_data["code"])
    except TooManyTries as refusal:
        signing.note_failed_sign_in(request, person.username, refusal)
        return waiting(render(request, "accounts/second_step.html", {**page, "refusal": refusal}), refusal)
    if not means:
        wrong = NotPermitted(second_factor.wrong_code_sentence(), code="wrong-code")
        signing.note_failed_sign_in(request, person.username, wrong)
        form.add_error("code", wrong.message)
        return render(request, "accounts/second_step.html", {**page, "warning": warning})
    signing.sign_in(request, person, means)
    if "recovery" in means:
        left = second_factor.codes_left(person)
        said = "1 is left" if left == 1 else f"{left or 'none'} are left"
        messages.warning(request, f"This recovery code is used up; {said}. Make new ones under Account.")
    return remember_sign_in(request, redirect(next_of(request)))


def accept_second_step(request: HttpRequest, person: User, text: str) -> tuple[str, str]:
    """How the person has signed in if the code is right, else "" and a warning if few tries are left. Raises
    TooManyTries."""
    address, device = address_of(request), signing.device_of(request, person.username)
    if second_factor.looks_like_recovery_code(text):
        allowance = throttling.take(throttling.keys_for_recovery(address))
        means = "password and recovery code" if second_factor.accept_recovery_code(person, text) else ""
    else:
        allowance = throttling.take(throttling.keys_for_code(person, address, device))
        means = "password and code" if second_factor.accept_code(person, text) else ""
    if means:
        throttling.give_back(allowance)
    return means, allowance.warning


def has_passkey_here(request: HttpRequest, person: User) -> bool:
    """Whether the person has a passkey that works at this address."""
    return not passkeys.why_not_here(request) and person.passkeys.filter(site=passkeys.host_of(request)).exists()


def waiting(answer: HttpResponse, refusal: TooManyTries) -> HttpResponse:
    """The answer with the status of too many tries, and when to try again."""
    answer.status_code = status_of(refusal)
    answer.headers["Retry-After"] = str(refusal.detail["retry_after_seconds"])
    return answer


def next_of(request: HttpRequest, wanted: str = "") -> str:
    """Where the person wanted to go, if that is in this portal; else the start."""
    wanted = wanted or request.POST.get("next") or request.GET.get("next") or ""
    secure = request.is_secure()
    allowed = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=secure)
    return wanted if allowed else settings.LOGIN_REDIRECT_URL


def remember_sign_in(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Leave the cookies by which `how_session_ended` knows that somebody was signed in here, and by which this browser
    is known as theirs (`throttling`)."""
    device = signing.device_cookie(request.user, request.COOKIES.get(signing.DEVICE_COOKIE, ""))
    now = str(int(timezone.now().timestamp()))
    for name, value, age in (
        (SIGNED_IN_COOKIE, now, timedelta(days=30)),
        (signing.DEVICE_COOKIE, device, signing.DEVICE_AGE),
    ):
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(name, value, max_age=age, httponly=True, samesite="Lax", secure=secure)
    return response


def how_session_ended(request: HttpRequest) -> str:
    """One sentence for somebody whose session is over; empty for who never had one or signed out."""
    text = request.COOKIES.get(SIGNED_IN_COOKIE, "")
    if request.user.is_authenticated or not text.isdecimal() or len(text) > 11:
        return ""
    held = timezone.now() - datetime.fromtimestamp(int(text), tz=timezone.get_current_timezone())
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    if held >= longest:
        return f"You were signed out after {longest // timedelta(hours=1)} h; sign in again."
    return "You were signed out: your password or account changed, or the session was ended. Sign in again."


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    signing.sign_out(request)
    response = redirect(settings.LOGIN_URL)
    response.delete_cookie(SIGNED_IN_COOKIE, samesite="Lax")
    return response


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
    signing.sign_in(request, person, "set-up link")
    return remember_sign_in(request, redirect("/"))
