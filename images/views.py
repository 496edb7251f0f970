"""Pages of the image library. Each view parses, asks one service, and renders."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Max, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from images.forms import ImageForm, ImportForm
from images.models import FirmwareImage, Upload
from images.services import importing, library, space, uploads
from operations import refusals, roles
from operations.http import ActorRequest, begin_act
from operations.roles import may
from slots.models import SomType

IMAGES_PER_PAGE = 25
FILTERS = ("q", "som_type", "state")


def viewer(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for signed-in people who may see the library; a page and its panels have one address."""

    @wraps(view)
    def checked(request: ActorRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        roles.require(request.actor, "image.view", "portal")
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response

    return login_required(checked)


@require_GET
@viewer
def library_page(request: ActorRequest) -> HttpResponse:
    """Uploads and images, filtered by name or hash, SOM type and state; or the list alone for refreshing."""
    asked = {name: request.GET.get(name, "").strip() for name in FILTERS}
    found = with_use(library.search(asked["q"], asked["som_type"], asked["state"]))
    page = Paginator(found, IMAGES_PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "images": [(image, library.problem(image)) for image in page.object_list],
        "query": urlencode({name: value for name, value in asked.items() if value}),
        "may_upload": may(request.actor, "image.upload", "portal"),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "images/_library.html", context)
    context |= {**uploads_context(request), **room_context(), "asked": asked, "types": SomType.objects.all()}
    return render(request, "images/library.html", context)


def with_use(images: QuerySet[FirmwareImage]) -> QuerySet[Any]:
    """Each with how many slots it was flashed on (`used`) and when last (`used_at`): rows that a floor above hangs on
    images."""
    used = images.annotate(used=Count("runs__jobs", distinct=True), used_at=Max("runs__created_at"))
    return used.order_by("-added_at")  # rows that are counted over lose the order that they had


def room_context() -> dict[str, Any]:
    return {"count": FirmwareImage.objects.count(), "space": space.measure()}


@require_GET
@viewer
def room(request: ActorRequest) -> HttpResponse:
    """How much the library has and takes, for refreshing."""
    return render(request, "images/_room.html", room_context())


def uploads_context(request: ActorRequest) -> dict[str, Any]:
    actor = request.actor
    return {
        "uploads": [(upload, upload.is_of(actor.name, actor.user_id)) for upload in Upload.objects.all()],
        "may_upload": may(actor, "image.upload", "portal"),
        "may_delete": may(actor, "image.delete", "portal"),
    }


@require_GET
@viewer
def uploads_panel(request: ActorRequest) -> HttpResponse:
    """What is on its way, for refreshing."""
    return render(request, "images/_uploads.html", uploads_context(request))


@require_POST
@viewer
def cancel_upload(request: ActorRequest, upload_id: UUID) -> HttpResponse:
    """Give an upload up, or put away the word of a refused one."""
    uploads.cancel(upload_id, begin_act(request, "image.cancel", "portal"))
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "images/_uploads.html", uploads_context(request))
    return redirect("images:library")


@viewer
@require_http_methods(["GET", "POST"])
def import_file(request: ActorRequest) -> HttpResponse:
    """Which file of the server: asked for, then begun."""
    if request.method == "GET":
        context = {"candidates": importing.candidates(), "directory": importing.directory()}
        return render(request, "images/_import.html", context)
    actor = begin_act(request, "image.import", "portal")
    roles.require(actor, "image.upload", "portal")
    form = ImportForm(request.POST)
    if not form.is_valid():
        raise refusals.BadRequest("Choose a file.")
    importing.begin(form.cleaned_data["path"], form.cleaned_data["sha256"], actor)
    return render(request, "images/_uploads.html", uploads_context(request))


@viewer
@require_http_methods(["GET", "POST"])
def image_page(request: ActorRequest, image_id: UUID) -> HttpResponse:
    """What is in an image; what people say about it may be changed."""
    image = library.find(image_id)
    may_edit = may(request.actor, "image.edit", "portal")
    if request.method == "POST":
        roles.require(begin_act(request, "image.edit", image.resource), "image.edit", "portal")
    form = ImageForm(request.POST or None, instance=library.find(image_id), locked=not may_edit)
    if request.method == "POST" and form.is_valid():
        library.describe(image, request.actor, **form.cleaned_data)
        messages.success(request, f"What is said of {image.name} is kept.")
        return redirect("images:image", image_id=image_id)
    context = {
        "image": image,
        "form": form,
        "problem": library.problem(image),
        "may_edit": may_edit,
        "may_delete": may(request.actor, "image.delete", "portal"),
    }
    return render(request, "images/image.html", context, status=400 if form.errors else 200)


@require_POST
@viewer
def retire(request: ActorRequest, image_id: UUID) -> HttpResponse:
    image = library.find(image_id)
    library.retire(image, begin_act(request, "image.retire", image.resource))
    messages.success(request, f"{image.name} is retired.")
    return leave_for(request, reverse("images:image", args=[image_id]))


@require_POST
@viewer
def bring_back(request: ActorRequest, image_id: UUID) -> HttpResponse:
    image = library.find(image_id)
    library.bring_back(image, begin_act(request, "image.bring-back", image.resource))
    messages.success(request, f"{image.name} is offered again.")
    return leave_for(request, reverse("images:image", args=[image_id]))


@viewer
@require_http_methods(["GET", "POST"])
def delete(request: ActorRequest, image_id: UUID) -> HttpResponse:
    """Delete an image for good: asked for, then done."""
    image = library.find(image_id)
    if request.method == "GET":
        return render(request, "images/_delete.html", {"image": image})
    library.delete(image, begin_act(request, "image.delete", image.resource))
    messages.success(request, f"{image.name} is deleted.")
    return leave_for(request, reverse("images:library"))


def leave_for(request: ActorRequest, url: str) -> HttpResponse:
    """Send the whole page elsewhere, also when only a panel of it asked."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return HttpResponseClientRedirect(url) if htmx else HttpResponseRedirect(url)
