"""People, machines, rights, groups and tokens over REST: who may, what is refused, and what is on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_for
from accounts.models import ApiToken, RightGrant, User
from accounts.services import tokens
from accounts.services.tokens import Wish
from operations.models import AuditEntry
from tests.reservations.rig import make_board

pytestmark = pytest.mark.django_db
API = "/api/v1"


class Caller:
    """Somebody who calls: a browser or a token."""

    def __init__(self, person: User, *scopes: str) -> None:
        self.client = Client()
        if scopes:
            _, text = tokens.make(actor_for(person, credential="session"), person, Wish("ci", scopes))
            self.client = Client(headers={"Authorization": f"Bearer {text}"})
        else:
            self.client.force_login(person)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"data": body, "content_type": "application/json"} if body is not None else {}
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        answer = getattr(self.client, method)(API + path, headers=named, **sent)
        self.etag = answer.get("ETag", "")
        return answer.status_code, answer.json() if answer.content else None

    def code(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        status, said = self(method, path, body, **headers)
        return status, said["code"] if said else ""


@pytest.fixture(autouse=True)
def board(db: None) -> None:
    make_board("demo")


@pytest.fixture
def alice(make_person) -> User:
    return make_person("alice", "administrator")


@pytest.fixture
def carol(make_person) -> User:
    return make_person("carol", "viewer")


@pytest.fixture
def admin(alice) -> Caller:
    return Caller(alice)


@pytest.fixture
def script(alice) -> Caller:
    """A token of an administrator that is for people."""
    return Caller(alice, "read", "people")


def entries(action: str) -> list[tuple[str, str, str, str]]:
    rows = AuditEntry.objects.filter(action=action).order_by("seq")
    return [(row.actor, row.target, row.outcome, row.code) for row in rows]


# ---- Who may -----------------------------------------------------------------------------------------------------

ACTS = [
    ("get", "/people", None),
    ("get", "/people/carol", None),
    ("get", "/people/alice/sessions", None),
    ("get", "/people/carol/may?action=flash&scope=demo", None),
    ("get", "/groups", None),
    ("get", "/groups/class", None),
    ("get", "/tokens?everybody=true", None),
    ("patch", "/people/carol", {"role": "operator"}),
    ("post", "/people/carol/rights", {"role": "operator", "scope": "*"}),
    ("delete", "/people/alice/sessions", None),
    ("post", "/groups/class/rights", {"role": "operator", "scope": "*"}),
    ("put", "/groups/class", {"members": ["carol"]}),
    ("patch", "/groups/class", {"name": "other"}),
    ("delete", "/groups/class", None),
    ("post", "/machines", {"name": "robot"}),
    ("post", "/tokens", {"name": "x", "scopes": ["read"], "machine": "alice"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_only_who_may_change_people_reads_or_changes_them(carol, alice, method, path, body):
    Group.objects.create(name="class")
    callers = (Caller(carol), Caller(alice, "read", "power"))
    before = [list(model.objects.values_list()) for model in (User, RightGrant, Group)]
    for caller in callers:
        assert caller(method, path, body)[0] == 403
    assert [list(model.objects.values_list()) for model in (User, RightGrant, Group)] == before
    assert Client().generic(method.upper(), API + path).status_code == 401


def test_a_refused_change_of_people_is_on_record_with_who_and_what(carol):
    Caller(carol)("patch", "/people/carol", {"role": "administrator"})
    assert entries("people.edit") == [("carol", "person:carol", "refused", "not-permitted")]


def test_anybody_reads_who_they_are_and_where_they_are_signed_in(carol):
    caller = Caller(carol)
    status, said = caller("get", "/me")
    assert (status, said["name"], said["role"], said["credential"], said["scopes"]) == (
        200,
        "carol",
        "viewer",
        "session",
        None,
    )
    status, said = caller("get", "/people/carol/sessions")
    assert (said["count"], said["sessions"][0]["is_this"]) == (1, True)
    Caller(carol)
    assert caller("delete", "/people/carol/sessions")[0] == 204
    assert caller("get", "/people/carol/sessions")[1]["count"] == 1


# ---- People and machines -----------------------------------------------------------------------------------------


def test_a_script_switches_somebody_off_and_gives_a_role(script, carol):
    status, said = script("patch", "/people/carol", {"role": "operator", "is_active": False})
    assert (status, said["role"], said["is_active"]) == (200, "operator", False)
    assert entries("person.role")[0][1:3] == ("person:carol", "done")
    assert [row[1] for row in entries("person.switch-off")] == ["person:carol"]


@pytest.mark.parametrize("field", ["is_superuser", "is_staff", "kind", "password", "id", "username"])
def test_what_a_body_says_beyond_its_fields_is_refused(script, carol, field):
    answer = script("patch", "/people/carol", {"role": "operator", field: "1"})
    assert (answer[0], answer[1]["message"]) == (400, f"{field}: there is no such field.")
    assert User.objects.get(pk=carol.pk).role == carol.role


def test_of_a_change_of_role_and_access_both_are_done_or_neither(admin, alice):
    """Her right to administer comes from elsewhere, so that she can lose the role, but not be switched off as well."""
    RightGrant.objects.create(user=alice, role="administrator", scope="*", given_by="bert", given_at=timezone.now())
    both = {"role": "viewer", "is_active": False}
    assert admin.code("patch", "/people/alice", both) == (409, "last-administrator")
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == ("administrator", True)
    assert entries("person.role") == []
    assert admin("patch", "/people/alice", {"role": "viewer", "is_active": True})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("patch", "/people/nobody", {"role": "viewer"}, (404, "no-such-person")),
        ("patch", "/people/carol", {"role": "king"}, (400, "unknown-role")),
        ("patch", "/people/carol", {"role": 7}, (400, "invalid")),
        ("patch", "/people/a%00b", {"role": "viewer"}, (404, "not-found")),
        ("post", "/machines", {"name": "carol"}, (400, "bad-name")),
        ("post", "/machines", {"name": "not a name"}, (400, "bad-name")),
        ("post", "/people/carol/rights", {"role": "operator", "scope": "nowhere"}, (400, "unknown-scope")),
        ("post", "/people/carol/rights", {"role": "operator", "scope": "demo/slot:8"}, (400, "unknown-scope")),
        ("post", "/people/carol/rights", {"role": "operator", "scope": "*", "console": "all"}, (400, "invalid")),
        (
            "post",
            "/people/carol/rights",
            {"role": "operator", "scope": "*", "until": "2020-01-01T00:00:00Z"},
            (400, "ended-already"),
        ),
        (
            "post",
            "/people/carol/rights",
            {"role": "operator", "scope": "*", "until": "2030-01-01T00:00:00"},
            (400, "zone"),
        ),
        ("delete", f"/rights/{10**30}", None, (404, "unknown-right")),
        ("put", "/groups/class", {"members": ["nobody"]}, (404, "no-such-person")),
        ("delete", "/groups/class", None, (404, "no-such-group")),
        ("get", "/people/carol/may?action=fly&scope=demo", None, (400, "unknown-action")),
        ("delete", "/people/carol/sessions/0123456789abcdef", None, (404, "no-such-session")),
        ("delete", "/tokens/zzzzzzzz", None, (404, "unknown-token")),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason_and_changes_nothing(admin, carol, method, path, body, answer):
    assert admin.code(method, path, body) == answer
    assert not RightGrant.objects.exists()
    assert not Group.objects.exists()
    assert User.objects.count() == 2


def test_an_edit_of_what_somebody_else_has_changed_is_refused(admin, carol):
    admin("get", "/people/carol")
    read = admin.etag
    assert admin("patch", "/people/carol", {"role": "operator"}, If_Match=read)[0] == 200
    assert admin.code("patch", "/people/carol", {"role": "flasher"}, If_Match=read) == (412, "outdated")
    assert User.objects.get(pk=carol.pk).role == "operator"
    assert admin("patch", "/people/carol", {"role": "flasher"}, If_Match=f'"other", {admin.etag or "*"}')[0] == 412
    assert admin("patch", "/people/carol", {"role": "flasher"}, If_Match="*")[0] == 200


def test_the_answer_to_why_is_that_of_every_door(admin, carol):
    _, said = admin("get", "/people/carol/may?action=flash&scope=demo/slot:3")
    assert (said["allowed"], said["code"]) == (False, "not-permitted")
    assert "needs the role flasher" in said["reason"]
    admin("post", "/people/carol/rights", {"role": "flasher", "scope": "demo/slot:3"})
    assert admin("get", "/people/carol/may?action=flash&scope=demo/slot:3")[1]["allowed"] is True


# ---- Rights and groups -------------------------------------------------------------------------------------------


def test_a_right_is_given_until_a_time_given_anew_and_taken(script, carol):
    until = timezone.now() + timedelta(days=1)
    body = {"role": "operator", "scope": "demo/slot:3", "until": until.isoformat()}
    status, made = script("post", "/people/carol/rights", body)
    assert (status, made["role"], made["scope"], made["runs"]) == (201, "operator", "demo/slot:3", True)
    _, again = script("post", "/people/carol/rights", {**body, "until": None})
    assert (again["id"], again["until"]) == (made["id"], None)
    assert script("get", "/people/carol")[1]["rights"][0]["id"] == made["id"]
    assert script("delete", f"/rights/{made['id']}") == (204, None)
    assert script.code("delete", f"/rights/{made['id']}") == (404, "unknown-right")
    assert [row[1] for row in entries("right.give")] == ["person:carol"] * 2
    assert [row[1:3] for row in entries("right.take")] == [("person:carol", "done"), ("portal", "refused")]


def test_a_group_is_made_filled_renamed_and_removed(script, carol):
    assert script("put", "/groups/class", {"members": ["carol"]})[1]["members"] == ["carol"]
    assert script("post", "/groups/class/rights", {"role": "operator", "scope": "demo"})[0] == 201
    assert script("get", "/people/carol")[1]["rights"][0]["group"] == "class"
    assert script("patch", "/groups/class", {"name": "lab"})[1]["name"] == "lab"
    assert script.code("patch", "/groups/lab", {"name": " "}) == (400, "group-name")
    assert script("delete", "/groups/lab") == (204, None)
    assert script("get", "/people/carol")[1]["rights"] == []


def test_a_group_whose_members_cannot_be_is_not_made(admin, carol):
    assert admin.code("put", "/groups/new", {"members": ["carol", "nobody"]}) == (404, "no-such-person")
    assert admin.code("put", "/groups/%20", {"members": []})[0] == 400
    assert not Group.objects.exists()


# ---- What only a person may --------------------------------------------------------------------------------------


def administrators() -> Group:
    group = Group.objects.create(name="admins")
    RightGrant.objects.create(
        group=group, role="administrator", scope="*", given_by="alice", given_at=timezone.now(), until=None
    )
    return group


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "/people/carol", {"role": "administrator"}),
        ("patch", "/people/alice", {"role": "viewer"}),
        ("patch", "/people/alice", {"is_active": False}),
        ("post", "/people/carol/rights", {"role": "administrator", "scope": "demo"}),
        ("post", "/groups/admins/rights", {"role": "administrator", "scope": "*"}),
        ("put", "/groups/admins", {"members": ["carol"]}),
        ("patch", "/groups/admins", {"name": "others"}),
        ("delete", "/groups/admins", None),
        ("delete", "/rights/{right}", None),
        ("post", "/tokens", {"name": "more", "scopes": ["read"]}),
    ],
)
def test_no_token_makes_or_unmakes_an_administrator_or_another_token(script, alice, carol, method, path, body):
    group = administrators()
    path = path.format(right=RightGrant.objects.get().pk)
    made = ApiToken.objects.count()
    assert script.code(method, path, body) == (403, "person-needed")
    assert not group.user_set.exists()
    assert ApiToken.objects.count() == made
    alice.refresh_from_db()
    assert alice.role == "administrator"
    assert AuditEntry.objects.filter(outcome="refused", code="person-needed").count() == 1


@pytest.mark.parametrize("path", ["/people/carol", "/groups/admins"])
def test_a_person_does_it_only_soon_after_signing_in(alice, carol, path):
    administrators()
    caller = Caller(alice)
    session = caller.client.session
    session["confirmed_at"] = int(timezone.now().timestamp()) - 601
    session.save()
    body = {"role": "administrator"} if "people" in path else {"members": ["carol"]}
    method = "patch" if "people" in path else "put"
    assert caller.code(method, path, body) == (403, "sign-in-again")
    session["confirmed_at"] = int(timezone.now().timestamp())
    session.save()
    assert caller(method, path, body)[0] == 200


def test_the_last_administrator_stays(admin, alice):
    assert admin.code("patch", "/people/alice", {"role": "viewer"}) == (409, "last-administrator")
    assert admin.code("patch", "/people/alice", {"is_active": False}) == (409, "last-administrator")
    User.objects.create_user("bert", password="long enough for all", role="administrator")
    assert admin("patch", "/people/alice", {"role": "viewer"})[0] == 200


def test_a_token_is_made_for_a_machine_shown_once_and_listed(admin, alice):
    admin("post", "/machines", {"name": "robot"})
    body = {"name": "ci", "scopes": ["power"], "resources": ["demo/slot:3"], "machine": "robot"}
    status, made = admin("post", "/tokens", body)
    assert (status, made["owner"], made["made_by"]) == (201, "robot", "alice")
    assert made["token"].startswith(f"np_{made['prefix']}_")
    assert admin("get", "/tokens")[1]["count"] == 0
    listed = admin("get", "/tokens?everybody=true")[1]
    assert (listed["count"], "token" in listed["tokens"][0]) == (1, False)
    assert admin.code("post", "/tokens", {**body, "machine": "alice2"}) == (404, "no-such-person")


def test_nobody_makes_a_token_in_another_persons_name(admin, carol):
    body = {"name": "ci", "scopes": ["read"], "machine": "carol"}
    assert admin.code("post", "/tokens", body) == (403, "not-permitted")
    assert not ApiToken.objects.exists()


# ---- Lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["people", "groups", "tokens"])
def test_lists_are_read_in_pages(admin, alice, kind):
    for number in range(3):
        User.objects.create_user(f"p{number}")
        Group.objects.create(name=f"g{number}")
        tokens.make(actor_for(alice, credential="session"), alice, Wish(f"t{number}", ("read",)))
    count = admin("get", f"/{kind}")[1]["count"]
    assert count == (4 if kind == "people" else 3)
    pages = [admin("get", f"/{kind}?offset={at}&limit=1")[1][kind] for at in range(count + 1)]
    assert [len(page) for page in pages] == [1] * count + [0]
    assert len({str(page[0]) for page in pages[:-1]}) == count
    assert admin.code("get", f"/{kind}?limit=0") == (400, "invalid")
