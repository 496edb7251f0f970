"""The command line as a package: what it imports, what it needs, and that it gets along with the portal's own names."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from nanoportal.env import load_env
from nanoportal_client.commands import cli
from tests.architecture.source import PROJECT, name, tree

CLIENT = PROJECT / "client" / "nanoportal_client"
NEEDED = {"click", "httpx", "websockets"}
MODULES = sorted(CLIENT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = {
        word.split(".")[0]
        for node in ast.walk(tree(path))
        for word in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_it_imports_nothing_of_the_portal_and_nothing_that_it_does_not_name(path: Path) -> None:
    assert imported(path) <= NEEDED | {"nanoportal_client"}


def test_everything_it_needs_is_pinned_as_the_tests_have_it() -> None:
    said = tomllib.loads((PROJECT / "client" / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {row.partition("==")[0] for row in said} == NEEDED
    ours = (PROJECT / "requirements-dev.txt").read_text().split()
    assert [row for row in said if row.partition("==")[0] + "==" in "".join(ours) and row not in ours] == []


def test_the_portal_starts_in_a_shell_that_is_set_up_for_the_client(tmp_path) -> None:
    names = ("NANOPORTAL_URL", "NANOPORTAL_TOKEN", "NANOPORTAL_CA", "NANOPORTAL_CONFIG")
    assert load_env({"NANOPORTAL_DATA": str(tmp_path), **dict.fromkeys(names, "x")}).data == tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_completion(shell: str) -> None:
    ended = CliRunner().invoke(cli, ["completion", shell])
    assert ended.exit_code == 0
    assert "_NANOPORTAL_COMPLETE" in ended.stdout


def test_bash_completes_a_command_by_what_it_was_given(tmp_path) -> None:
    """As after `eval "$(nanoportal completion bash)"`, with Tab pressed behind `nanoportal vlan co`."""
    program = tmp_path / "nanoportal"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nanoportal_client "$@"\n')
    program.chmod(0o755)
    given = CliRunner().invoke(cli, ["completion", "bash"]).stdout
    tab = "COMP_WORDS=(nanoportal vlan co) COMP_CWORD=2; _nanoportal_completion nanoportal; echo ${COMPREPLY[@]}"
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", f"{given}\n{tab}"], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("commit confirm\n", "")


def test_completion_knows_commands_and_options() -> None:
    environ = {"_NANOPORTAL_COMPLETE": "bash_complete", "COMP_WORDS": "nanoportal pow", "COMP_CWORD": "1"}
    ended = CliRunner().invoke(cli, [], env=environ, prog_name="nanoportal")
    assert "plain,power" in ended.stdout
    environ |= {"COMP_WORDS": "nanoportal power force", "COMP_CWORD": "2"}
    assert "plain,force-off" in CliRunner().invoke(cli, [], env=environ, prog_name="nanoportal").stdout


def leaves() -> list[str]:
    """Every command that does something, by its words."""
    return [
        part
        for word, command in cli.commands.items()
        for part in ([f"{word} {part}" for part in getattr(command, "commands", ())] or [word])
    ]


@pytest.mark.parametrize("words", leaves())
def test_every_help_has_an_example_that_is_right(words: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("lab.img.xz", "board.yaml"):
        (tmp_path / file).touch()
    command: Any = cli
    for word in words.split():
        command = command.commands[word]
    found = re.fullmatch(rf'Example.*: .*nanoportal {words}(.*?)( > \S+|\)")?', command.epilog)
    assert found is not None
    command.make_context(words, shlex.split(found[1]))


def test_no_line_of_a_list_of_commands_is_cut_off() -> None:
    for group in ("", *(word for word, command in cli.commands.items() if isinstance(command, click.Group))):
        ended = CliRunner().invoke(cli, [*group.split(), "--help"])
        assert "..." not in ended.output.partition("Commands:")[2], group


def test_every_command_has_its_help_and_stands_in_the_guide() -> None:
    guide = (PROJECT / "docs" / "guide" / "command-line.md").read_text()
    for part in leaves():
        assert CliRunner().invoke(cli, [*part.split(), "--help"]).exit_code == 0, part
    assert [part for part in leaves() if f"`{part}" not in guide and f"nanoportal {part}" not in guide] == []
