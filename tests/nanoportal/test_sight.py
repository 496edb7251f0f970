"""Whoever has a right on one slot finds that slot, its board, and nothing else: at every address that names one."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.models import RightGrant, User
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Board, SomType
from slots.services import catalogue

THEIRS, OTHER = 3, 4
PANEL = {"HX-Request": "true"}  # answered without the page's frame, which would be drawn 300 times


@pytest.fixture
def demo(db, settings, tmp_path) -> Board:
    settings.BOARDS_DIR = tmp_path / "boards"
    settings.BOARDS_DIR.mkdir()
    for slug in ("demo", "lab"):
        lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
        (settings.BOARDS_DIR / f"{slug}.toml").write_text("\n".join(lines))
    board = catalogue.sync_boards()[0]
    for number in (THEIRS, OTHER):
        slot = board.slots.get(number=number)
        slot.uart = True
        slot.save()
    assert SomType.objects.exists()
    return board


@pytest.fixture
def carol(demo) -> Client:
    """Signed in; flasher of one slot of one board."""
    person = User.objects.create_user("carol", role="")
    RightGrant.objects.create(
        user=person, role="flasher", scope=f"demo/slot:{THEIRS}", given_by="alice", given_at=timezone.now()
    )
    browser = Client(raise_request_exception=False)
    browser.force_login(person)
    return browser


def routes(resolver, before: str = "") -> list[tuple[str, URLPattern]]:
    found = []
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        found += routes(entry, route) if hasattr(entry, "url_patterns") else [(route, entry)]
    return found


def addresses(board: str, number: int) -> list[str]:
    """Every address of the project that names a board, with that board and slot in it."""
    values = {"board": board, "number": str(number), "key": "x", "vid": "20", "rule": "1"}
    found = []
    for route, _ in routes(get_resolver()):
        if "board>" not in route:
            continue
        path = route
        while "<" in path:
            head, _, rest = path.partition("<")
            name, _, tail = rest.partition(">")
            path = head + values.get(name.rpartition(":")[2], str(uuid.uuid4())) + tail
        found.append("/" + path)
    return found


def test_a_board_without_a_right_is_at_no_address(carol):
    paths = addresses("lab", THEIRS)
    assert len(paths) > 60, "the walk finds the project's addresses"
    answers = {
        (method, path): getattr(carol, method)(path, headers=PANEL).status_code
        for path in paths
        for method in ("get", "post")
    }
    assert {asked: status for asked, status in answers.items() if status != 404} == {}


def test_a_slot_without_a_right_is_at_no_address_and_ones_own_is(carol):
    paths = [path for path in addresses("demo", OTHER) if f"/slots/{OTHER}" in path]
    assert len(paths) > 15
    for path in paths:
        for method in ("get", "post", "delete"):
            nothing = 405 if method == "delete" and not path.startswith("/api/") else 404  # pages take no DELETE at all
            assert getattr(carol, method)(path, headers=PANEL).status_code == nothing, (method, path)
    mine = [carol.get(path.replace(f"/slots/{OTHER}", f"/slots/{THEIRS}")).status_code for path in paths]
    assert mine.count(200) >= 5
    assert 500 not in mine


def test_what_is_not_there_for_somebody_is_told_in_the_words_for_what_does_not_exist(carol):
    there, nowhere = (carol.get(f"/api/v1/boards/{slug}").json() for slug in ("lab", "atlantis"))
    assert there == {**nowhere, "message": "There is no board lab."}
    assert nowhere["message"] == "There is no board atlantis."


def test_reaching_for_it_is_on_record(carol):
    carol.post(f"/boards/demo/slots/{OTHER}/reset", {"reset_type": "ForceOff"})
    entry = AuditEntry.objects.get(outcome="refused")
    assert (entry.actor, entry.action, entry.target, entry.code) == (
        *("carol", "attempt", f"demo/slot:{OTHER}", "unknown-slot"),
    )


def test_lists_name_only_what_is_seen(carol):
    boards = carol.get("/api/v1/boards").json()
    assert (boards["count"], [board["slug"] for board in boards["boards"]]) == (1, ["demo"])
    slots = carol.get("/api/v1/boards/demo").json()["slots"]
    assert [slot["number"] for slot in slots] == [THEIRS]
    consoles = carol.get("/api/v1/boards/demo/consoles").json()["consoles"]
    assert [console["slot"] for console in consoles] == [THEIRS]
    html = carol.get("/").content.decode()
    assert f"/boards/demo/slots/{THEIRS}/" in html
    assert f"/boards/demo/slots/{OTHER}/" not in html
    assert "/boards/lab/" not in html
    assert "/boards/demo/switch/" not in html, "the switch is the whole board's"


def test_an_operation_on_a_slot_that_is_not_seen_is_not_there(carol):
    def made(number: int) -> Operation:
        return Operation.objects.create(
            kind="flash.write",
            title=f"Flash slot {number}",
            plan={"steps": ["write"]},
            board="demo",
            resource=f"demo/slot:{number}",
            actor="alice",
            actor_source="web",
            state=OperationState.SUCCEEDED,
            created_at=timezone.now(),
        )

    mine, other = made(THEIRS), made(OTHER)
    assert carol.get(f"/operations/{mine.pk}/").status_code == 200
    assert carol.get(f"/api/v1/operations/{mine.pk}").status_code == 200
    for path in (f"/operations/{other.pk}/", f"/api/v1/operations/{other.pk}"):
        assert carol.get(path).status_code == 404
    assert carol.post(f"/operations/{other.pk}/cancel").status_code == 404
    assert carol.post(f"/api/v1/operations/{other.pk}/cancel").status_code in (403, 404)
    board = carol.get("/boards/demo/").content.decode()
    assert str(other.pk) not in board


def test_a_right_that_has_ended_takes_the_sight_with_it(carol):
    assert carol.get("/boards/demo/").status_code == 200
    RightGrant.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert carol.get("/boards/demo/").status_code == 404
    assert carol.get("/api/v1/boards/demo").status_code == 404


def test_somebody_who_is_not_signed_in_is_sent_to_sign_in_and_learns_nothing(demo):
    for slug in ("demo", "atlantis"):
        answer = Client().get(f"/boards/{slug}/")
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next=/boards/{slug}/")
        assert Client().get(f"/api/v1/boards/{slug}").status_code == 401


def test_the_switch_is_seen_by_whoever_has_a_right_on_the_whole_board(carol):
    pages = ["switch/", "switch/ports/", "switch/addresses/", "switch/revisions/"]
    assert {carol.get(f"/boards/demo/{page}").status_code for page in pages} == {403}
    assert carol.get("/api/v1/boards/demo/switch").status_code == 403
    RightGrant.objects.update(scope="demo")
    assert {carol.get(f"/boards/demo/{page}").status_code for page in pages} == {200}
    assert "/boards/demo/switch/" in carol.get("/").content.decode()


def test_only_slots_that_somebody_may_power_can_be_selected_for_an_act_on_several(carol):
    User.objects.filter(username="carol").update(role="viewer")
    page = carol.get("/boards/demo/").content.decode()
    assert f'id="pick-{THEIRS}"' in page
    assert f'id="open-{OTHER}"' in page
    assert f'id="pick-{OTHER}"' not in page
    both = {"slots": f"{THEIRS} {OTHER}", "verb": "start"}
    answer = carol.post("/boards/demo/several", both)
    assert answer.status_code == 403
    assert "Switching slot 4 needs the role operator there" in answer.content.decode()
    assert not Operation.objects.exists()


def test_the_sign_in_names_the_board_where_there_is_but_one(demo):
    assert "<h1>Sign in</h1>" in Client().get("/login/").content.decode()
    Board.objects.exclude(slug="demo").delete()
    assert f"<h1>Sign in to {demo.name}</h1>" in Client().get("/login/").content.decode()
