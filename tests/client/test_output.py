"""Where nobody reads, or nothing can be written: a script can trust the exit code nevertheless."""

import errno
import os
import subprocess
from typing import Any

import click
import pytest

from nanoportal_client import output
from nanoportal_client.problems import Exit
from operations.models import Operation, OperationState
from tests.client.rig import PROGRAM, CommandLine
from tests.slots.rig import OFF, believe

CM4 = 2


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`unwritable(errno.EPIPE)`: that is what comes of writing to standard output."""

    def fail(number: int) -> None:
        def echo(text: str, *, err: bool, **more: Any) -> None:
            if not err:
                raise OSError(number, os.strerror(number))  # which Python makes a BrokenPipeError of EPIPE
            click.echo(text, err=err, **more)

        monkeypatch.setattr(output, "click", type("click", (), {"echo": staticmethod(echo)}))

    return fail


def failed(olga: CommandLine) -> str:
    """The id of an operation that has failed."""
    believe(CM4, OFF)
    asked = str(olga("power", "on", "2", "--json").json[0]["id"])
    Operation.objects.update(state=OperationState.FAILED, message="It burnt.", code="burnt")
    return asked


def test_a_command_whose_reader_has_gone_ends_as_it_would_have(olga: CommandLine, unwritable) -> None:
    asked = failed(olga)
    unwritable(errno.EPIPE)
    ended = olga("wait", asked)
    assert (ended.code, ended.err) == (Exit.FAILED, "Error: Power on slot 2: It burnt.\n")
    assert olga("boards").code == Exit.DONE


def test_a_full_disk_is_a_sentence_and_no_success(olga: CommandLine, unwritable) -> None:
    unwritable(errno.ENOSPC)
    ended = olga("boards")
    assert (ended.code, ended.err) == (Exit.FAULT, "Error: The output cannot be written: No space left on device.\n")


def test_what_nobody_reads_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        output.put("x" * 100_000)
        output.put("and once more")


def test_help_that_nobody_reads_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "--help"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (Exit.DONE, b"")
