"""One's own account: password, second step, passkeys, and where one is signed in."""

import segno
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import address_of
from accounts.forms import ChangePasswordForm, CodeForm, ConfirmForm
from accounts.models import User
from accounts.recent import note_confirmed, require_recent
from accounts.services import passkeys, people, second_factor, sessions, throttling
from accounts.views.signing import has_passkey_here, next_of, waiting
from operations.http import ActorRequest, begin_act, note_refusal
from operations.refusals import NotPermitted, Refused, TooManyTries
from operations.roles import Actor


class PersonRequest(ActorRequest):
    """A request behind `login_required`."""

    user: User


def own_account(request: PersonRequest) -> Actor:
    """The actor; what is refused from here on is on record as about their own account."""
    return begin_act(request, "account.edit", f"person:{request.user.username}")


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: PersonRequest) -> HttpResponse:
    """Who one is here, how one signs in, where one is signed in, and a new password."""
    actor = own_account(request)
    allowance = None
    if request.POST.get("present"):  # a stolen session must not serve to guess the password
        allowance = throttling.take(throttling.keys_for_confirmation(request.user, address_of(request)))
    form = ChangePasswordForm(request.POST or None, person=request.user)
    is_valid = form.is_valid()
    if allowance and "present" in form.cleaned_data:
        throttling.give_back(allowance)
    if not is_valid:
        return render(request, "accounts/account.html", {"form": form, **how_one_signs_in(request)})
    people.set_password(actor, request.user, form.cleaned_data["password"])
    update_session_auth_hash(request, request.user)
    note_confirmed(request)
    messages.success(request, "Your password is changed; your other sessions have ended.")
    return redirect("accounts:account")


def how_one_signs_in(request: PersonRequest) -> dict[str, object]:
    """What the account's page shows beside the password."""
    why_not = passkeys.why_not_here(request)
    return {
        "codes_on": second_factor.is_on(request.user),
        "codes_left": second_factor.codes_left(request.user),
        "passkeys": request.user.passkeys.order_by("created_at"),
        "why_no_passkey": why_not,
        "site": passkeys.host_of(request),
        "sessions": sessions.sessions_of(request.user, request.session.session_key),
    }


# ---- Confirming that it is you -----------------------------------------------------------------------------------


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def confirm(request: PersonRequest) -> HttpResponse:
    """One's password or a passkey once more, before something grave; then back."""
    form = ConfirmForm(request.POST or None)
    page = {"form": form, "next": next_of(request), "passkeys_here": has_passkey_here(request, request.user)}
    if not form.is_valid():
        return render(request, "accounts/confirm.html", page)
    begin_act(request, "account.confirm", f"person:{request.user.username}")
    try:
        allowance = throttling.take(throttling.keys_for_confirmation(request.user, address_of(request)))
    except TooManyTries as refusal:
        note_refusal(request, refusal)
        return waiting(render(request, "accounts/confirm.html", {**page, "refusal": refusal}), refusal)
    if not request.user.check_password(form.cleaned_data["password"]):
        wrong = NotPermitted("This is not your password.", code="wrong-password")
        note_refusal(request, wrong)
        form.add_error("password", wrong.message)
        return render(request, "accounts/confirm.html", {**page, "warning": allowance.warning})
    throttling.give_back(allowance)
    note_confirmed(request)
    return redirect(next_of(request))


# ---- The second step ---------------------------------------------------------------------------------------------


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def codes(request: PersonRequest) -> HttpResponse:
    """Set an authenticator app up: the picture that it reads, then a code of it; then the recovery codes."""
    actor = own_account(request)
    require_recent(request)
    if request.method == "GET" and second_factor.is_on(request.user):
        return redirect("accounts:account")
    form = CodeForm(request.POST or None)
    form.fields["code"].help_text = "The six digits that the app shows now."
    if form.is_valid():
        try:
            made = second_factor.confirm(actor, request.user, form.cleaned_data["code"])
        except Refused as refusal:
            note_refusal(request, refusal)
            form.add_error("code", refusal.message)
        else:
            return render(request, "accounts/recovery_codes.html", {"codes": made})
    enrolment = second_factor.begin(request.user, f"NanoPortal {request.get_host()}")
    picture = segno.make(enrolment.uri, error="m").svg_data_uri(scale=4, border=3, dark="#000", light="#fff")
    return render(request, "accounts/codes.html", {"form": form, "picture": picture, "secret": enrolment.secret})


@login_required
@require_POST
def codes_off(request: PersonRequest) -> HttpResponse:
    """Let the password alone be enough again."""
    actor = own_account(request)
    require_recent(request)
    second_factor.turn_off(actor, request.user)
    messages.success(request, "Codes are off: your password alone signs you in.")
    return redirect("accounts:account")


@login_required
@require_POST
def recovery_codes(request: PersonRequest) -> HttpResponse:
    """New recovery codes in place of the old."""
    actor = own_account(request)
    require_recent(request)
    return render(
        request, "accounts/recovery_codes.html", {"codes": second_factor.new_recovery_codes(actor, request.user)}
    )


# ---- Where one is signed in --------------------------------------------------------------------------------------


@login_required
@require_POST
def end_session(request: PersonRequest, session: str) -> HttpResponse:
    """End one of one's own sessions."""
    sessions.end(own_account(request), request.user, session)
    messages.success(request, "That session has ended; its open pages and consoles close within 3 s.")
    return redirect("accounts:account")


@login_required
@require_POST
def end_other_sessions(request: PersonRequest) -> HttpResponse:
    """End all of one's own sessions but this."""
    ended = sessions.end_all(own_account(request), request.user, except_key=request.session.session_key)
    messages.success(request, f"{ended} other sessions have ended." if ended != 1 else "1 other session has ended.")
    return redirect("accounts:account")
