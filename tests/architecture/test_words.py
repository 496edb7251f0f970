"""Errors are words, figures have sources, and pages load nothing from elsewhere."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

import hardware
from hardware.errors import HardwareError, SequenceRefused
from operations import http, refusals
from operations.refusals import Refused
from tests.architecture.source import PROJECT, files, modules, name, tree


def everything_of(package: object) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def below(kind: type) -> list[type]:
    """The subclasses that are ours, tests' own excepted."""
    found = [child for child in kind.__subclasses__() if not child.__module__.startswith("tests.")]
    return found + [deeper for child in found for deeper in below(child)]


everything_of(hardware)
ERRORS = below(HardwareError)
REFUSALS = below(Refused)


@pytest.mark.parametrize("kind", [*ERRORS, *REFUSALS], ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_of_its_own_and_says_when_it_happens(kind):
    assert "code" in vars(kind), "inherited codes cannot be told apart"
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    assert (kind.__doc__ or "").rstrip().endswith("."), "one sentence"


def test_no_two_errors_share_a_code_unless_one_becomes_the_other():
    codes = [kind.code for kind in ERRORS]
    assert len(codes) == len(set(codes))
    ours = {kind.code for kind in REFUSALS}
    planners = {kind.code for kind in below(SequenceRefused)}
    assert ours & set(codes) <= planners


def test_every_refusal_has_a_status():
    for kind in REFUSALS:
        assert http.status_of(kind("No.")) == next(http.STATUS[one] for one in kind.__mro__ if one in http.STATUS)
    assert set(http.STATUS) <= set(REFUSALS)


def test_every_refusal_that_is_raised_says_a_whole_sentence():
    """Of those whose words stand where they are raised."""
    kinds = {kind.__name__ for kind in REFUSALS}
    unfinished = []
    for path in modules():
        for node in ast.walk(tree(path)):
            is_refusal = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in kinds
            if not is_refusal or not node.args or not isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                continue
            words = ast.unparse(node.args[0]).strip("\"'")
            if not words.endswith((".", "}")):
                unfinished.append(f"{name(path)}:{node.lineno} {words}")
    assert unfinished == []
    assert refusals.Busy("slot 3 is busy.").message == "slot 3 is busy."


# Figures

SOURCE = re.compile(r"Source|data sheet|section|vendor|UNVERIFIED|inferred")
HEX = re.compile(r"^([A-Z][A-Z0-9_]*)\s*(?::[^=]*)?=.*\b0x[0-9A-Fa-f]+", re.MULTILINE)


def constants_with_addresses() -> list[tuple[Path, str, int]]:
    found = []
    for path in modules("hardware"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if match := HEX.match(line):
                found.append((path, match[1], number))
    return found


def says_its_source(path: Path, number: int) -> bool:
    """A comment beside or right above it, the source that it carries, or the source of the whole module."""
    lines = path.read_text().splitlines()
    near = "\n".join(lines[max(0, number - 4) : number + 1])
    return bool(
        re.search(r"Source|data sheet|section|vendor|UNVERIFIED|inferred", f"{ast.get_docstring(tree(path))}{near}")
    )


def test_every_register_and_address_says_its_source():
    found = constants_with_addresses()
    assert len(found) > 15, "they are still found"
    assert [f"{name(path)} {constant}" for path, constant, line in found if not says_its_source(path, line)] == []


DURATION = re.compile(r"^([A-Z][A-Z0-9_]*_SECONDS)\s*(?::[^=]*)?=\s*[0-9.]+", re.MULTILINE)


def test_every_delay_of_the_hardware_says_why_it_is_that_long():
    """Beside it, right above it, or in the comment of its group."""
    silent = []
    for path in modules("hardware"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if DURATION.match(line) and "#" not in "\n".join(lines[max(0, number - 6) : number + 1]):
                silent.append(f"{name(path)}: {line}")
    assert [line for line in silent if "simulator" not in line] == []


# Pages

OTHER_PLACES = re.compile(r"""(?:https?:)?//(?!www\.w3\.org/)[A-Za-z0-9-]+\.[a-z]{2,}""")
# (A script of JSON is data, which no browser runs.)
INLINE = re.compile(
    r"""<style|<script(?![^>]*\s(?:src=|type="application/json"))[^>]*>|\sstyle\s*=|\s(?:hx-)?on[a-z:-]+\s*=|javascript:""",
    re.IGNORECASE,
)


def without_comments(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}|<!--.*?-->|/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", [*files("templates", ".html"), *files("static", ".css", ".js", ".svg")], ids=name)
def test_nothing_is_loaded_from_elsewhere(path):
    assert not OTHER_PLACES.search(without_comments(path))


@pytest.mark.parametrize("path", files("templates", ".html"), ids=name)
def test_no_page_has_a_style_or_script_within(path):
    assert not INLINE.search(without_comments(path))


def test_every_file_that_a_page_names_exists():
    named = {
        found
        for path in files("templates", ".html")
        for found in re.findall(r"\{% static '([^']+)' %\}", path.read_text(encoding="utf-8"))
    }
    assert named
    assert [path for path in named if not finders.find(path)] == []
    assert (PROJECT / "LICENSE").exists()
