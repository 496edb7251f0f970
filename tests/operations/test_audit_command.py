"""`manage.py audit`, and the triggers in a database as `make run` makes it."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from operations import audit
from operations.roles import Actor
from tests.operations.rig import say

PROJECT = Path(__file__).resolve().parents[2]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


def prepared(data: Path) -> sqlite3.Connection:
    """The database that the portal's own preparation makes in an empty data directory."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        cwd=PROJECT,
        env={**environment, "NANOPORTAL_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "setup_token" in json.loads(done.stdout)
    return sqlite3.connect(data / "portal.sqlite3")


def test_the_triggers_are_there_in_a_database_made_as_make_run_makes_it(tmp_path):
    database = prepared(tmp_path / "fresh")
    names = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    assert names >= {"audit_no_update", "audit_no_delete", "audit_no_replace"}
    said = database.execute("SELECT action, source FROM operations_auditentry ORDER BY seq").fetchall()
    assert said == [("portal.prepare", "cli"), ("setup.link", "cli")]
    assert database.execute("SELECT seq FROM operations_audithead").fetchall() == [(2,)]
    columns = "seq, at, actor, source, address, action, target, outcome, code, reason, text, mac"
    row = "3, '2026-01-01', 'a', 'web', '', 'x', 'b1', 'done', '', '', '{}', 'm'"
    database.execute(f"INSERT INTO operations_auditentry ({columns}) VALUES ({row})")
    for forbidden in (
        "UPDATE operations_auditentry SET actor = 'mallory'",
        "DELETE FROM operations_auditentry",
        f"INSERT OR REPLACE INTO operations_auditentry ({columns}) VALUES ({row})",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="audit entries are never"):
            database.execute(forbidden)
    database.close()


def test_verify_says_that_the_log_is_whole_and_how_long_it_is(transactional_db):
    say()
    say()
    assert run("verify") == "The audit log is whole: 2 entries, chain and head agree.\n"


def test_verify_names_the_first_broken_entry_and_ends_in_1(transactional_db, data_dir):
    say()
    (data_dir / "audit.head").write_text(f"7 {'0' * 64}\n")
    with pytest.raises(CommandError, match=r"Broken at entry 2: DATA/audit.head remembers entry 7") as refusal:
        run("verify")
    assert refusal.value.returncode == 1


def test_the_export_as_json_lines_holds_what_was_signed_and_the_signature(transactional_db):
    say(reason='ümlaut, "quotes" and a\nnew line')
    say(target="b1/slot:3")
    lines = [json.loads(line) for line in run("export").splitlines()]
    assert [line["seq"] for line in lines] == [1, 2]
    previous = audit.GENESIS
    for line in lines:
        mac = line.pop("mac")
        previous = audit.sign(previous, audit.canonical(line))
        assert mac == previous


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_export_is_a_formula_to_a_spreadsheet(db, start):
    with transaction.atomic():
        actor = Actor(name=f"{start}HYPERLINK(1)", source="web")
        audit.record("test.act", actor=actor, target="b1", reason=f'{start}2+3, quoted " and\nbroken')
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv"), newline="")))
    assert len(rows) == 1
    assert rows[0]["actor"] == f"'{start}HYPERLINK(1)"
    assert rows[0]["reason"].startswith(f"'{start}2+3, quoted")
    assert not [cell for cell in rows[0].values() if cell[:1] in "=+-@\t\r" and cell]


def test_the_csv_export_has_one_row_for_each_entry(transactional_db):
    for number in range(3):
        say(target=f"b1/slot:{number + 2}")
    rows = list(csv.DictReader(io.StringIO(run("export", "--format", "csv"), newline="")))
    assert [(row["seq"], row["target"]) for row in rows] == [("1", "b1/slot:2"), ("2", "b1/slot:3"), ("3", "b1/slot:4")]
