"""The examples of the description are what the portal takes and answers: recorded from it, and played again here."""

import json
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from nanoportal.description import DESCRIBED
from tests.api.asked import ASKED, Asked
from tests.api.recording import OPERATIONS, SCHEMA, told
from tests.api.world import World

FILE = DESCRIBED / "examples.json"


@pytest.mark.django_db
def test_each_operation_takes_its_example_and_answers_with_it(portal: World, request: pytest.FixtureRequest) -> None:
    kept: dict[str, Any] = json.loads(FILE.read_text())
    found = {}
    for name in OPERATIONS:
        status, code, example = told(portal, name)
        assert status < 300 or code == ASKED.get(name, Asked()).refused, f"{name} answers {status} {code}"
        if example:
            found[name] = kept[name] if shape(example) == shape(kept.get(name)) else example
    if request.config.getoption("--record-examples"):
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    stale = [name for name in found.keys() | kept.keys() if found.get(name) != kept.get(name)]
    assert stale == [], "they are not what they were: run this with --record-examples, and look at what changed"


def shape(value: Any) -> Any:
    """What must not change unseen: the names, and of what kind their values are. Figures may."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value)


def bodies() -> list[tuple[str, dict[str, Any]]]:
    """Each body that is sent or answered, by the operation and the status: its media type as it is described."""
    found = []
    for name, (_, _, operation) in OPERATIONS.items():
        kinds = {"request": operation.get("requestBody", {}), **operation["responses"]}
        found += [
            (f"{name} {which}", kind) for which, body in kinds.items() for kind in body.get("content", {}).values()
        ]
    return found


def examples_of(kind: dict[str, Any]) -> list[Any]:
    """The values of its examples, those that are referred to included."""
    named = [
        SCHEMA["components"]["examples"][one["$ref"].rpartition("/")[2]] for one in kind.get("examples", {}).values()
    ]
    return [one["value"] for one in named] + ([kind["example"]] if "example" in kind else [])


def test_every_body_that_is_sent_or_answered_has_an_example() -> None:
    assert len(bodies()) > 700
    assert [name for name, kind in bodies() if not examples_of(kind)] == []


def test_every_example_fits_its_schema() -> None:
    asked: dict[str, list[tuple[str, Any]]] = {}  # by schema, since many are the same
    for name, kind in bodies():
        schema = json.dumps(kind.get("schema", {}))
        asked.setdefault(schema, []).extend((name, value) for value in examples_of(kind))
    wrong = []
    for schema, examples in asked.items():
        fits = Draft202012Validator(json.loads(schema) | {"components": SCHEMA["components"]}, validate_formats=True)
        wrong += [f"{name}: {error.message}" for name, value in examples for error in fits.iter_errors(value)]
    assert wrong == []


def test_every_problem_is_one_line_under_its_code() -> None:
    found = {code: example["value"] for code, example in SCHEMA["components"]["examples"].items()}
    assert [code for code, said in found.items() if said["code"] != code] == []
    assert [
        said["message"] for said in found.values() if not said["message"].endswith(".") or "\n" in said["message"]
    ] == []
