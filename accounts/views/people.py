"""People: everybody, and one of them."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import AddPersonForm, NewPasswordForm
from accounts.models import Role, User
from accounts.services import people as services
from operations.http import ActorRequest, begin_act
from operations.refusals import NotFound
from operations.roles import Actor, require


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
