"""What the pages of boards, slots and consoles did alone until now, over REST: done, on record, refused."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import RightGrant, User
from consoles.models import ConsolePort, StageRule
from operations.models import AuditEntry, Operation, Restriction
from slots.models import Board, Slot, Som, SomType
from tests.api.world import World

pytestmark = pytest.mark.django_db
API = "/api/v1"
SLOT = "/boards/demo/slots/3"


class Caller:
    def __init__(self, person: User) -> None:
        self.client = Client()
        self.client.force_login(person)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {"data": body, "content_type": "application/json"} if body is not None else {}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return getattr(self.client, method)(API + path, headers=named, **sent)

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        answer = self(method, path, body, **headers)
        return answer.status_code, answer.json().get("code", "")


@pytest.fixture
def alice(portal: World) -> Caller:
    return Caller(User.objects.get(username="alice"))


@pytest.fixture
def vera(portal: World) -> Caller:
    return Caller(User.objects.get(username="vera"))


def last(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).order_by("seq").last()  # type: ignore[return-value]


def slot(number: int = 3) -> Slot:
    return Slot.objects.get(board__slug="demo", number=number)


# ---- Boards and SOMs ---------------------------------------------------------------------------------------------


def test_a_board_is_described_by_whoever_has_read_it_as_it_is(alice, vera):
    path = "/boards/demo/settings"
    read = alice("get", path)
    wanted = {"name": "Lab bench", "supply": "custom", "notes": "Near the window."}
    assert alice("put", path, wanted, If_Match=read["ETag"]).json() == wanted
    assert Board.objects.get(slug="demo").notes == "Near the window."
    assert alice.refused("put", path, wanted | {"notes": ""}, If_Match=read["ETag"]) == (412, "outdated")
    assert alice.refused("put", path, wanted | {"supply": "two potatoes"}) == (400, "invalid")
    assert vera.refused("put", path, wanted) == (403, "not-permitted")
    assert Board.objects.get(slug="demo").name == "Lab bench"
    assert last("board.edit").outcome == "refused"


def test_a_som_is_recorded_changed_and_taken_out(alice, vera):
    path = f"{SLOT}/som"
    read = alice("get", path)
    assert (read.json()["som_type"], read.json()["name"]) == ("CM5", "kestrel")
    wanted = {"som_type": "CM5", "name": "merlin", "memory_gb": 16}
    changed = alice("put", path, wanted, If_Match=read["ETag"])
    assert (changed.json()["name"], changed.json()["memory_gb"], changed.json()["notes"]) == ("merlin", 16, "")
    assert alice.refused("delete", path, If_Match=read["ETag"]) == (412, "outdated")
    assert alice.refused("put", path, {"som_type": "CM9"}) == (404, "unknown-som-type")
    assert vera.refused("put", path, wanted) == (403, "not-permitted")
    assert Som.objects.get(slot=slot()).name == "merlin"
    assert alice("delete", path, If_Match=changed["ETag"]).status_code == 204
    assert alice.refused("get", path) == (404, "empty-slot")
    assert alice.refused("delete", "/boards/demo/slots/1/som") == (422, "controller-slot-protected")
    assert last("som.record").target == "demo/slot:3"


def test_a_som_type_of_ones_own_is_recorded_and_a_shipped_one_is_not_changed(alice):
    figures = {"line_kind": "level", "pulse_seconds": 1, "idle_watts": 1, "full_watts": 2, "peak_watts": 3}
    made = alice("put", "/som-types/R1", figures | {"source": "measured"})
    assert (made.status_code, made.json()["name"], made.json()["shipped"]) == (200, "R1", False)
    assert SomType.objects.get(name="R1").pulse_seconds == 1
    assert alice.refused("put", "/som-types/CM4", figures | {"source": "me"}) == (409, "shipped")
    # figures that contradict each other
    assert alice.refused("put", "/som-types/R2", figures | {"line_kind": "button", "source": "x"}) == (400, "invalid")
    assert not SomType.objects.filter(name="R2").exists()


def test_somebody_says_that_a_slot_is_off_with_a_reason(alice, vera):
    answer = alice("post", f"{SLOT}/mark-off", {"reason": "The LED is dark."})
    assert (answer.json()["power"]["power_state"], answer.json()["power"]["basis"]) == ("Off", "person")
    assert last("slot.mark-off").reason == "The LED is dark."
    assert vera.refused("post", f"{SLOT}/mark-off", {})[0] == 403
    assert alice.refused("post", f"{SLOT}/clear-latch", {}) == (409, "not-latched")
    history = alice("get", f"{SLOT}/history").json()
    assert history["count"] >= 1
    assert history["changes"][0]["words"] == "Marked as off by alice"


# ---- Acts --------------------------------------------------------------------------------------------------------


def test_several_slots_start_as_one_group_and_a_repeated_request_starts_nothing_more(alice):
    for number in (3, 5):
        alice("post", f"/boards/demo/slots/{number}/mark-off", {})
    body = {"verb": "start", "slots": [5, 3], "reason": "class"}
    first = alice("post", "/boards/demo/power", body, Idempotency_Key="class-1")
    assert first.status_code == 202, first.content
    made = first.json()["operations"]
    assert [one["resource"] for one in made] == ["demo/slot:5", "demo/slot:3"]
    again = alice("post", "/boards/demo/power", body, Idempotency_Key="class-1").json()["operations"]
    assert [one["id"] for one in again] == [one["id"] for one in made]
    assert Operation.objects.filter(kind="power.reset").count() == 2
    other = body | {"slots": [3]}
    assert alice.refused("post", "/boards/demo/power", other, Idempotency_Key="class-1")[0] == 422
    listed = alice("get", f"/operations?group={made[0]['group']}").json()
    assert listed["count"] == 2


def test_of_several_slots_all_or_none_are_acted_on(alice, vera):
    assert alice.refused("post", "/boards/demo/power", {"verb": "start", "slots": [3, 1]})[0] == 422
    assert alice.refused("post", "/boards/demo/power", {"verb": "start", "slots": [3, 3]})[0] == 400
    assert vera.refused("post", "/boards/demo/power", {"verb": "start", "slots": [3]})[0] == 403
    assert not Operation.objects.filter(kind="power.reset").exists()


def test_the_switch_is_reset_once_and_only_by_somebody_who_was_there_lately(alice, vera):
    path, body = "/boards/demo/switch/reset", {"typed": "demo", "reason": "It hangs."}
    first = alice("post", path, body, Idempotency_Key="one")
    assert first.status_code == 202, first.content
    assert alice("post", path, body, Idempotency_Key="one").json()["id"] == first.json()["id"]
    assert alice.refused("post", path, body | {"typed": "demo2"}) == (400, "not-confirmed")
    assert vera.refused("post", path, body)[0] == 403
    session = alice.client.session
    session["confirmed_at"] = 1
    session.save()
    assert alice.refused("post", path, body) == (403, "sign-in-again")
    assert Operation.objects.filter(kind="switch.reset").count() == 1


def test_the_controller_is_restarted_only_if_its_board_says_how(alice):
    body = {"typed": "demo", "reason": "An update."}
    assert alice.refused("post", "/boards/demo/controller/restart", body)[0] == 422


# ---- Operations --------------------------------------------------------------------------------------------------


def test_operations_are_listed_by_board_slot_kind_and_state_to_those_who_see_them(alice, portal):
    job = str(portal.ids["job_id"])
    for asked, count in (("", 1), ("?board=demo", 1), ("?board=demo&slot=2", 1), ("?board=demo&slot=3", 0)):
        assert alice("get", f"/operations{asked}").json()["count"] == count, asked
    assert alice("get", "/operations?state=open").json()["operations"][0]["id"] == job
    assert alice("get", "/operations?state=ended").json()["count"] == 0
    assert alice("get", "/operations?kind=power.reset").json()["count"] == 0
    dora = User.objects.create_user("dora", role="")
    right = RightGrant.objects.create(
        user=dora, role="viewer", scope="demo/slot:3", given_by="x", given_at=Operation.objects.get().created_at
    )
    assert Caller(dora)("get", "/operations").json()["count"] == 0
    right.scope = "demo/slot:2"
    right.save()
    assert Caller(dora)("get", "/operations").json()["count"] == 1


# ---- Consoles ----------------------------------------------------------------------------------------------------


def test_a_console_is_set_up_with_who_may_read_it_and_type(alice, vera):
    path = f"{SLOT}/console/settings"
    read = alice("get", path)
    assert read.json() == {
        "baud": None,
        "recording": True,
        "quota_mib": 64,
        "retention_days": 30,
        "read": "viewer",
        "write": "console-operator",
    }
    wanted = read.json() | {"baud": 9600, "write": "administrator"}
    assert alice("put", path, wanted, If_Match=read["ETag"]).json() == wanted
    assert ConsolePort.objects.get(slot=slot()).baud == 9600
    assert Restriction.objects.get().least_role == "administrator"
    assert alice.refused("put", path, wanted, If_Match=read["ETag"]) == (412, "outdated")
    assert alice("put", path, {}).json() == read.json()
    assert not Restriction.objects.exists()
    assert alice.refused("put", path, wanted | {"baud": 300}) == (400, "invalid")
    assert alice.refused("put", path, wanted | {"read": "nobody"})[0] == 400
    assert ConsolePort.objects.get(slot=slot()).baud is None
    assert vera.refused("put", path, wanted) == (403, "not-permitted")


def test_a_rule_for_boots_is_added_changed_and_removed_and_a_shipped_one_only_switched_off(alice, vera):
    body = {"stage": "login", "text": "Welcome to", "som_type": "CM5"}
    made = alice("post", "/console-stages", body).json()
    path = f"/console-stages/{made['id']}"
    assert (made["som_type"], made["match"], made["shipped"]) == ("CM5", "contains", False)
    assert alice("put", path, body | {"text": "Welcome,"}).json()["text"] == "Welcome,"
    assert vera.refused("put", path, body)[0] == 403
    assert alice("delete", path).status_code == 204
    shipped = StageRule.objects.filter(shipped=True)[0]
    path = f"/console-stages/{shipped.pk}"
    said = alice("get", path)
    off = {name: said.json()[name] for name in ("stage", "match", "text", "som_type")} | {"enabled": False}
    assert alice("put", path, off, If_Match=said["ETag"]).json()["enabled"] is False
    assert alice.refused("put", path, off | {"text": "else"}) == (409, "shipped")
    assert alice.refused("delete", path) == (409, "shipped")
    assert alice.refused("post", "/console-stages", body | {"som_type": "CM9"}) == (400, "unknown-som-type")


# ---- What no database stores -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        r'{"name": "a\u0000b"}',
        r'{"name": "a", "notes": "\ud800"}',
        r'{"name": "a", "more": [{"deep": "\u0000"}]}',
        r'{"name": "a", "\udfff": 1}',
        '{"name": "a", "more": NaN}',
        '{"name": "a", "more": [-Infinity]}',
    ],
)
def test_text_that_no_database_stores_is_refused_where_it_comes_in(alice, body):
    assert alice.refused("put", "/boards/demo/settings", body) == (400, "unstorable")
    assert Board.objects.get(slug="demo").notes == ""


def test_what_only_looks_like_it_is_taken(alice):
    body = {"name": r"a\u0000b", "notes": "\U0001f980 and \ufffd"}
    assert alice("put", "/boards/demo/settings", body).json()["name"] == r"a\u0000b"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/operations?board=a%00b", (400, "unstorable")),
        ("/audit?text=%00", (400, "unstorable")),
        ("/boards/a%00b", (404, "not-found")),
        ("/som-types/a%00b", (404, "not-found")),
        ("/people/a%00b", (404, "not-found")),
    ],
)
def test_nor_is_it_looked_for(alice, path, answer):
    assert alice.refused("get", path) == answer
