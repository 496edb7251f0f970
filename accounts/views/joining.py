"""The page behind a one-time link: somebody chooses a password, and is in."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.actors import actor_for, address_of
from accounts.forms import NewPasswordForm
from accounts.services import invitations
from accounts.views.signing import first_step_done
from operations.http import record_refusal, status_of
from operations.refusals import Refused


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, secret: str) -> HttpResponse:
    """Choose a password by a link that an administrator made."""
    try:
        invitation = invitations.check(secret)
        form = NewPasswordForm(request.POST or None, person=invitation.user)
        if not form.is_valid():
            return render(request, "accounts/join.html", {"form": form, "invitation": invitation})
        person = invitations.redeem(secret, form.cleaned_data["password"], address_of(request))
    except Refused as refusal:
        record_refusal(refusal, actor_for(request, name="anonymous", source="setup"), "person.join", "portal")
        return render(request, "accounts/join_closed.html", {"refusal": refusal}, status=status_of(refusal))
    return first_step_done(request, person, "link", "/")
