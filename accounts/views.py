"""Sign-in, first start, one's own account, people, and what a failed request looks like."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.actors import actor_for, address_of
from accounts.forms import AddPersonForm, ChangePasswordForm, FirstAdministratorForm, NewPasswordForm, SignInForm
from accounts.models import Role, User
from operations.http import ActorRequest, begin_act, record_refusal, status_of
from operations.refusals import NotFound, Refused
from operations.roles import Actor, require

# When this browser signed in: outlives the session, so that the sign-in page can say what became of it.
SIGNED_IN_COOKIE = "signed_in_at"


class PersonRequest(ActorRequest):
    """A request behind `login_required`."""

    user: User


# ---- Signing in and out ------------------------------------------------------------------------------------------


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
        services.sign_in(self.request, form.get_user())
        return remember_sign_in(redirect(self.get_success_url()))

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        services.note_failed_sign_in(self.request, form.data.get("username", ""))
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
    services.sign_out(request)
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
        until = services.check_setup_token(data_dir, token)
        form = FirstAdministratorForm(request.POST or None)
        if not form.is_valid():
            return render(request, "accounts/setup.html", {"form": form, "until": until})
        given = form.cleaned_data
        person = services.redeem(data_dir, token, given["name"], given["password"], address_of(request))
    except Refused as refusal:
        record_refusal(refusal, actor_for(request, name="anonymous", source="setup"), "setup", "portal")
        return render(request, "accounts/setup_closed.html", {"refusal": refusal}, status=status_of(refusal))
    services.sign_in(request, person)
    return remember_sign_in(redirect("/"))


# ---- One's own account -------------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: PersonRequest) -> HttpResponse:
    """Who one is here, the theme, and a new password."""
    form = ChangePasswordForm(request.POST or None, person=request.user)
    if not form.is_valid():
        return render(request, "accounts/account.html", {"form": form})
    services.set_password(actor_for(request), request.user, form.cleaned_data["password"])
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password is changed; your other sessions have ended.")
    return redirect("accounts:account")


# ---- People ------------------------------------------------------------------------------------------------------


def administrator_asks(request: ActorRequest, pk: int | None = None) -> Actor:
    """The actor, if they may edit people. Raises NotPermitted."""
    actor = begin_act(request, "people.edit", f"person:{pk}" if pk else "portal")
    require(actor, "people.edit", "portal")
    return actor


def person_by(pk: int) -> User:
    """Raises NotFound."""
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such person.", code="no-such-person")
    return found


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def people(request: ActorRequest) -> HttpResponse:
    """Everybody with their roles, and a form to add somebody."""
    actor = administrator_asks(request)
    form = AddPersonForm(request.POST or None, initial={"role": Role.VIEWER})
    if not form.is_valid():
        return render(request, "accounts/people.html", {"form": form, "people": User.objects.all()})
    given = form.cleaned_data
    services.add_person(actor, given["name"], given["role"], given["password"])
    messages.success(request, f"{given['name']} is added, as {given['role']}.")
    return redirect("accounts:people")


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def person(request: ActorRequest, pk: int) -> HttpResponse:
    """One person: role, access, and a new password for who lost theirs."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    form = NewPasswordForm(request.POST or None, person=somebody)
    if not form.is_valid():
        return render(request, "accounts/person.html", {"form": form, "person": somebody, "roles": Role.choices})
    services.set_password(actor, somebody, form.cleaned_data["password"])
    if somebody == request.user:
        update_session_auth_hash(request, somebody)
    messages.success(request, f"{somebody.username} has a new password; their sessions have ended.")
    return redirect("accounts:person", pk=pk)


@login_required
@require_POST
def change_role(request: ActorRequest, pk: int) -> HttpResponse:
    """Give somebody another role."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    services.change_role(actor, somebody, request.POST.get("role", ""))
    messages.success(request, f"{somebody.username} is {request.POST['role']} now.")
    return redirect("/") if somebody == request.user else redirect("accounts:person", pk=pk)


@login_required
@require_POST
def change_access(request: ActorRequest, pk: int) -> HttpResponse:
    """Switch somebody off or on."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    if request.POST.get("access") == "on":
        services.switch_on(actor, somebody)
        messages.success(request, f"{somebody.username} may sign in again.")
    else:
        services.switch_off(actor, somebody)
        messages.success(request, f"{somebody.username} may not sign in any more; their history stays.")
    return redirect("accounts:people")


# ---- Requests that fail ------------------------------------------------------------------------------------------


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of this session: out of date, or not ours."""
    return failure(
        request, 403, "form-out-of-date", "This form is out of date; go back, load the page again and retry."
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 400, "bad-request", "The portal does not understand this request; nothing was changed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 403, "not-permitted", "Your role does not allow this; an administrator can change it.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 404, "not-found", "There is no page at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    return failure(
        request, 500, "internal", "The portal made a mistake, which is in its log; look before you repeat it."
    )


def failure(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """A failed request as JSON for the API and as a page, or the same as a fragment, for browsers. Draws without the
    frame and without a query, since what failed may be the database."""
    if request.path.startswith("/api/"):
        return JsonResponse({"code": code, "message": message, "detail": {}}, status=status)
    template = "includes/refusal.html" if request.headers.get("HX-Request") else "error.html"
    context = {"refusal": {"code": code, "message": message}, "status": status}
    return HttpResponse(render_to_string(template, context), status=status)
