"""The audit log cannot be changed unnoticed: triggers refuse, the chain tells, DATA/audit.head remembers."""

import json
import os
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from operations import audit, verifying
from operations.models import AuditEntry, AuditHead
from operations.roles import Actor
from tests.operations.rig import in_processes, say, together

guards = import_module("operations.migrations.0002_audit_triggers")
concurrent = pytest.mark.django_db(transaction=True)


@contextmanager
def unguarded():
    """The log as somebody with the database in hand may treat it: the triggers are lifted."""
    with connection.schema_editor() as editor:
        guards.unguard(apps, editor)
    try:
        yield AuditEntry.objects
    finally:
        with connection.schema_editor() as editor:
            guards.guard(apps, editor)


@pytest.fixture
def log(transactional_db, data_dir):
    """Five entries, committed."""
    for number in range(1, 6):
        say("test.act", target=f"b1/slot:{number}", reason=f"reason {number}")


def verdict() -> tuple[int | None, str]:
    found = verifying.verify()
    return found.broken_at, found.problem


# Writing


def test_an_entry_outside_of_the_transaction_of_its_act_is_a_bug(transactional_db):
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record("test.act", actor=audit.os_actor(), target="b1")


def test_an_act_that_is_rolled_back_leaves_no_entry_and_no_gap(transactional_db):
    say()
    with transaction.atomic():
        audit.record("test.act", actor=audit.os_actor(), target="b1")
        transaction.set_rollback(True)
    assert say() == 2
    assert verifying.verify() == verifying.Verdict(2)


def test_an_entry_says_who_by_which_door_on_what_with_which_outcome(transactional_db):
    actor = Actor("alice", "operator", 7, source="api", credential="session", address="10.0.0.9")
    say("power.reset", actor=actor, target="b1/slot:3", outcome="requested", reason="stuck", detail={"n": 1})
    entry = AuditEntry.objects.get()
    said = json.loads(entry.text)
    assert {**said, "at": entry.at.isoformat()} == said
    assert said == {
        "seq": 1,
        "at": said["at"],
        "actor": "alice",
        "actor_user_id": 7,
        "role": "operator",
        "source": "api",
        "credential": "session",
        "address": "10.0.0.9",
        "action": "power.reset",
        "target": "b1/slot:3",
        "outcome": "requested",
        "code": "",
        "reason": "stuck",
        "operation": None,
        "detail": {"n": 1},
    }


@pytest.mark.parametrize("changed", [{"before": "viewer"}, {"after": ["alice"]}])
def test_a_before_or_after_that_no_page_could_show_is_a_bug(transactional_db, changed):
    with pytest.raises(TypeError, match="have to be fields"):
        say(detail=changed)


@concurrent
def test_entries_of_eight_threads_form_one_chain_without_gaps():
    together(lambda number: [say(target=f"b1/slot:{number}") for _ in range(5)])
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))
    assert verifying.verify() == verifying.Verdict(40)


@concurrent
def test_entries_of_eight_processes_form_one_chain_without_gaps():
    numbers = in_processes(lambda number: [say(target=f"b1/slot:{number}") for _ in range(3)])
    assert sorted(chain.from_iterable(numbers)) == list(range(1, 25))
    assert verifying.verify() == verifying.Verdict(24)


# The triggers

OF_ENTRY_3 = "INTO operations_auditentry SELECT * FROM operations_auditentry WHERE seq = 3"
CHANGES = {
    "UPDATE": "UPDATE operations_auditentry SET actor = 'mallory' WHERE seq = 3",
    "DELETE": "DELETE FROM operations_auditentry WHERE seq = 3",
    "upsert": f"INSERT {OF_ENTRY_3} ON CONFLICT (seq) DO UPDATE SET actor = 'mallory'",
}
if connection.vendor == "sqlite":
    CHANGES["INSERT OR REPLACE"] = f"INSERT OR REPLACE {OF_ENTRY_3}"
    CHANGES["REPLACE"] = f"REPLACE {OF_ENTRY_3}"
    CHANGES["UPDATE OR REPLACE"] = "UPDATE OR REPLACE operations_auditentry SET seq = 3 WHERE seq = 4"
else:
    CHANGES["TRUNCATE"] = "TRUNCATE operations_auditentry"


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_to_change_or_remove_an_entry(log, change):
    before = list(AuditEntry.objects.values())
    with pytest.raises(DatabaseError, match="audit entries are never"), connection.cursor() as cursor:
        cursor.execute(CHANGES[change])
    assert list(AuditEntry.objects.values()) == before


def test_the_triggers_are_tried_on_the_database_that_the_environment_names():
    named = os.environ.get("DATABASE_URL", "sqlite:").partition(":")[0]
    assert connection.vendor == {"postgres": "postgresql"}.get(named, named)


# What `verify` notices


def test_an_untouched_log_is_whole(log):
    assert verifying.verify() == verifying.Verdict(5)


def test_an_empty_log_is_whole(transactional_db):
    assert verifying.verify() == verifying.Verdict(0)


def test_a_changed_text_is_named(log):
    with unguarded() as entries:
        text = entries.get(seq=3).text.replace("reason 3", "reason X")
        entries.filter(seq=3).update(text=text)
    assert verdict() == (3, "entry 3 was changed or re-ordered: its signature does not match")


@pytest.mark.parametrize("column", audit.COLUMNS)
def test_a_column_that_says_something_else_than_the_signed_text_is_named(log, column):
    with unguarded() as entries:
        entries.filter(seq=3).update(**{column: "mallory"})
    broken_at, problem = verdict()
    assert broken_at == 3
    assert f"entry 3 shows {column} 'mallory' but was signed with" in problem


def test_another_time_or_operation_than_the_signed_one_is_named(log):
    with unguarded() as entries:
        entries.filter(seq=4).update(operation_id="00000000-0000-0000-0000-000000000001")
        assert verdict()[0] == 4
        entries.filter(seq=2).update(at=entries.get(seq=3).at)
    assert verdict() == (2, "entry 2 shows another time than it was signed with")


def test_an_entry_that_is_missing_in_the_middle_is_named(log):
    with unguarded() as entries:
        entries.filter(seq=3).delete()
    assert verdict() == (3, "entry 3 is missing; the next one is 4")


def test_a_first_entry_that_is_missing_is_named(log):
    with unguarded() as entries:
        entries.filter(seq=1).delete()
    assert verdict() == (1, "entry 1 is missing; the next one is 2")


def test_entries_that_are_missing_at_the_end_are_named(log):
    with unguarded() as entries:
        entries.filter(seq__gt=3).delete()
    assert verdict() == (4, "the head row says 5 entries, the log ends at 3")


def test_entries_in_another_order_are_named(log):
    with unguarded() as entries:
        for old, new in [(2, 99), (3, 2), (99, 3)]:
            entries.filter(seq=old).update(seq=new)
    assert verdict()[0] == 2


def test_an_entry_that_was_added_before_the_first_is_named(log):
    with unguarded() as entries:
        first = entries.get(seq=1)
        first.seq = -1
        first.save(force_insert=True)
    assert verdict() == (1, "entry 1 is missing; the next one is -1")


def test_a_chain_that_was_computed_anew_without_the_key_is_named(log, settings):
    key = settings.AUDIT_KEY
    settings.AUDIT_KEY = "a key that mallory made up"
    with unguarded() as entries:
        previous = audit.GENESIS
        for entry in entries.order_by("seq"):
            previous = audit.sign(previous, entry.text)
            entries.filter(seq=entry.seq).update(mac=previous)
        AuditHead.objects.update(mac=previous)
    audit.head_file().unlink()
    settings.AUDIT_KEY = key
    assert verdict() == (1, "entry 1 was changed or re-ordered: its signature does not match")


def roll_back_to(seq: int) -> None:
    """The end of the log and its head row, put back together to an earlier state that was once true."""
    with unguarded() as entries:
        entries.filter(seq__gt=seq).delete()
        AuditHead.objects.update(seq=seq, mac=entries.get(seq=seq).mac)


def test_a_log_and_head_row_that_were_rolled_back_together_are_found_by_the_head_file(log):
    roll_back_to(3)
    assert verdict() == (4, "DATA/audit.head remembers entry 5, the log ends at 3")


def test_a_log_that_was_rolled_back_and_written_on_is_found_by_the_head_file(log):
    roll_back_to(3)
    with transaction.atomic():  # written on by somebody who has the key, but not this data directory
        remembered = audit.head_file().read_text()
        for _ in range(3):
            audit.record("test.other", actor=audit.os_actor(), target="b1")
    audit.head_file().write_text(remembered)
    assert verdict() == (4, "entry 4 is not the one that DATA/audit.head remembers")


def test_an_entry_of_another_history_in_the_same_place_breaks_the_chain_after_it(log):
    other = AuditEntry.objects.get(seq=4)
    roll_back_to(3)
    for _ in range(2):
        say("test.other")
    with unguarded() as entries:
        entries.filter(seq=4).delete()
        other.save(force_insert=True)  # signed with the right key, as the fourth, after the same third
    audit.head_file().unlink()
    assert verdict() == (5, "entry 5 was changed or re-ordered: its signature does not match")


def test_verifying_a_log_longer_than_a_chunk_sees_every_entry(log, monkeypatch):
    monkeypatch.setattr(verifying, "CHUNK", 2)
    assert verifying.verify() == verifying.Verdict(5)
    with unguarded() as entries:
        entries.filter(seq=5).update(actor="mallory")
    assert verdict()[0] == 5


@concurrent
def test_verifying_while_others_write_finds_the_log_whole_and_lets_them_write(log, monkeypatch):
    monkeypatch.setattr(verifying, "CHUNK", 3)

    def work(number: int) -> list[object]:
        return [verifying.verify().problem if number == 0 else say() for _ in range(10)]

    problems, *written = together(work, count=4)
    assert problems == [""] * 10
    assert sorted(chain.from_iterable(written)) == list(range(6, 36))


# DATA/audit.head


def test_the_head_file_remembers_every_committed_head(log, data_dir):
    lines = [line.split() for line in (data_dir / "audit.head").read_text().splitlines()]
    assert [int(seq) for seq, _ in lines] == [1, 2, 3, 4, 5]
    assert lines[-1][1] == AuditHead.objects.get().mac


def test_a_line_that_a_power_failure_cut_short_is_passed_over(log, data_dir):
    whole = (data_dir / "audit.head").read_text()
    for length in (3, 30, 65):
        (data_dir / "audit.head").write_text(
            whole[: -len(whole.splitlines()[-1]) - 1] + whole.splitlines()[-1][:length]
        )
        assert verifying.verify() == verifying.Verdict(5)


def test_what_follows_a_line_that_was_cut_short_is_not_glued_to_it(log, data_dir):
    with open(data_dir / "audit.head", "a") as stream:
        stream.write("1")
    say()
    assert verifying.verify() == verifying.Verdict(6)
    assert max(audit.heads(data_dir / "audit.head"))[0] == 6


def test_a_crash_between_commit_and_the_head_file_is_no_tampering(log, data_dir):
    lines = (data_dir / "audit.head").read_text().splitlines(keepends=True)
    (data_dir / "audit.head").write_text("".join(lines[:-1]))
    assert verifying.verify() == verifying.Verdict(5)
    say()
    assert verifying.verify() == verifying.Verdict(6)


def test_a_head_file_that_cannot_be_written_does_not_undo_or_hide_what_was_done(log, data_dir, caplog):
    (data_dir / "audit.head").unlink()
    (data_dir / "audit.head").mkdir()
    assert say() == 6
    assert "audit.head" in caplog.text


def test_the_head_file_stays_short_and_keeps_the_newest_head(log, data_dir, monkeypatch):
    monkeypatch.setattr(audit, "HEAD_FILE_BYTES", 400)
    for _ in range(20):
        say()
    path = Path(data_dir / "audit.head")
    assert path.stat().st_size < 600
    assert max(audit.heads(path))[0] == 25
    assert verifying.verify() == verifying.Verdict(25)
