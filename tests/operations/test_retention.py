"""Old entries leave the log only by a file and a checkpoint, and whoever takes one out otherwise is found."""

import fcntl
import hashlib
import io
import json
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from operations import audit, retention, verifying
from operations.models import AuditEntry, AuditHead
from operations.refusals import Conflict
from operations.verifying import Verdict
from tests.operations.rig import say
from tests.operations.test_audit import CHANGES, roll_back_to, unguarded

concurrent = pytest.mark.django_db(transaction=True)


@contextmanager
def days_ago(days: int):
    """What is recorded inside happened then."""
    real = timezone.now
    timezone.now = lambda: real() - timedelta(days=days)
    try:
        yield
    finally:
        timezone.now = real


@pytest.fixture
def log(transactional_db, data_dir):
    """Seven entries: four of 100 days ago, one of 10 days ago, two of today."""
    for number, days in enumerate((100, 100, 100, 100, 10, 0, 0), start=1):
        with days_ago(days):
            say("test.act", target=f"b1/slot:{number}", reason=f"reason {number}")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


def retain(folder, days: int = 30) -> str:
    return run("retain", "--keep-days", str(days), "--to", str(folder))


def seqs() -> list[int]:
    return list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True))


def triggers() -> set[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname::text || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal")
        return {row[0] for row in cursor.fetchall()}


# What it does


def test_old_entries_go_to_a_file_and_a_checkpoint_says_what_went(log, folder):
    before = list(AuditEntry.objects.order_by("seq").values_list("text", "mac")[:4])
    said = retain(folder)
    assert seqs() == [5, 6, 7, 8]
    (file,) = folder.iterdir()
    assert file.name == "audit-000000001-000000004.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(audit.canonical({k: v for k, v in line.items() if k != "mac"}), line["mac"]) for line in lines] == before
    checkpoint = json.loads(AuditEntry.objects.get(seq=8).text)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert checkpoint["action"] == "audit.retain"
    assert checkpoint["source"] == "cli"
    assert checkpoint["actor"] == audit.os_actor().name
    assert {name: checkpoint["detail"][name] for name in ("from", "to", "mac", "sha256", "file")} == {
        "from": 1,
        "to": 4,
        "mac": before[-1][1],
        "sha256": sha256,
        "file": file.name,
    }
    assert f"Entries 1 to 4 are in {file} (SHA-256 {sha256}); checkpoint: entry 8." in said


def test_the_log_is_whole_across_a_checkpoint_and_across_the_next_one(log, folder):
    retain(folder)
    assert verifying.verify() == Verdict(4)
    say()
    assert verifying.verify() == Verdict(5)
    retain(folder, days=5)
    assert seqs() == [6, 7, 8, 9, 10]
    assert verifying.verify() == Verdict(5)
    assert [file.name for file in sorted(folder.iterdir())] == [
        "audit-000000001-000000004.jsonl",
        "audit-000000005-000000005.jsonl",
    ]


def test_many_entries_go_in_rounds_each_with_its_file_and_checkpoint(log, folder, monkeypatch):
    monkeypatch.setattr(retention, "ROUND", 2)
    said = retain(folder)
    assert len(said.splitlines()) == 2
    assert seqs() == [5, 6, 7, 8, 9]
    assert verifying.verify() == Verdict(5)
    files = sorted(str(file) for file in folder.iterdir())
    assert run("verify", *files) == ("The files are whole: 4 entries up to 4; the log has the same entry.\n")


def test_all_that_there_is_can_go_and_the_checkpoint_stays(log, folder):
    list(retention.retain(timezone.now(), folder, audit.os_actor()))
    assert seqs() == [8]
    assert verifying.verify() == Verdict(1)
    assert say() == 9


def test_a_walk_begun_before_goes_on_behind_the_checkpoint(log, folder):
    place = verifying.go_on(verifying.beginning(), 2)
    retain(folder)
    place = verifying.go_on(place, 2)
    assert (place.last, place.began) == (4, 4)
    while isinstance(place, verifying.Place):
        place = verifying.go_on(place)
    assert place == Verdict(4)


def test_an_entry_whose_time_is_in_the_future_keeps_nothing(transactional_db, data_dir, folder):
    for days in (100, -4000, 100, 0):
        with days_ago(days):
            say()
    retain(folder)
    assert seqs() == [4, 5]


def test_nothing_that_is_old_enough_is_no_error_and_no_entry(log, folder):
    assert "nothing was taken out" in retain(folder, days=1000)
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]
    assert not list(folder.iterdir())


def test_what_is_gone_is_no_longer_found_by_its_words(log, folder):
    assert "reason 3" in run("export", "--text", "b1/slot:3")
    retain(folder)
    assert run("export", "--text", "b1/slot:3") == ""
    assert "reason 5" in run("export", "--text", "b1/slot:5")


# What it refuses


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_changes_after_it_as_before(log, folder, change):
    guards = triggers()
    for _ in range(4):
        say()
    with days_ago(-0):
        retain(folder)
    assert triggers() == guards
    statement = CHANGES[change].replace("seq = 3", "seq = 7").replace("seq = 4", "seq = 6")
    with pytest.raises(DatabaseError, match="audit entries are never"), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_broken_chain_loses_nothing(log, folder):
    with unguarded() as entries:
        entries.filter(seq=6).update(actor="mallory")
    with pytest.raises(CommandError, match=r"broken at entry 6.*Nothing was taken out") as refusal:
        retain(folder)
    assert refusal.value.returncode == 1
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]
    assert not list(folder.iterdir())
    assert verifying.last_check().broken_at == 6


def test_a_file_that_cannot_be_written_loses_nothing(log, folder):
    (folder / "audit.part").mkdir()
    with pytest.raises(CommandError, match="Is a directory"):
        retain(folder)
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]


def test_a_file_of_that_name_that_holds_something_else_is_not_touched(log, folder):
    file = folder / "audit-000000001-000000004.jsonl"
    file.write_text("last year's\n")
    with pytest.raises(CommandError, match="exists and holds something else"):
        retain(folder)
    assert file.read_text() == "last year's\n"
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]


def test_two_runs_into_one_directory_do_not_write_over_each_other(log, folder):
    with open(folder / "audit.part", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="written by another run; wait for its end"):
            retain(folder)
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]
    retain(folder)
    assert [file.name for file in folder.iterdir()] == ["audit-000000001-000000004.jsonl"]


def test_a_round_that_fails_in_its_transaction_leaves_all_entries_and_can_be_done_again(log, folder, monkeypatch):
    guards = triggers()
    record = audit.record

    def fail(*args, **more):
        raise RuntimeError("the power is cut here")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError, match="power"):
        retain(folder)
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]
    assert triggers() == guards
    monkeypatch.setattr(audit, "record", record)
    retain(folder)
    assert seqs() == [5, 6, 7, 8]
    assert verifying.verify() == Verdict(4)


def test_an_entry_changed_while_its_round_is_written_stops_the_round(log, folder, monkeypatch):
    write = retention._write

    def change_meanwhile(file, pieces):
        sha256 = write(file, pieces)
        file.write_text(file.read_text().replace("reason 2", "reason X"))
        return sha256

    monkeypatch.setattr(retention, "_write", change_meanwhile)
    with pytest.raises(CommandError, match="is not what the log holds: entry 2 was changed"):
        retain(folder)
    assert seqs() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--keep-days", "0"], "no number of days"),
        (["--keep-days", "many"], "no number of days"),
        (["--before", "yesterday"], "no date like"),
        (["--before", "2999-01-01"], "has not come yet"),
        ([], "one of the arguments"),
    ],
)
def test_a_time_that_cannot_be_is_refused_in_a_sentence(log, folder, words, problem):
    with pytest.raises(CommandError, match=problem):
        run("retain", *words, "--to", str(folder))
    assert len(seqs()) == 7


def test_a_directory_that_is_not_there_is_refused(log, tmp_path):
    with pytest.raises(CommandError, match="is no directory"):
        retain(tmp_path / "nowhere")


@concurrent
def test_others_go_on_recording_and_nothing_is_lost(log, folder, monkeypatch):
    monkeypatch.setattr(retention, "ROUND", 1)
    stop, written = threading.Event(), []

    def record() -> None:
        while not stop.is_set():
            written.append(say())
        connection.close()

    thread = threading.Thread(target=record)
    thread.start()
    try:
        retain(folder)
    finally:
        stop.set()
        thread.join(30)
    assert set(written) <= set(seqs())
    assert verifying.verify().whole


# What somebody with the database, but not the data directory, may try


@pytest.fixture
def retained(log, folder):
    """The log after retention: entries 5 to 7, the checkpoint 8, one more."""
    retain(folder)
    say()
    return folder


def problem() -> tuple[int | None, str]:
    found = verifying.verify()
    return found.broken_at, found.problem


def test_more_entries_gone_than_the_checkpoint_says_are_found(retained):
    with unguarded() as entries:
        entries.filter(seq=5).delete()
    assert problem() == (5, "entry 5 is missing; the next one is 6")


def test_a_checkpoint_that_is_gone_is_found(retained):
    with unguarded() as entries:
        entries.filter(seq=8).delete()
    assert problem() == (1, "entry 1 is missing; the next one is 5")


def test_a_checkpoint_that_was_changed_to_hide_a_removal_is_found(retained):
    with unguarded() as entries:
        row = entries.get(seq=8)
        text = row.text.replace('"to":4', '"to":5').replace(
            json.loads(row.text)["detail"]["mac"], entries.get(seq=5).mac
        )
        entries.filter(seq=5).delete()
        entries.filter(seq=8).update(text=text)
    assert problem() == (8, "entry 8 was changed or re-ordered: its signature does not match")


def test_a_checkpoint_that_somebody_made_up_is_found(log):
    with unguarded() as entries, transaction.atomic():
        fourth = entries.get(seq=4)
        made = AuditEntry(seq=8, at=timezone.now(), actor="root", source="cli", action="audit.retain", outcome="done")
        said = {"detail": {"from": 1, "to": 4, "mac": fourth.mac}}
        made.text, made.mac = audit.canonical(said), "0" * 64
        entries.filter(seq__lte=4).delete()
        made.save(force_insert=True)
        AuditHead.objects.update(seq=8, mac=made.mac)
    assert problem() == (8, "entry 8 was changed or re-ordered: its signature does not match")


def test_an_entry_put_back_before_the_checkpoint_is_found(log, folder):
    second = AuditEntry.objects.get(seq=2)
    retain(folder)
    second.save(force_insert=True)
    assert problem() == (2, "entry 2 is there, but the entries up to 4 were taken out by retention")


def test_a_log_rolled_back_behind_its_checkpoint_is_found(retained):
    roll_back_to(7)
    assert problem()[0] == 1


def test_exported_files_that_were_changed_cut_or_left_out_are_found(log, folder, monkeypatch):
    monkeypatch.setattr(retention, "ROUND", 2)
    retain(folder)
    first, second = sorted(folder.iterdir())
    for files in ([second], [second, first]):
        with pytest.raises(CommandError, match="Broken at entry 1: entry 1 is missing; the next one is 3"):
            run("verify", *map(str, files))
    whole = first.read_text()
    first.write_text(whole.replace("reason 1", "reason X"))
    with pytest.raises(CommandError, match="Broken at entry 1: entry 1 was changed"):
        run("verify", str(first), str(second))
    first.write_text(whole[:-20])
    with pytest.raises(CommandError, match="Broken at entry 2: the line for entry 2 is no exported entry"):
        run("verify", str(first), str(second))


def test_retaining_what_is_not_whole_is_a_refusal_to_callers_too(log, folder):
    with unguarded() as entries:
        entries.filter(seq=2).update(reason="x")
    with pytest.raises(Conflict, match="Nothing was taken out"):
        list(retention.retain(timezone.now(), folder, audit.os_actor()))
