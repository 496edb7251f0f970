"""One's own account."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.actors import actor_for
from accounts.forms import ChangePasswordForm
from accounts.models import User
from accounts.services import people
from operations.http import ActorRequest


class PersonRequest(ActorRequest):
    """A request behind `login_required`."""

    user: User


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: PersonRequest) -> HttpResponse:
    """Who one is here, the theme, and a new password."""
    form = ChangePasswordForm(request.POST or None, person=request.user)
    if not form.is_valid():
        return render(request, "accounts/account.html", {"form": form})
    people.set_password(actor_for(request), request.user, form.cleaned_data["password"])
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password is changed; your other sessions have ended.")
    return redirect("accounts:account")
