"""Attacks by name, each against the running project. What else is tried, and where:

| attack | test |
| --- | --- |
| cross-site WebSocket | tests/operations/test_refused_sockets.py, tests/flows/test_doors.py |
| session fixation | tests/accounts/test_sign_in.py: a_session_gets_a_new_key_when_somebody_signs_in |
| open redirect | tests/accounts/test_sign_in.py: next_never_leads_out..., test_sessions.py: confirming_leads... |
| forwarded headers | tests/doors/test_proxies.py |
| path traversal of imports | tests/images/test_importing.py: no_way_leads_out |
| console output | tests/browser/test_consoles.py: an_escape_sequence_changes_neither_title... |
| names that nobody has | tests/accounts/test_throttling.py: one_password_is_hashed_once_whoever_it_is_for |
| slots of others | tests/doors/test_walk.py, tests/nanoportal/test_sight.py |
"""

import ast
import base64
import json
import logging
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db.models import CharField, TextField
from django.test import Client

from accounts.models import User
from operations import audit
from operations.models import AuditEntry, Operation, OperationLogLine
from operations.roles import Actor
from switch.models import SwitchDraft, VlanChange, VlanRevision
from tests.architecture.source import APPS, modules, name, tree
from tests.conftest import PASSWORD
from tests.doors.scene import DOCUMENT, Scene
from tests.doors.table import ADMINISTRATOR, DOORS, NO_ONE, VIEWER
from tests.doors.test_walk import what_is_sent

pytestmark = pytest.mark.django_db
MAY_RUN = re.compile(r"shell|\b(?:system|popen|getoutput|getstatusoutput|eval|exec|loads?|unsafe_load)\b")
PAYLOAD = "<script>alert(1)</script>\"'><b onx=1>"


def test_no_form_and_no_call_of_a_session_is_taken_without_its_csrf_token(scene: Scene) -> None:
    scene.client.handler.enforce_csrf_checks = True
    try:
        taken = []
        for door, row in DOORS.items():
            method, route = door.split(" ")
            if method in ("GET", "HEAD", "OPTIONS") or row.who == NO_ONE:
                continue
            answer = scene.ask(method, route, ADMINISTRATOR, **what_is_sent(door))
            if answer.status_code != 403 or answer.content.find(b"csrf") + answer.content.find(b"form-out-of-date") < 0:
                taken.append((door, answer.status_code))
            assert scene.written == [], door
    finally:
        scene.client.handler.enforce_csrf_checks = False
    assert taken == []


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"host": "evil.example:8000"}, {"host": "a b"}])
def test_a_host_that_is_not_ours_is_answered_by_nothing_of_ours(settings, headers: dict[str, str]) -> None:
    settings.ALLOWED_HOSTS = ["portal.lan"]
    for path in ("/", "/login/", "/api/v1/boards", "/metrics", "/healthz"):
        answer = Client().get(path, headers=headers)
        assert answer.status_code == 400, path
        assert b"evil.example" not in answer.content


def test_a_link_that_is_handed_out_names_no_forwarded_host(scene: Scene) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    page = scene.ask("POST", "/people/<pk>/link/", ADMINISTRATOR, headers=headers)
    assert page.status_code == 200
    assert b"evil.example" not in page.content
    assert b"://testserver/join/" in page.content


@pytest.mark.parametrize("file_name", ["../../portal.sqlite3", "/etc/passwd", "..\\..\\x.img", "a\0b.img", "x/../../y"])
def test_no_name_of_an_upload_leads_out_of_the_store(scene: Scene, file_name: str) -> None:
    def files() -> set[Path]:
        return {path for path in scene.data.rglob("*") if path.is_file() and "images/incoming" not in str(path)}

    before = files()
    metadata = f"filename {base64.b64encode(file_name.encode()).decode()}"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": metadata}
    answer = scene.ask("POST", "/api/v1/images/uploads", ADMINISTRATOR, headers=headers)
    assert answer.status_code in (201, 400), answer.content
    assert {path.name for path in files() - before} <= {"audit.head"}
    incoming = scene.data / "images" / "incoming"
    assert all(path.suffix == ".part" and len(path.stem) == 32 for path in incoming.iterdir())


#: Text that is the code's own: what it looks things up by, and secrets. All other text may be somebody's words.
OWN_WORDS = {
    "User": "password",
    "RightGrant": "scope",
    "Invitation": "digest",
    "Session": "session_key session_data means",
    "SignInTries": "key",
    "CodeApp": "sealed",
    "RecoveryCode": "fingerprint",
    "Passkey": "site",
    "ApiToken": "prefix digest",
    "Operation": "kind board resource actor_source code",
    "OperationLogLine": "level",
    "Claim": "resource",
    "IdempotencyKey": "actor key body",
    "AuditHead": "mac",
    "RefusalCount": "actor action target code",
    "Restriction": "resource action",
    "Reservation": "resource ended_why",
    "Board": "slug",
    "SomType": "name flash_path boot_rom",  # the name is letters and digits: it stands in addresses
    "Slot": "probe",
    "Evidence": "value",
    "PowerDetails": "believed",
    "StateChange": "state basis tone",
    "FirmwareImage": "format sha256 scheme",
    "Upload": "sha256 code",
    "Profile": "password_sealed network_sealed user_data_sealed",
    "FlashRun": "board image_sha256 fingerprint",
    "FlashJob": "power_before power_after",
    "VlanChange": "fingerprint",
    "Sighting": "mac",
}


def everything_named(text: str) -> None:
    """Every name and note that people or machines may write, saying `text` as far as there is room."""
    for model in apps.get_models():
        own = OWN_WORDS.get(model.__name__, "").split()
        if model._meta.app_label not in APPS or model is AuditEntry:
            continue
        for field in model._meta.concrete_fields:
            if isinstance(field, CharField | TextField) and not field.choices and field.name not in own:
                rows = model.objects.all()
                if field.unique:
                    last = rows.filter(username="carol") if model is User else rows
                    rows = rows.filter(pk__in=last.values_list("pk", flat=True)[:1])
                rows.update(**{field.name: text[: field.max_length]})
    Group.objects.update(name=text)
    for operation in Operation.objects.all():
        OperationLogLine.objects.create(operation=operation, number=1, at=operation.created_at, text=text)
    vlan = {**DOCUMENT["vlans"][0], "name": text[:32]}
    SwitchDraft.objects.update(document={**DOCUMENT, "vlans": [vlan]})
    VlanChange.objects.update(words=[text])
    VlanRevision.objects.update(words=[text], document={**DOCUMENT, "vlans": [vlan]})
    who = Actor(text, address=text[:45], token=text)
    audit.record("image.retire", actor=who, target=text, outcome="done", reason=text, detail={"title": text})


def test_no_name_anywhere_becomes_markup_on_any_page(scene: Scene) -> None:
    everything_named(PAYLOAD)
    shown = set()
    for door in DOORS:
        method, route = door.split(" ")
        if method != "GET" or route.startswith("/api/"):
            continue
        answer = scene.ask(method, route, ADMINISTRATOR, **what_is_sent(door, is_framed=True))
        if not answer.get("Content-Type", "").startswith("text/html"):
            continue
        assert answer.status_code < 500, door
        page = answer.content.decode()
        assert "<script>alert(1)" not in page, door
        assert "<b onx" not in page, door
        assert '"allowEval":false' in page or "htmx" not in page, door
        if "&lt;script&gt;alert(1)" in page:
            shown.add(route)
    assert len(shown) > 25, "the names are on the pages"


@pytest.mark.parametrize(
    "headers",
    [{"cookie": "signed_in_at=999999999999"}, {"HX-Request": "true", "HX-Current-URL": "http://[x"}],
    ids=["a time in the year 33658", "an address that is none"],
)
def test_what_a_browser_never_says_is_no_error_of_ours(headers: dict[str, str]) -> None:
    assert Client().get("/login/", headers=headers).status_code < 400


def test_a_form_with_files_where_json_is_due_is_refused_in_one_sentence() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_user("alice", role=ADMINISTRATOR))
    browser.cookies["csrftoken"] = "x" * 32
    answer = browser.post("/api/v1/machines", {"name": "x"}, headers={"X-CSRFToken": "x" * 32})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


def test_no_field_that_was_not_offered_is_taken(scene: Scene) -> None:
    """Mass assignment: what a form or a body names beside its own fields changes nothing."""
    more = {"role": "administrator", "is_superuser": "on", "is_staff": "on", "is_active": "", "kind": "machine"}
    for door in ("POST /account/", "POST /account/tokens/", "POST /account/confirm/"):
        method, route = door.split(" ")
        body = "&".join(f"{name}={value}" for name, value in more.items())
        scene.ask(method, route, VIEWER, data=body, content_type="application/x-www-form-urlencoded")
        assert not [sql for sql in scene.written if "accounts_user" in sql], door
    extra = {"holder": "mallory", "user_id": 1, "state": "ended", "id": 99, "owner": "alice", "prefix": "aaaaaaaa"}
    reserve, token = {"purpose": "swap SSD", "seconds": 600}, {"name": "x", "scopes": ["read"]}
    for path, who, body in (
        ("/api/v1/boards/<board>/slots/<number>/reservations", "operator", reserve),
        ("/api/v1/tokens", VIEWER, token),
    ):
        for field, value in {**more, **extra}.items():
            said = json.dumps({**body, field: value})
            answer = scene.ask("POST", path, who, data=said, content_type="application/json")
            assert (answer.status_code, answer.json()["message"]) == (400, f"{field}: there is no such field.")
            assert not scene.written


def test_what_is_somebody_s_own_is_not_another_s_by_its_number(scene: Scene) -> None:
    """Wherever the address of the administrator's differs from that of the viewer's, the viewer comes to the former."""
    tried = 0
    for door in DOORS:
        method, route = door.split(" ")
        theirs = scene.path(route, ADMINISTRATOR)
        if theirs != scene.path(route, VIEWER):
            assert scene.ask(method, theirs, VIEWER, **what_is_sent(door)).status_code in (403, 404), door
            assert scene.written == [], door
            tried += 1
    assert tried >= 6


def test_nothing_of_ours_runs_a_shell_or_what_it_was_sent() -> None:
    never = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec"}
    never |= {"pickle.loads", "pickle.load", "marshal.loads", "yaml.load", "yaml.unsafe_load"}
    found = [
        f"{name(path)}:{node.lineno}"
        for path in modules()
        if MAY_RUN.search(path.read_text())
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (
            (ast.unparse(node.func) in never and "Loader" not in ast.unparse(node))
            or any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords)
        )
    ]
    assert found == []


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def test_no_secret_comes_into_the_log_or_the_record(scene: Scene, caplog, settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one
    secret, token = "a-secret-of-mine-4711", "np_abcdefgh_" + "s" * 43
    caplog.set_level(logging.DEBUG)
    Client(raise_request_exception=False).post("/login/", {"username": "a-viewer", "password": secret})
    Client(raise_request_exception=False).get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    Client(raise_request_exception=False).get("/metrics", headers={"Authorization": f"Bearer {token}"})
    forms = {
        "POST /account/": {"present": PASSWORD, "password": secret, "again": secret},
        "POST /account/confirm/": {"password": secret},
        "POST /join/<secret>/": {"password": secret, "again": secret},
        "POST /people/<pk>/": {"password": secret, "again": secret},
        "POST /flashing/profiles/new": {"name": "p", "password": secret, "user": "pi", "network": secret},
    }
    for door, form in forms.items():
        method, route = door.split(" ")
        body = "&".join(f"{field}={value}" for field, value in form.items())
        kept = AuditEntry.objects.count()
        scene.ask(method, route, ADMINISTRATOR, data=body, content_type="application/x-www-form-urlencoded")
        assert AuditEntry.objects.count() == kept, "undone with the rest"
    texts = [*AuditEntry.objects.values_list("text", flat=True), caplog.text, *scene.recorded]
    joined = "\n".join(texts)
    assert joined, "something was said at all"
    assert secret not in joined
    assert "s" * 43 not in joined
