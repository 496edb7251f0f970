"""API tokens, one's own and everybody's, and the machines that have nothing else."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import TokenForm
from accounts.models import ApiToken, Kind, User
from accounts.recent import is_recent, require_recent
from accounts.services import tokens
from accounts.services.people import target_of
from accounts.views.account import PersonRequest
from accounts.views.people import administrator_asks, person_by
from operations.http import ActorRequest, begin_act, note_refusal
from operations.refusals import BadRequest, NotFound


@login_required
@require_http_methods(["GET", "POST"])
def own(request: PersonRequest) -> HttpResponse:
    """One's own tokens, and a form for another one; the new one is shown once."""
    return page_for(request, request.user, "accounts/tokens.html")


@login_required
@require_http_methods(["GET", "POST"])
def of_machine(request: PersonRequest, pk: int) -> HttpResponse:
    """A machine's tokens, and a form for another one."""
    administrator_asks(request, pk)
    machine = person_by(pk)
    if machine.kind != Kind.MACHINE:
        raise NotFound("There is no such machine.", code="no-such-machine")
    return page_for(request, machine, "accounts/machine_tokens.html")


def page_for(request: PersonRequest, owner: User, template: str) -> HttpResponse:
    """The list and the form; after the form the new token, once."""
    actor = begin_act(request, "token.create", target_of(owner))
    form = TokenForm(request.POST or None, actor=actor)
    if request.method == "POST":
        require_recent(request)
    page = {"form": form, "tokens": owner.tokens.all(), "owner": owner, "now": timezone.now()}
    page["is_recent"] = is_recent(request)
    if not form.is_valid():
        return render(request, template, page)
    try:
        row, text = tokens.make(actor, owner, form.wish())
    except BadRequest as refusal:  # beside what they wrote, which stays
        note_refusal(request, refusal)
        form.add_error(None, refusal.message)
        return render(request, template, page, status=400)
    return render(request, "accounts/token_made.html", {"token": row, "text": text, "owner": owner})


@login_required
@require_http_methods(["GET", "POST"])
def everybodys(request: ActorRequest) -> HttpResponse:
    """All tokens with their last use, and the machines, for whoever looks after people."""
    actor = administrator_asks(request)
    if request.method == "POST":
        machine = tokens.add_machine(begin_act(request, "machine.add", "portal"), request.POST.get("name", ""))
        messages.success(request, f"{machine.username} is added; give it rights, then make its token.")
        return redirect("accounts:person", pk=machine.pk)
    rows = ApiToken.objects.select_related("user")
    page = {"tokens": rows, "machines": User.objects.filter(kind=Kind.MACHINE), "now": timezone.now(), "actor": actor}
    return render(request, "accounts/all_tokens.html", page)


@login_required
@require_POST
def revoke(request: PersonRequest, prefix: str) -> HttpResponse:
    """End a token; back to where it was listed."""
    actor = begin_act(request, "token.revoke", f"person:{request.user.username}")
    row = tokens.own(actor, prefix)
    tokens.revoke(actor, row)
    messages.success(request, f"The token {row.prefix} {row.name} is revoked; what it had open closes within 3 s.")
    return redirect("accounts:tokens" if row.user_id == request.user.pk else "accounts:all-tokens")
