"""The examples of the description and of the guide are what the portal takes and answers.

Those of the description are recorded from it, and played again here.
"""

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.http import HttpResponse
from django.test import Client
from jsonschema_rs import Draft202012Validator

from nanoportal.description import DESCRIBED
from tests.api.asked import ASKED, Asked, flash_has_failed
from tests.api.recording import OPERATIONS, SCHEMA, told
from tests.api.world import World, undone

FILE = DESCRIBED / "examples.json"
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "automation.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)


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


# ---- The guide's curl commands and its play ---------------------------------------------------------------------


def send(portal: World, method: str, address: str, headers: dict[str, str], body: str | None) -> HttpResponse:
    client = Client(headers={**portal.callers["token of alice"]["headers"], **headers})
    return client.generic(method, address, body or "", content_type="application/json")


def curls() -> list[str]:
    """Each command, its continued lines joined."""
    shell = "\n".join(text for kind, text in BLOCKS if kind == "sh").replace("\\\n", " ")
    return re.findall(r"(?<![\w'-])curl -.*?(?=\s\||\n|$)", shell)


def parts(command: str) -> tuple[str, str, dict[str, str], str | None]:
    """Method, address, headers and body of a command, as curl takes them."""
    words = shlex.split(command)
    said = list(itertools.pairwise(words))
    body = next((value for word, value in said if word == "-d"), None)
    method = next((value for word, value in said if word == "-X"), "GET" if body is None else "POST")
    headers = dict(value.split(": ", 1) for word, value in said if word == "-H" and ": " in value)
    address = next(word for word in words if word.startswith("$url"))
    return method, address.replace("$url", "/api/v1"), headers, body


@pytest.mark.django_db
def test_each_curl_command_of_the_guide_is_answered(portal: World) -> None:
    assert len(curls()) == 5
    with undone():
        flash_has_failed(portal)  # of slot 2, which is flashed in this scene
        made: dict[str, Any] = {}
        for command in curls():
            method, address, headers, body = parts(command)
            if headers.get("If-Match"):
                headers["If-Match"] = made["ETag"]
            answer = send(portal, method, address.replace("ID", made.get("id", "")), headers, body)
            assert answer.status_code in (200, 202), f"{command}: {answer.content.decode()}"
            made = answer.json() | {"ETag": answer.get("ETag", "")}


@pytest.mark.django_db
def test_the_play_of_the_guide_asks_what_the_portal_does(portal: World) -> None:
    (play,) = yaml.safe_load(next(text for kind, text in BLOCKS if kind == "yaml"))
    first, second = (task["ansible.builtin.uri"] for task in play["tasks"])
    with undone():
        flash_has_failed(portal)
        address = first["url"].replace("{{ portal }}", "/api/v1")
        asked = send(portal, first["method"], address, {"Idempotency-Key": "play-2"}, json.dumps(first["body"]))
        assert asked.status_code in first["status_code"], asked.content.decode()
        address = second["url"].replace("{{ portal }}", "/api/v1").replace("{{ asked.json.id }}", asked.json()["id"])
        assert send(portal, "GET", address, {}, None).json()["state"] in play["tasks"][1]["until"]
