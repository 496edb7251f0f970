"""A walk over every management command there is: whatever changes something leaves an entry with the OS user."""

import io
import json
import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.utils import timezone

from accounts.models import User
from nanoportal.commands import DAEMONS, OWN_ENTRY, READS, on_record
from operations import audit
from operations.models import AuditEntry
from tests.architecture.source import APPS
from tests.operations.rig import say

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "seven-slots-and-a-switch"
COMMANDS = get_commands()
OURS = {name for name, app in COMMANDS.items() if app in APPS}


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # not what is tested
    return tmp_path


def a_new_person(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    call_command("user", "viewer", "carl", "--password-stdin", stdout=io.StringIO())


def another_role(folder: Path, monkeypatch) -> None:
    User.objects.create_user("carl", role="viewer")
    call_command("user", "operator", "carl", stdout=io.StringIO())


def another_password(folder: Path, monkeypatch) -> None:
    User.objects.create_user("carl", role="viewer")
    monkeypatch.setattr("getpass.getpass", lambda *asked, **more: PASSWORD)
    call_command("changepassword", "carl", stdout=io.StringIO())


def an_administrator(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--username", "anna", "--email", "", stdout=io.StringIO())


def somebody_let_in(folder: Path, monkeypatch) -> None:
    User.objects.create_user("carl", role="viewer")
    call_command("let_in", "carl", stdout=io.StringIO())


def a_setup_link(folder: Path, monkeypatch) -> None:
    call_command("setup_link", stdout=io.StringIO())


def a_prepared_portal(folder: Path, monkeypatch) -> None:
    User.objects.create_user("anna", role="administrator")
    call_command("prepare", stdout=io.StringIO())


def retention(folder: Path, monkeypatch) -> None:
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() - timedelta(days=99))
    say()
    monkeypatch.setattr(timezone, "now", real)
    call_command("audit", "retain", "--keep-days", "9", "--to", str(folder), stdout=io.StringIO())


CHANGES = {
    "user": [a_new_person, another_role],
    "changepassword": [another_password],
    "createsuperuser": [an_administrator],
    "let_in": [somebody_let_in],
    "setup_link": [a_setup_link],
    "prepare": [a_prepared_portal],
    "audit": [retention],
    "check_images": [],  # each upload's entry is in the name of who brought it: tests/images/test_checking.py
}


def test_every_command_of_ours_says_how_it_is_on_record():
    assert OURS <= OWN_ENTRY | DAEMONS | READS, "it changes something? then it records it, and has a row here"
    assert set(CHANGES) == OWN_ENTRY


@pytest.mark.parametrize("change", [change for changes in CHANGES.values() for change in changes])
def test_a_command_of_ours_that_changes_something_leaves_an_entry_with_the_os_user(
    transactional_db, tmp_path, monkeypatch, change
):
    change(tmp_path, monkeypatch)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.actor, entry.source, entry.outcome) == (audit.os_actor().name, "cli", "done")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - OURS - READS))
def test_every_other_command_that_may_change_something_is_on_record_before_it_runs(db, name):
    with on_record(["manage.py", name, "--option=secret", "value", "-c", "print('secret')"]):
        entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.outcome) == (audit.os_actor().name, "command.run", "requested")
    assert json.loads(entry.text)["detail"]["title"] == f"manage.py {name} --option -c"
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("words", [["check"], ["shell", "--help"], ["--version"], []])
def test_what_changes_nothing_leaves_no_entry(db, words):
    with on_record(["manage.py", *words]):
        pass
    assert not AuditEntry.objects.exists()


def test_what_is_said_to_read_is_there():
    known = set(COMMANDS) | {"help", "version"}
    assert known >= (READS - {"help", "version"}), READS - known
    assert all(load_command_class(COMMANDS[name], name) for name in READS & set(COMMANDS))


READING = {"switch": ["probe", "/dev/there-is-no-such-bus"], "tls": []}


def test_each_of_ours_that_is_said_to_read_is_tried():
    assert set(READING) == OURS & READS


@pytest.mark.parametrize("name", READING)
def test_a_command_of_ours_that_is_said_to_read_does_without_the_database(name):
    with pytest.raises(CommandError):  # any query is refused: this test asks for no database
        call_command(name, *READING[name], stdout=io.StringIO())


TWICE = "import runpy\nfor _ in range(2): runpy.run_path('manage.py', run_name='__main__')"


def test_the_command_line_itself_writes_the_entry_also_where_the_log_is_only_made_by_it(tmp_path, settings):
    """The same command twice, in one process as starting one takes seconds: the first makes the log."""
    data = tmp_path / "fresh"
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "NANOPORTAL_DATA")}
    words = ["migrate", "-v0", "operations"]
    done = subprocess.run(
        [sys.executable, "-c", TWICE, *words],
        cwd=PROJECT,
        env={**environment, "NANOPORTAL_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    database = sqlite3.connect(data / "portal.sqlite3")
    (first, one), (second, two) = database.execute("SELECT text, mac FROM operations_auditentry ORDER BY seq")
    database.close()
    said = [json.loads(text) for text in (first, second)]
    assert [entry["outcome"] for entry in said] == ["done", "requested"]
    assert {entry["detail"]["title"] for entry in said} == {"manage.py migrate -v0"}
    assert {entry["actor"] for entry in said} == {audit.os_actor().name}
    settings.AUDIT_KEY = (data / "audit.key").read_text()
    assert (one, two) == (audit.sign(audit.GENESIS, first), audit.sign(one, second))
