"""Groups, and giving and taking rights: to people and to groups."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import GrantForm, GroupForm
from accounts.models import RightGrant
from accounts.services import groups, rights
from accounts.views.people import administrator_asks, grave_if, person_by
from operations.http import ActorRequest, note_refusal
from operations.refusals import BadRequest, NotFound, Refused


def group_by(pk: int) -> Group:
    """Raises NotFound."""
    found = Group.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such group.", code="no-such-group")
    return found


def page_of(holder: rights.Holder) -> HttpResponse:
    """Back to whom it was about."""
    return redirect("accounts:group" if isinstance(holder, Group) else "accounts:person", pk=holder.pk)


def give_to(request: ActorRequest, holder: rights.Holder) -> HttpResponse:
    """Give what the form says. Raises BadRequest with its first complaint."""
    form = GrantForm(request.POST)
    if not form.is_valid():
        name, errors = next(iter(form.errors.items()))
        raise BadRequest(f"{name}: {errors[0]}")
    given = form.cleaned_data
    grave_if(request, given["role"])
    row = rights.give(
        request.actor, holder, given["role"], given["scope"], until=given["until"], console=given["console"]
    )
    messages.success(request, f"{rights.name_of(holder)} is {rights.words(row)} now.")
    return page_of(holder)


@login_required
@require_POST
def give_person(request: ActorRequest, pk: int) -> HttpResponse:
    """A right for somebody."""
    administrator_asks(request, pk)
    return give_to(request, person_by(pk))


@login_required
@require_POST
def give_group(request: ActorRequest, pk: int) -> HttpResponse:
    """A right for all in a group."""
    administrator_asks(request)
    return give_to(request, group_by(pk))


@login_required
@require_POST
def take(request: ActorRequest, pk: int) -> HttpResponse:
    """Take a right away."""
    actor = administrator_asks(request)
    row = RightGrant.objects.select_related("user", "group").filter(pk=pk).first()
    if row is None:
        raise NotFound("This right was taken away already.", code="unknown-right")
    grave_if(request, row.role)
    holder = rights.holder_of(row)
    rights.take(actor, row)
    messages.success(request, f"{rights.name_of(holder)} is no longer {rights.words(row)}.")
    return page_of(holder)


# ---- Groups ------------------------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def all_groups(request: ActorRequest) -> HttpResponse:
    """The groups there are, and a form for another one."""
    actor = administrator_asks(request)
    form = GroupForm(request.POST or None)
    if form.is_valid():
        try:
            return redirect("accounts:group", pk=groups.add(actor, form.cleaned_data["name"]).pk)
        except Refused as refusal:
            note_refusal(request, refusal)
            form.add_error("name", refusal.message)
    rows = Group.objects.order_by("name").prefetch_related("user_set", "grants")
    shown = [(group, [grant.words for grant in rights.of_group(group) if grant.runs]) for group in rows]
    return render(request, "accounts/groups.html", {"groups": shown, "form": form}, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "POST"])
def group(request: ActorRequest, pk: int) -> HttpResponse:
    """One group: its name, its members, its rights."""
    actor = administrator_asks(request)
    row = group_by(pk)
    form = GroupForm(request.POST or None, initial={"name": row.name, "members": row.user_set.all()})
    if form.is_valid():
        if row.grants.filter(role="administrator").exists():
            grave_if(request, "administrator")
        try:
            groups.rename(actor, row, form.cleaned_data["name"])
            groups.set_members(actor, row, list(form.cleaned_data["members"]))
        except Refused as refusal:
            note_refusal(request, refusal)
            form.add_error(None, refusal.message)
        else:
            messages.success(request, f"The group {row.name} is kept.")
            return redirect("accounts:group", pk=pk)
    context = {"group": row, "form": form, "grants": rights.of_group(row), "grant_form": GrantForm()}
    return render(request, "accounts/group.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def remove_group(request: ActorRequest, pk: int) -> HttpResponse:
    """Take a group away with the rights that it gave."""
    actor = administrator_asks(request)
    row = group_by(pk)
    if row.grants.filter(role="administrator").exists():
        grave_if(request, "administrator")
    groups.remove(actor, row)
    messages.success(request, f"The group {row.name} is gone, and the rights that it gave.")
    return redirect("accounts:groups")
