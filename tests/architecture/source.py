"""The project's files, as the tests of its architecture read them."""

import ast
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APPS = ("operations", "accounts", "reservations", "slots", "consoles", "images", "flashing", "switch")
PACKAGES = (*APPS, "hardware", "nanoportal", "client")


def modules(*packages: str) -> Iterator[Path]:
    """Every Python file of ours, migrations excepted."""
    for package in packages or PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def files(folder: str, *suffixes: str) -> list[Path]:
    return [path for path in sorted((PROJECT / folder).rglob("*")) if path.suffix in suffixes]
