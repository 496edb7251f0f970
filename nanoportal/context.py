"""What every page's frame needs: the boards to switch between and the slots of the current one."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.services import notices
from operations import verifying
from operations.http import ActorRequest
from operations.roles import Actor, may
from operations.verifying import Check
from slots.models import Board
from slots.services import overview, sight

SWITCHER = 8


@dataclass(frozen=True)
class NavSlot:
    """A slot in the side navigation."""

    number: int
    name: str
    url: str
    state: str
    word: str


@dataclass(frozen=True)
class NavBoard:
    """A board in the switcher; the current one also with its slots."""

    slug: str
    name: str
    url: str
    simulated: bool
    words: str = ""
    slots: list[NavSlot] = field(default_factory=list)


@dataclass(frozen=True)
class Nav:
    """The frame's data: see `nanoportal.presentation`."""

    board: NavBoard | None
    boards: list[NavBoard]
    board_count: int
    refresh_url: str
    sees_switch: bool = False
    edits_people: bool = False
    listens: bool = True  # to hints of what changed; somebody without any right is told nothing


def navigation(request: ActorRequest) -> dict[str, Any]:
    """Context processor; a page that draws no frame pays nothing."""
    return {"nav": SimpleLazyObject(lambda: build(request))}


def tampered(request: ActorRequest) -> dict[str, Any]:
    """Context processor: what was last found wrong with the audit log, for whoever may verify it."""
    return {"tampered": SimpleLazyObject(lambda: _tampered(request.actor))}


def _tampered(actor: Actor) -> Check | None:
    check = verifying.last_check() if may(actor, "audit.verify", "portal") else None
    return check if check is not None and check.broken_at is not None else None


def untold(request: ActorRequest) -> dict[str, Any]:
    """Context processor: what this person has to be told; one query on a page that draws the frame."""
    return {"notices": notices.unseen(request.actor.user_id)[: notices.SHOWN]}


def _before_the_door() -> NavBoard | None:
    """The board that a stranger signs in to, nameless if there are several; simulated if they all are. Two queries."""
    present = Board.objects.filter(present=True)
    some = list(present[:2])
    name = some[0].name if len(some) == 1 else ""
    return NavBoard("", name, "/", not present.filter(simulated=False).exists()) if some else None


def build(request: ActorRequest) -> Nav:
    """Four queries at most, however many boards there are. The page's board comes from its address, else from the
    session, else it is the first."""
    if not request.user.is_authenticated:
        return Nav(_before_the_door(), [], 0, "")
    edits_people = bool(may(request.actor, "people.edit", "portal"))
    listens = bool(may(request.actor, "view", "portal"))
    seen = sight.boards(request.actor)
    first = seen.first()
    match = request.resolver_match
    slug = (match.kwargs.get("board") if match else None) or request.session.get("board")
    current = seen.filter(slug=slug).first() if slug else None
    current = current or first
    if current is None:
        return Nav(None, [], 0, "", edits_people=edits_people, listens=listens)
    if match and match.kwargs.get("board") == current.slug and request.session.get("board") != current.slug:
        request.session["board"] = current.slug
    others = seen.exclude(pk=current.pk)[: SWITCHER - 1]
    boards = [_board(current, request.actor, with_slots=True), *(_board(board, request.actor) for board in others)]
    count = seen.count()
    refresh_url = reverse("slots:nav", kwargs={"board": current.slug})
    sees_switch = bool(may(request.actor, "switch.view", f"{current.slug}/switch"))
    return Nav(boards[0], boards, count, refresh_url, sees_switch, edits_people, listens)


def _board(board: Board, actor: Actor, *, with_slots: bool = False) -> NavBoard:
    url = reverse("slots:board", kwargs={"board": board.slug})
    if not with_slots:
        return NavBoard(board.slug, board.name, url, board.simulated)
    row = overview.fleet([board], actor)[0]
    names = dict(board.slots.values_list("number", "som__name"))
    slots = [
        NavSlot(
            number,
            names.get(number) or ("Empty" if look == "empty" else f"slot {number}"),
            reverse("slots:slot", kwargs={"board": board.slug, "number": number}),
            look,
            word,
        )
        for number, look, word in row.states
    ]
    return NavBoard(board.slug, board.name, url, board.simulated, f"{row.on} of {row.soms} SOMs on", slots)
