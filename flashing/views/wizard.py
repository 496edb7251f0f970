"""The wizard: slots, image, method, first boot, review. Each step is a page of its own whose address holds what was
chosen before it; only the review asks for something to be done."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from flashing.models import Method, Profile
from flashing.services import profiles, requests
from flashing.services.requests import Ask, MethodOffer, TargetAsk
from flashing.views import shown, stepper
from flashing.views.choices import WITHOUT, Choices, read
from hardware.flash.firstboot.values import SlotContext
from images.models import FirmwareImage
from images.services import library
from images.views import leave_for
from operations import refusals
from operations.http import ActorRequest, begin_act
from operations.refusals import Refused
from operations.roles import may, may_somewhere, require_sight
from slots.models import Board, Slot
from slots.services import overview, power
from slots.views import viewer

StepView = Callable[[ActorRequest, Board, Choices], HttpResponse]


def step(name: str) -> Callable[[StepView], Callable[..., HttpResponse]]:
    """A page of the wizard. A step before which something is not chosen leads to that first."""

    def decorate(view: StepView) -> Callable[..., HttpResponse]:
        @viewer
        @wraps(view)
        def checked(request: ActorRequest, board: str) -> HttpResponse:
            row, choices = overview.find_board(board), read(request.GET)
            for number in choices.slots:
                require_sight(request.actor, f"{board}/slot:{number}")
            missing = choices.missing
            if missing and stepper.ASKED.index(missing) < stepper.ASKED.index(name):
                return HttpResponseRedirect(f"{reverse(f'flashing:{missing}', args=[board])}?{choices.query}")
            return view(request, row, choices)

        return checked

    return decorate


def page(request: ActorRequest, name: str, board: Board, choices: Choices, **more: Any) -> HttpResponse:
    """A step as a page: its own part inside the frame that all of them share."""
    image = FirmwareImage.objects.filter(pk=choices.image).first() if choices.image else None
    profile = Profile.objects.filter(pk=choices.profile_id).first() if choices.profile_id else None
    names = {"image": image.name if image else "", "profile": profile.name if profile else ""}
    context = {
        "board": board,
        "choices": choices,
        "title": f"Flash {stepper.slots_in_words(choices.slots)}" if choices.slots else "Flash slots",
        "steps": stepper.of_wizard(name, board.slug, choices, **names),
        "may_flash": may_somewhere(request.actor, "flash", board.slug),
        "image": image,
        "profile": profile,
    }
    return render(request, f"flashing/{name.replace('-', '_')}.html", context | more)


def chosen_slots(board: Board, choices: Choices) -> list[Slot]:
    return [slot for slot in overview.slot_rows().filter(board=board) if slot.number in choices.slots]


@require_GET
@step("slots")
def slots_page(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """Which slots; of those that cannot be chosen, why."""
    rows = []
    for view in overview.board_view(board, request.actor).slots:
        ways = [] if view.empty else ways_of(view.slot)
        rows.append((view, [way for way in ways if way.offer.available], why_not(ways)))
    return page(request, "slots", board, choices, rows=rows, carried=choices.without("slot"))


@dataclass(frozen=True)
class Way:
    """A method as it is offered, with its name."""

    label: str
    offer: MethodOffer

    @property
    def place(self) -> str:
        return shown.place_of(self.offer.address)


def ways_of(slot: Slot) -> list[Way]:
    labels = {str(value): str(label) for value, label in Method.choices}
    return [Way(labels.get(offer.method, offer.method.upper()), offer) for offer in requests.offers(slot)]


def why_not(ways: list[Way]) -> list[str]:
    """Why a slot cannot be flashed in this way or that, or that no SOM is recorded."""
    if not ways:
        return ["No SOM is recorded in it."]
    return [f"{way.label}: {way.offer.words}" for way in ways if not way.offer.available]


@require_GET
@step("image")
def image_page(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """Which image: those that fit all chosen slots, and why the others do not."""
    found = requests.images_for(chosen_slots(board, choices))
    fitting = [offer.image for offer in found if offer.fits]
    others = [offer for offer in found if not offer.fits]
    carried = choices.without("image")
    return page(request, "image", board, choices, fitting=fitting, others=others, carried=carried)


@require_GET
@step("method")
def method_page(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """How each slot's storage is reached. The first way that there is, is chosen beforehand."""
    rows = []
    for slot in chosen_slots(board, choices):
        ways = ways_of(slot)
        ready = (way.offer for way in ways if way.offer.available and way.offer.method != Method.NETWORK)
        first = next(ready, None)
        aim = choices.aims.get(slot.number)
        value = aim.value if aim else f"{first.method}/{first.media[0]}" if first else ""
        host = aim.host if aim else ""
        rows.append({"slot": slot, "ways": ways, "value": value, "host": host})
    carried = choices.without("to", "host")
    return page(request, "method", board, choices, rows=rows, carried=carried, network=Method.NETWORK.value)


@require_GET
@step("first-boot")
def first_boot_page(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """What the new system finds at its first boot."""
    image = library.find(choices.image) if choices.image else None
    contexts = [profiles.context_of(slot) for slot in chosen_slots(board, choices)]
    rows = [first_boot_row(profile, image, contexts) for profile in profiles.usable()] if image else []
    return page(request, "first-boot", board, choices, rows=rows, carried=choices.without("profile"), without=WITHOUT)


def first_boot_row(profile: Profile, image: FirmwareImage, contexts: list[SlotContext]) -> dict[str, Any]:
    """A profile as it can be chosen: why not, or what each slot would be called."""
    why = profiles.why_not(profile, image, contexts)
    names = {} if why else profiles.hostnames(profile, contexts)
    return {"profile": profile, "why": why, "names": [(number, name) for number, name in names.items() if name]}


@require_http_methods(["GET", "POST"])
@step("review")
def review_page(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """What would happen, slot by slot; and the request itself, with each slot's name typed."""
    if request.method == "POST":
        return request_flash(request, board, choices)
    review, jobs, refusal = None, [], None
    try:
        review = requests.review(board, ask_of(choices))
        jobs = [(job, shown.place_of(job.address)) for job in review.jobs]
    except Refused as error:
        refusal = error
    more = {"may_skip": may(request.actor, "flash.unverified", board.slug), "request_key": uuid.uuid4().hex}
    return page(request, "review", board, choices, review=review, jobs=jobs, refusal=refusal, **more)


def ask_of(choices: Choices, **said: Any) -> Ask:
    """The choices as a request; `said` is what only the review asks: typed names, reasons."""
    if choices.image is None:
        raise refusals.BadRequest("Choose an image first.")
    targets = tuple(
        TargetAsk(number, choices.aims[number].method, choices.aims[number].medium, choices.aims[number].address)
        for number in choices.slots
    )
    fields = {"unverified_reason": "", "reason": "", "typed": {}, **said}
    return Ask(image_id=choices.image, targets=targets, profile_id=choices.profile_id, **fields)


def request_flash(request: ActorRequest, board: Board, choices: Choices) -> HttpResponse:
    """Ask for what was reviewed, and go to where it is watched."""
    actor = begin_act(request, "flash.request", board.slug)
    said = request.POST
    unverified = power.clean_reason(said.get("unverified_reason", "")) if said.get("unverified") else ""
    if said.get("unverified") and not unverified:
        raise refusals.BadRequest("Say why it is not read back.", code="reason-needed")
    ask = ask_of(
        choices,
        typed={number: said.get(f"typed-{number}", "").strip() for number in choices.slots},
        reason=power.clean_reason(said.get("reason", "")),
        unverified_reason=unverified,
    )
    run = requests.request_flash(board, ask, actor, key=said.get("key", "")[:200])
    return leave_for(request, reverse("flashing:run", args=[board.slug, run.pk]))
