"""Retention is killed at each of its steps (signal 9, as a power cut): nothing is lost, the guards stand, and the next
run does what this one did not."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from operations import audit, exporting, verifying
from tests.operations.rig import say
from tests.operations.test_retention import days_ago, retain, run, seqs, triggers


@pytest.fixture
def folder(transactional_db, tmp_path):
    """Where files go; four entries of 100 days ago, one of 10, one of today."""
    for days in (100, 100, 100, 100, 10, 0):
        with days_ago(days):
            say()
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def die(*args: object, **more: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_file(patch: pytest.MonkeyPatch) -> None:
    def half(*about):
        yield "{"
        die()

    patch.setattr(exporting, "pieces", half)


def before_the_file_has_its_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "rename", die)


def before_the_file_is_verified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifying, "verify_lines", die)


def at_the_statement(words: str) -> Callable[[pytest.MonkeyPatch], None]:
    def arm(patch: pytest.MonkeyPatch) -> None:
        def execute(do, sql, values, many, context):
            if sql.startswith(words):
                die()
            return do(sql, values, many, context)

        connection.execute_wrappers.append(execute)

    return arm


def before_the_checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "record", die)


def before_the_commit(patch: pytest.MonkeyPatch) -> None:
    record = audit.record

    def last(*args, **more):
        record(*args, **more)
        die()

    patch.setattr(audit, "record", last)


def after_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(audit, "append_head", die)


STEPS = {
    "half a file": half_a_file,
    "before the file has its name": before_the_file_has_its_name,
    "before the file is verified": before_the_file_is_verified,
    "before entries go": at_the_statement("DELETE"),
    "before the checkpoint": before_the_checkpoint,
    "before the commit": before_the_commit,
    "after the commit": after_the_commit,
}


def killed(step: Callable[[pytest.MonkeyPatch], None], folder: Path) -> None:
    """Run retention in a process that dies there."""

    def work() -> None:
        step(pytest.MonkeyPatch())
        retain(folder)

    connection.close()  # a child must not share it
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_it_is_killed_at_a_later_run_ends_what_it_began(folder, step):
    guards = triggers()
    killed(STEPS[step], folder)
    assert triggers() == guards
    assert verifying.verify().whole
    assert seqs() == ([5, 6, 7] if step == "after the commit" else [1, 2, 3, 4, 5, 6])
    retain(folder, days=5)
    assert triggers() == guards
    assert verifying.verify().whole
    assert seqs()[0] == 6
    files = sorted(str(file) for file in folder.iterdir())
    assert run("verify", *files) == "The files are whole: 5 entries up to 5; the log has the same entry.\n"
