"""Somebody has the database in hand, but not the data directory, and tries to make history anew while the portal goes
on writing, or to keep `verify` from saying what it finds."""

import json
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import User
from operations import audit, exporting, verifying
from operations.models import AuditEntry, AuditHead
from operations.roles import Actor
from tests.operations.rig import say
from tests.operations.test_audit import guards, roll_back_to, unguarded, verdict

sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps only what fits a column's type")


@pytest.fixture
def log(transactional_db):
    """Five entries, committed."""
    for number in range(1, 6):
        say("test.act", target=f"b1/slot:{number}")


def run(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values) or None)


@pytest.fixture
def open_log(db, django_capture_on_commit_callbacks):
    """Five entries and no trigger, until the test ends."""
    with django_capture_on_commit_callbacks(execute=True):
        for number in range(1, 6):
            say("test.act", target=f"b1/slot:{number}")
    if connection.vendor == "sqlite":
        for name in (*guards.SQLITE, "audit_words", "audit_words_gone"):
            run(f"DROP TRIGGER {name}")
    else:
        run("DROP TRIGGER audit_no_change ON operations_auditentry")


def change(seq: int, **columns: object) -> None:
    """Write whatever SQL lets one write into an entry's columns."""
    for name, value in columns.items():
        run(f"UPDATE operations_auditentry SET {name} = %s WHERE seq = %s", value, seq)


# While the portal goes on writing


def test_an_older_copy_of_the_database_is_found_also_once_the_portal_has_written_more_than_was_lost(log):
    roll_back_to(3)
    for _ in range(4):
        say("test.other")
    assert verdict() == (4, "entry 4 is not the one that DATA/audit.head remembers")


def test_it_is_found_however_much_is_written_afterwards(log, monkeypatch):
    monkeypatch.setattr(audit, "HEAD_FILE_BYTES", 400)
    roll_back_to(3)
    for _ in range(30):
        say("test.other")
    assert audit.head_file().stat().st_size < 700
    assert verdict() == (4, "entry 4 is not the one that DATA/audit.head remembers")


SILENCE = {
    "sqlite": """
        CREATE TRIGGER silence AFTER UPDATE OF mac ON operations_audithead
        WHEN (SELECT actor FROM operations_auditentry WHERE seq = NEW.seq) = 'mallory' BEGIN
        UPDATE operations_audithead SET seq = OLD.seq - 1, mac = OLD.mac;
        DELETE FROM operations_auditentry WHERE seq = OLD.seq; END""",
    "postgresql": """
        CREATE OR REPLACE FUNCTION silence() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF (SELECT actor FROM operations_auditentry WHERE seq = NEW.seq) = 'mallory' THEN
        DELETE FROM operations_auditentry WHERE seq = NEW.seq; NEW.seq = OLD.seq - 1; NEW.mac = OLD.mac;
        END IF; RETURN NEW; END $$;
        CREATE TRIGGER silence BEFORE UPDATE OF mac ON operations_audithead FOR EACH ROW EXECUTE FUNCTION silence()""",
}


def test_a_trigger_that_takes_back_what_one_person_does_is_found(log):
    mallory = Actor("mallory", "operator")
    with unguarded():
        run(SILENCE[connection.vendor])
        say(actor=mallory)
        say()
        run("DROP TRIGGER silence" + (" ON operations_audithead" if connection.vendor == "postgresql" else ""))
    assert not AuditEntry.objects.filter(actor="mallory").exists()
    assert AuditHead.objects.get().seq == 6
    assert verdict() == (6, "entry 6 is not the one that DATA/audit.head remembers")


# What `verify` cannot read


@pytest.mark.parametrize("mac", ["\u00fc" * 64, "", "0" * 63])
def test_a_signature_that_can_be_none_is_named(open_log, mac):
    change(3, mac=mac)
    assert verdict() == (3, "entry 3 was changed or re-ordered: its signature does not match")


@sqlite
@pytest.mark.parametrize(
    "at", ["yesterday", "", 7, 1e300, "9999-99-99 00:00:00", "20261123T071841.5", "2026-11-23T07:18:41Z"]
)
def test_a_time_that_is_none_or_is_written_so_that_no_filter_finds_it_is_named(open_log, at):
    change(3, at=at)
    assert verdict() == (3, "entry 3 shows another time than it was signed with")


@sqlite
def test_the_same_moment_written_in_another_way_is_named(open_log):
    at = AuditEntry.objects.get(seq=3).at
    change(3, at=f"{at:%Y%m%dT%H%M%S.%f}")
    assert verdict() == (3, "entry 3 shows another time than it was signed with")


@sqlite
@pytest.mark.parametrize("operation", ["none", 7])
def test_an_operation_that_is_none_is_named(open_log, operation):
    change(3, operation_id=operation)
    broken_at, problem = verdict()
    assert broken_at == 3
    assert "shows operation" in problem


@sqlite
def test_the_same_operation_written_in_another_way_is_named(open_log, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        say(operation_id=UUID(int=0xABCD))
    assert verdict() == (None, "")
    change(6, operation_id="0000000000000000000000000000ABCD")
    assert verdict()[0] == 6


@sqlite
@pytest.mark.parametrize("column", ["actor", "at", "text", "mac", "operation_id"])
@pytest.mark.parametrize("chunk", [2, 2000])
def test_bytes_that_are_no_text_are_named(open_log, column, chunk, monkeypatch):
    monkeypatch.setattr(verifying, "CHUNK", chunk)
    run(f"UPDATE operations_auditentry SET {column} = CAST(x'ff00fe' AS TEXT) WHERE seq = 3")
    assert verdict() == (3, "entry 3 cannot be read")


@sqlite
@pytest.mark.parametrize("seq", ["abc", 3.5, -7, b"\xff"])
def test_a_number_that_is_none_is_named(open_log, seq):
    run("UPDATE operations_auditentry SET seq = %s WHERE seq = 3", seq)
    broken_at, problem = verdict()
    assert broken_at == (1 if seq == -7 else 3)
    assert "is missing" in problem


MADE_UP = ["", "{}", "[]", "7", '{"detail":{}}', '{"detail":{"to":"x","mac":""}}', '{"detail":{"to":null,"mac":1}}']


@pytest.mark.parametrize("text", [*MADE_UP, *(json.dumps({"detail": {"to": to, "mac": ""}}) for to in (-3, 6, 10**30))])
def test_a_checkpoint_that_says_nothing_of_use_is_named(open_log, text):
    made = AuditEntry(seq=6, at=timezone.now(), actor="root", source="cli", action="audit.retain", outcome="done")
    made.text, made.mac = text, "0" * 64
    made.save(force_insert=True)
    AuditHead.objects.update(seq=6, mac=made.mac)
    assert verdict() == (6, "entry 6 was changed or re-ordered: its signature does not match")


def test_a_head_row_that_is_gone_is_named(open_log):
    AuditHead.objects.all().delete()
    assert verdict() == (6, "the head row, which says how many entries there are, is gone")


def test_a_head_file_that_is_gone_is_named(open_log):
    audit.head_file().unlink()
    assert verdict() == (6, "DATA/audit.head is gone or empty, which remembers where the log ends")


@pytest.mark.parametrize("line", ['{"seq":1,"mac":7}', '{"seq":1,"mac":"\u00fc"}', '{"seq":1,"mac":"x","a":"\\ud800"}'])
def test_a_line_that_no_export_wrote_is_named(open_log, tmp_path, line):
    file = tmp_path / "audit.jsonl"
    file.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(CommandError, match="Broken at entry 1: "):
        call_command("audit", "verify", str(file))


# What the pages say


def test_no_row_of_the_database_says_whether_the_log_is_whole(open_log, client, data_dir):
    client.force_login(User.objects.create_user("alice", role="administrator"))
    change(3, actor="mallory")
    verifying.remember(verifying.verify())
    for model in apps.get_models():
        names = [field.attname for field in model._meta.concrete_fields]
        assert not [row for row in model.objects.values_list(*names) if "signed with" in str(row)], model
    assert "The audit log is broken at entry 3" in client.get("/account/").content.decode()


def test_a_verdict_that_a_power_failure_cut_short_is_none(data_dir):
    verifying.remember(verifying.Verdict(3))
    file = data_dir / "audit.verdict"
    for length in (0, 5, 30):
        file.write_text(file.read_text()[:length])
        assert verifying.last_check() is None


@pytest.mark.parametrize("text", ["[]", "{}", '{"checked": 3}', '{"at": "2026-11-23T12:00:00+00:00", "more": 1}'])
def test_a_verdict_of_another_version_is_none(data_dir, text):
    (data_dir / "audit.verdict").write_text(text)
    assert verifying.last_check() is None


def test_what_is_found_is_said_also_where_it_cannot_be_kept(open_log, data_dir, caplog):
    (data_dir / "audit.verdict").mkdir()  # nothing can take its place, as on a disk that is full or read-only
    change(3, actor="mallory")
    found = verifying.walk(None)
    assert isinstance(found, verifying.Verdict)
    assert found.broken_at == 3
    assert "could not be kept" in caplog.text
    assert verifying.last_check() is None
    assert "cannot be read" in caplog.text
    assert [file.name for file in data_dir.iterdir() if "verdict" in file.name] == ["audit.verdict"]


@pytest.mark.parametrize("text", ["", "not JSON", "[3]", "{}", '{"detail": 3}'])
def test_the_other_entries_are_still_to_be_read(open_log, client, text):
    client.force_login(User.objects.create_user("alice", role="administrator"))
    change(3, text=text)
    for page in ("/audit/", "/audit/?open=3"):
        assert client.get(page).status_code == 200, page
    assert client.get("/api/v1/audit/3").json()["credential"] is None
    for form in ("csv", "jsonl"):
        assert "b1/slot:5" in "".join(exporting.pieces(AuditEntry.objects.all(), form))
