"""First-boot profiles: a list, each to be seen and changed, with what it would write shown beside it."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from flashing.forms import SECRETS, ProfileForm
from flashing.models import Profile
from flashing.services import profiles
from hardware.flash.firstboot.errors import FirstBootRefused
from hardware.flash.firstboot.forms import Kind
from hardware.flash.firstboot.values import SlotContext, zones
from operations import roles
from operations.http import ActorRequest, begin_act
from operations.refusals import Refused
from operations.roles import may
from slots.views import leave_for, panel_of, viewer

EXAMPLE = SlotContext("lab", 3, "kestrel", "CM5", "100000003d1d1c36")
KINDS = (Kind.CLOUD_INIT_PI, Kind.CLOUD_INIT, Kind.CUSTOM_TOML, Kind.USERCONF)


@require_GET
@viewer
def profiles_page(request: ActorRequest) -> HttpResponse:
    """All profiles by name."""
    roles.require(request.actor, "profile.view", "portal")
    context = {"profiles": profiles.usable(), "may_edit": may(request.actor, "profile.edit", "portal")}
    return render(request, "flashing/profiles.html", context)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "POST"])
@viewer
def new_profile(request: ActorRequest) -> HttpResponse:
    """An empty profile, then kept."""
    return save(request, None) if request.method == "POST" else show(request, None)


@sensitive_post_parameters(*SECRETS)
@require_http_methods(["GET", "POST"])
@viewer
def profile_page(request: ActorRequest, profile_id: int) -> HttpResponse:
    """What a profile says and would write; whoever may can change it."""
    profile = profiles.find(profile_id)
    return save(request, profile) if request.method == "POST" else show(request, profile)


def show(
    request: ActorRequest, profile: Profile | None, form: ProfileForm | None = None, status: int = 200
) -> HttpResponse:
    """The page of a profile, or of one that is to be; `form` is what was refused."""
    roles.require(request.actor, "profile.view", "portal")
    may_edit = may(request.actor, "profile.edit", "portal")
    context: dict[str, Any] = {
        "profile": profile,
        "form": form or ProfileForm(profile=profile, locked=not may_edit),
        "may_edit": may_edit,
        "zones": zones(),
        **(preview(profile, request.GET.get("as", "")) if profile else {}),
    }
    return render(request, "flashing/profile.html", context, status=status)


def preview(profile: Profile, chosen: str) -> dict[str, Any]:
    """What the page shows of the files for one kind of system, secrets masked, or why there are none."""
    kind = Kind(chosen) if chosen in KINDS else KINDS[0]
    shown: dict[str, Any] = {"kinds": KINDS, "kind": kind, "example": EXAMPLE, "files": [], "why_none": ""}
    try:
        shown["files"] = profiles.preview(profile, kind, EXAMPLE)
    except (Refused, FirstBootRefused) as error:
        shown["why_none"] = str(error)
    return shown


def save(request: ActorRequest, profile: Profile | None) -> HttpResponse:
    """Keep what was typed. If it cannot be, the page in the browser keeps it, since no answer repeats a secret."""
    action, target = ("profile.edit", f"profile:{profile.name}"[:100]) if profile else ("profile.create", "portal")
    actor = begin_act(request, action, target)
    roles.require(actor, "profile.edit", "portal")
    form = ProfileForm(request.POST, profile=profile)
    if not form.is_valid():
        if panel_of(request):
            return render(request, "flashing/_profile_refused.html", {"form": form}, status=400)
        return show(request, profile, form, status=400)
    wish = form.wish()
    kept = profiles.edit(profile, wish, actor) if profile else profiles.create(wish, actor)
    messages.success(request, f"The profile {kept.name} is kept.")
    return leave_for(request, reverse("flashing:profile", args=[kept.pk]))


@require_http_methods(["GET", "POST"])
@viewer
def delete_profile(request: ActorRequest, profile_id: int) -> HttpResponse:
    """Delete a profile for good: asked for, then done."""
    profile = profiles.find(profile_id)
    if request.method == "GET":
        return render(request, "flashing/_profile_delete.html", {"profile": profile})
    actor = begin_act(request, "profile.delete", f"profile:{profile.name}"[:100])
    name = profile.name
    profiles.delete(profile, actor)
    messages.success(request, f"The profile {name} is deleted.")
    return leave_for(request, reverse("flashing:profiles"))
