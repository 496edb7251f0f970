"""Every app has the same shape, imports go down, and nothing grows out of hand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import APPS, PACKAGES, PROJECT, modules, name, tree

SHAPE = {"admin", "api", "apps", "checks", "consumers", "forms", "models", "services", "tasks", "urls", "views"}
FRAME = {"__init__", "management", "migrations"}
# What an app has of its own, below its services (docs/architecture.md, "Tree").
OWN = {
    "operations": {
        *(
            "audit",
            "audit_api",
            "claims",
            "dispatch",
            "etags",
            "events",
            "exporting",
            "http",
            "idempotency",
            "lifecycle",
            "progress",
        ),
        *("reading", "refusals", "reservations", "restrictions", "retention", "rights", "roles", "scribe", "sealing"),
        *("searching", "verifying", "wishes", "worker"),
    },
    "accounts": {"access", "actors", "certificates", "passwords", "places", "recent", "session_store", "sockets"},
    "reservations": {"drawing", "periods"},
    "slots": {"questions"},
    "images": {"checksums", "fitting", "store", "tus"},
    "flashing": {"guidance", "sealing"},
    "switch": {"documents", "editing", "errors", "planning", "steps", "traffic", "wording"},
    "consoles": {
        *("daemon", "desk", "escapes", "greeting", "journal", "journal_writer", "keyboard", "lines", "link"),
        *("markers", "pace", "recordings", "remembered", "resp", "scripts", "stages", "uplink", "watch"),
        *("flow", "frames", "presence", "ring", "session", "state", "tail", "window", "wire"),
    },
}
MEANINGLESS = {"utils", "util", "helpers", "common", "misc", "manager", "handlers", "base"}
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 400, 40


@pytest.mark.parametrize("app", APPS)
def test_every_app_has_the_shape_and_says_what_is_its_own(app):
    found = {path.stem for path in (PROJECT / app).iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__pycache__"} <= SHAPE | FRAME | OWN[app]
    assert (PROJECT / "tests" / app).is_dir()


@pytest.mark.parametrize("app", APPS)
def test_templates_lie_with_the_name_of_their_app(app):
    rendered = {
        node.value.partition("/")[0]
        for path in modules(app)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"\S+/\S+\.html", node.value)
    }
    assert rendered <= {app, "includes"}


def test_imports_go_down():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_nothing_imports_from_the_composition():
    for path in modules(*[package for package in PACKAGES if package != "nanoportal"]):
        imported = [node.module for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) and node.module]
        assert not [module for module in imported if module.split(".")[0] == "nanoportal"], name(path)


def test_no_module_has_a_name_that_says_nothing():
    assert not [name(path) for path in modules() if path.stem in MEANINGLESS]


def test_no_file_is_longer_than_a_reader_keeps_in_mind():
    long = {name(path): lines for path in modules() if (lines := path.read_text().count("\n")) > LINES_OF_A_FILE}
    assert long == {}


def test_no_function_is_longer_than_a_reader_keeps_in_mind():
    long = {
        f"{name(path)} {node.name}": length
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_every_module_says_what_it_is_for():
    plain = {"__init__", "urls", "apps", "__main__", "asgi"}
    silent = [name(path) for path in modules() if path.stem not in plain and not ast.get_docstring(tree(path))]
    assert [path for path in silent if "/management/" not in path] == []


# Who may wait, and who may catch everything

WAITERS = {"hardware/clock.py", "hardware/buslock.py", "hardware/simulator/testing.py", "operations/worker.py"}
CATCH_ALL = {
    "consoles/desk.py",
    "flashing/services/attending.py",
    "flashing/services/execution.py",
    "images/services/checking.py",
    "consoles/recordings/writer.py",
    "hardware/flash/lanes.py",
    "hardware/jl6108/access.py",
    "hardware/sequencer.py",
    "nanoportal/health.py",
    "nanoportal/supervisor/child.py",
    "operations/events.py",
    "operations/lifecycle.py",
    "operations/scribe.py",
    "operations/worker.py",
}


def calls(path: Path, function: str) -> bool:
    return any(isinstance(node, ast.Call) and ast.unparse(node.func) == function for node in ast.walk(tree(path)))


def catches_everything(path: Path) -> bool:
    handlers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler)]
    return any(
        handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException") for handler in handlers
    )


def test_whoever_waits_waits_through_a_clock():
    assert {name(path) for path in modules() if calls(path, "time.sleep")} <= WAITERS


def test_services_catch_what_they_know_and_nothing_else():
    assert {name(path) for path in modules() if catches_everything(path)} <= CATCH_ALL


def test_only_one_module_knows_http_statuses_of_refusals():
    numbers = {409, 422, 503}
    knowing = {
        name(path)
        for path in modules("operations", "slots", "consoles", "images", "hardware")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in numbers and not isinstance(node.value, bool)
    }
    # (the API's modules list the statuses of their description, they choose none)
    assert knowing == {"operations/http.py", "operations/api.py", "slots/api/records.py"}


def test_no_som_type_is_asked_for_by_name():
    kinds = {"LM3H", "M4N", "CM4", "CM5"}
    compared = [
        f"{name(path)}:{node.lineno}"
        for path in modules("operations", "slots", "consoles", "images", "nanoportal")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in kinds
    ]
    assert compared == []
