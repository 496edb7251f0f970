"""People: everybody with what they may do, and one of them."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import places
from accounts.forms import AddPersonForm, GrantForm, InviteForm, NewPasswordForm, WhyForm
from accounts.models import Role, User
from accounts.recent import is_recent, require_recent
from accounts.services import invitations, rights
from accounts.services import people as services
from operations.http import ActorRequest, begin_act
from operations.refusals import NotFound
from operations.rights import Grant
from operations.roles import Actor, Decision, require

PEOPLE_PER_PAGE = 50
NO_ROLE = ("", "None: only the rights of this page")


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


def grave_if(request: ActorRequest, *roles: str) -> None:
    """Ask again who it is where somebody becomes, or ceases to be, administrator."""
    if Role.ADMINISTRATOR in roles:
        require_recent(request)


# ---- Everybody ---------------------------------------------------------------------------------------------------


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def people(request: ActorRequest) -> HttpResponse:
    """What everybody may do on each slot of a board. A POST adds somebody with a password."""
    actor = administrator_asks(request)
    if request.method == "POST":
        return add(request, actor)
    boards = places.boards()
    wanted = request.GET.get("board") or request.session.get("board")
    board = next((one for one in boards if one.slug == wanted), boards[0] if boards else None)
    everybody = User.objects.prefetch_related("grants", "groups__grants").select_related("invitation")
    page = Paginator(everybody, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    asked = WhyForm(request.GET if "who" in request.GET else None, initial={"where": board.slug if board else ""})
    context = {
        "boards": boards,
        "board_shown": board,
        "page": page,
        "rows": rights.matrix(page.object_list, board or places.Board("", "", ())),
        "letters": rights.LETTERS,
        "query": f"board={board.slug}" if board else "",
        "why": asked,
        "answer": answer_to(asked) if asked.is_valid() else None,
    }
    return render(request, "accounts/people.html", context)


def answer_to(asked: WhyForm) -> Decision:
    """What every door would answer that person now."""
    question = asked.cleaned_data
    return rights.explain(question["who"], question["act"], question["where"])


def add(request: ActorRequest, actor: Actor) -> HttpResponse:
    """Add somebody whose password an administrator chooses."""
    form = AddPersonForm(request.POST)
    if not form.is_valid():
        return new_person(request, form, InviteForm(prefix="invite"))
    given = form.cleaned_data
    grave_if(request, given["role"])
    services.add_person(actor, given["name"], given["role"], given["password"])
    messages.success(request, f"{given['name']} is added, as {given['role']}.")
    return redirect("accounts:people")


@login_required
@require_http_methods(["GET", "POST"])
def invite(request: ActorRequest) -> HttpResponse:
    """Invite somebody by a link, or add them with a password; the link is shown once."""
    actor = administrator_asks(request)
    form = InviteForm(request.POST or None, prefix="invite", initial={"role": Role.VIEWER})
    if not form.is_valid():
        adding = AddPersonForm(initial={"role": Role.VIEWER})
        return new_person(request, adding, form)
    given = form.cleaned_data
    require_recent(request)
    grant = Grant(given["role"], given["scope"], given["until"])
    somebody, secret = invitations.invite(actor, given["name"], "", [grant])
    return show_link(request, somebody, secret)


def new_person(request: ActorRequest, form: AddPersonForm, invite: InviteForm) -> HttpResponse:
    """Both ways to add somebody, side by side."""
    context = {"form": form, "invite": invite, "is_recent": is_recent(request)}
    return render(request, "accounts/new_person.html", context)


def show_link(request: ActorRequest, person: User, secret: str) -> HttpResponse:
    """The only time that a link is shown."""
    address = request.build_absolute_uri(reverse("accounts:join", args=[secret]))
    until = timezone.now() + invitations.LIFE
    return render(request, "accounts/link.html", {"person": person, "address": address, "until": until})


# ---- One of them -------------------------------------------------------------------------------------------------


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def person(request: ActorRequest, pk: int) -> HttpResponse:
    """One person: rights, role, access, and a new password for who lost theirs."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    form = NewPasswordForm(request.POST or None, person=somebody)
    if not form.is_valid():
        return render(
            request, "accounts/person.html", context_of(somebody) | {"form": form, "is_recent": is_recent(request)}
        )
    require_recent(request)
    services.set_password(actor, somebody, form.cleaned_data["password"])
    if somebody == request.user:
        update_session_auth_hash(request, somebody)
    messages.success(request, f"{somebody.username} has a new password; their sessions have ended.")
    return redirect("accounts:person", pk=pk)


def context_of(somebody: User) -> dict[str, object]:
    """What the page of one person shows."""
    return {
        "person": somebody,
        "roles": [NO_ROLE, *Role.choices],
        "grants": rights.of_person(somebody),
        "grant_form": GrantForm(),
        "groups": somebody.groups.order_by("name"),
        "is_invited": not somebody.has_usable_password(),
        "is_last": list(services.administrators()[:2]) == [somebody],
    }


@login_required
@require_POST
def change_role(request: ActorRequest, pk: int) -> HttpResponse:
    """Give somebody another role everywhere."""
    actor = administrator_asks(request, pk)
    somebody, role = person_by(pk), request.POST.get("role", "")
    grave_if(request, role, somebody.role)
    services.change_role(actor, somebody, role)
    messages.success(request, f"{somebody.username} is {role or 'nothing everywhere'} now.")
    return redirect("/") if somebody == request.user else redirect("accounts:person", pk=pk)


@login_required
@require_POST
def change_access(request: ActorRequest, pk: int) -> HttpResponse:
    """Switch somebody off or on."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    if rights.is_administrator(somebody):
        require_recent(request)
    if request.POST.get("access") == "on":
        services.switch_on(actor, somebody)
        messages.success(request, f"{somebody.username} may sign in again.")
    else:
        services.switch_off(actor, somebody)
        messages.success(request, f"{somebody.username} may not sign in any more; their history stays.")
    return redirect("accounts:people")


@login_required
@require_POST
def remove(request: ActorRequest, pk: int) -> HttpResponse:
    """Delete an account; the name has to be typed."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    require_recent(request)
    if request.POST.get("typed", "").strip() != somebody.username:
        messages.error(request, f"Nothing was removed: type {somebody.username} to remove that account.")
        return redirect("accounts:person", pk=pk)
    services.remove(actor, somebody)
    messages.success(request, f"The account {somebody.username} is removed; its history stays.")
    return redirect("accounts:people")


@login_required
@require_POST
def make_link(request: ActorRequest, pk: int) -> HttpResponse:
    """A new link by which somebody chooses a password."""
    actor = administrator_asks(request, pk)
    somebody = person_by(pk)
    require_recent(request)
    return show_link(request, somebody, invitations.renew(actor, somebody))


@login_required
@require_GET
def my_rights(request: ActorRequest) -> HttpResponse:
    """What one may do oneself, slot by slot, and what gives it."""
    me = User.objects.prefetch_related("grants", "groups__grants").get(username=request.actor.name)
    seen = [(board, rights.matrix([me], board)[0]) for board in places.boards()]
    context = {
        "boards": [
            (board, row) for board, row in seen if any(allowed for cell in row.cells for _, allowed in cell.letters)
        ],
        "grants": rights.of_person(me),
        "letters": rights.LETTERS,
    }
    return render(request, "accounts/my_rights.html", context)
