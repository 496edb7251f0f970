"""The OpenAPI description: whole, in words, and the same shape everywhere."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from nanoportal.api import api
from nanoportal.description import DESCRIBED
from tests.doors import table
from tests.doors.table import ALWAYS, DOORS

METHODS = {"get", "put", "post", "patch", "delete", "head", "options"}
SCHEMA = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
    if method in METHODS
}
SCHEMAS = SCHEMA["components"]["schemas"]
#: Lists that are told by time, and one that is bound by what there is.
WITHOUT_PAGES = {"GET /api/v1/audit", "GET /api/v1/boards/{board}/recordings/search"}
#: How the description says whom a door lets in.
WHO = {
    table.ANYBODY: "anybody",
    table.SIGNED_IN: "whoever is signed in",
    table.SEEING: "any role",
    table.OPERATORS: "operator, flasher or administrator",
    table.FLASHERS: "flasher or administrator",
    table.ENGINEERS: "network engineer or administrator",
    table.RESERVING: "operator, flasher, network engineer or administrator",
    table.ADMINISTRATORS: "administrator",
    table.HOLDER: "whoever holds it",
    table.UPLOADER: "whoever began the upload",
    table.COMMITTER: "whoever committed the change",
}


def test_the_description_is_openapi_31_and_open_to_anybody(client):
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    assert len(OPERATIONS) > 110


@pytest.mark.django_db
def test_an_address_or_a_method_that_there_is_not_is_refused_in_the_same_shape():
    nowhere = Client().get("/api/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not-found")
    other = Client().put("/api/v1/boards")
    assert (other.status_code, other["Allow"]) == (405, "GET")
    assert other.json() == {
        "code": "method-not-allowed",
        "message": "This address takes GET, not PUT.",
        "detail": {},
    }


def test_every_operation_has_a_name_of_its_own_a_summary_words_and_a_tag():
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(names) == sorted(set(names))
    lacking = [
        label
        for label, operation in OPERATIONS.items()
        if not all(operation.get(part) for part in ("summary", "description", "tags"))
    ]
    assert lacking == []


def test_the_description_is_what_openapi_31_says_it_must_be():
    assert [error.message for error in OpenAPIV31SpecValidator(SCHEMA).iter_errors()] == []


def test_who_may_and_by_which_token_is_what_every_door_does():
    """The same as the table that the walk over every door compares the portal with."""
    rows = tomllib.loads((DESCRIBED / "operations.toml").read_text())
    told, doors = {}, {}
    for label, operation in OPERATIONS.items():
        row, door = rows.pop(operation["operationId"]), DOORS[re.sub(r"{(\w+)}", r"<\1>", label)]
        told[label] = (row["who"], set(row["tokens"]))
        doors[label] = (WHO[door.who], {"any"} if door.scopes == ALWAYS else set(door.scopes))
    assert told == doors
    assert rows == {}, "rows of no operation"


def test_no_two_shapes_have_one_name():
    """The description keeps one of each name: of two the second would be told of both."""
    project = Path(__file__).resolve().parents[2]
    found: dict[str, list[str]] = {}
    ours = [*project.glob("*/api.py"), *project.glob("*/api/*.py"), project / "operations" / "audit_api.py"]
    for path in (path for path in ours if "tests" not in path.parts):
        for line in path.read_text().splitlines():
            if line.startswith("class "):
                found.setdefault(line.split("(")[0], []).append(path.parent.name)
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_refusal_is_told_in_the_shape_of_a_problem(label):
    problem = {"$ref": "#/components/schemas/Problem"}
    answers = OPERATIONS[label]["responses"]
    if label.startswith("OPTIONS"):
        return
    assert {"400", "401", "403", "404"} <= answers.keys()
    for status, answer in answers.items():
        if int(status) >= 400:
            assert answer["content"]["application/json"]["schema"] == problem
            assert "." in answer["description"] or ":" in answer["description"]


def body_of(operation):
    found = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return SCHEMAS[found["$ref"].rpartition("/")[2]] if found and "$ref" in found else found


@pytest.mark.parametrize("label", [label for label, operation in OPERATIONS.items() if body_of(operation)])
def test_what_a_body_must_say_has_an_example_or_a_closed_list(label):
    body = body_of(OPERATIONS[label])
    needed = body.get("required", ()) if "properties" in body else ()
    lacking = [name for name in needed if not is_clear(body["properties"][name])]
    assert lacking == []


def is_clear(field):
    simple = field.get("type") in ("boolean", "array") or field.get("format") in ("uuid", "date-time")
    return bool(simple or {"examples", "enum", "const", "$ref", "description"} & field.keys())


def test_no_body_may_say_what_nobody_reads():
    """A slip in a field's name would do something else than was meant, for instance make a token that is too wide."""
    bodies = {
        label: operation["requestBody"]["content"]["application/json"]["schema"]
        for label, operation in OPERATIONS.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert len(bodies) > 30
    open_ones = [name for name, schema in SCHEMAS.items() if schema.get("additionalProperties") is not False]
    assert {label for label, schema in bodies.items() if schema["$ref"].rpartition("/")[2] in open_ones} == set()


def test_every_list_has_a_count_and_pages():
    wrong = []
    for label, operation in OPERATIONS.items():
        shape = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        name = shape.get("$ref", "").rpartition("/")[2]
        if label in WITHOUT_PAGES or not label.startswith("GET") or not name.endswith("List"):
            assert shape.get("type") != "array", f"{label} answers a bare list"
            continue
        asked = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        bounded = "count" not in SCHEMAS[name]["properties"]  # all that there is: ports, methods
        if not bounded and not {"offset", "limit"} <= asked and "Method" not in name and "Disk" not in name:
            wrong.append(label)
    assert wrong == []


def test_what_can_be_edited_can_be_edited_with_care():
    """A PUT or PATCH of what is read at the same address takes the ETag that reading it gave."""
    uploads = {"PUT /api/v1/images/uploads/{upload_id}/bmap", "PATCH /api/v1/images/uploads/{upload_id}"}
    whole = {"PUT /api/v1/boards/{board}/switch/recovery"}  # one word, which is what it is
    edits = {label for label in OPERATIONS if label.startswith(("PUT", "PATCH"))} - uploads - whole
    careless = [
        label
        for label in edits
        if not any(parameter["name"] == "If-Match" for parameter in OPERATIONS[label]["parameters"])
        or "412" not in OPERATIONS[label]["responses"]
    ]
    assert careless == []


def test_what_drives_hardware_can_be_asked_for_twice():
    """An act that answers with an operation takes an Idempotency-Key, unless it decides about one that there is."""
    deciding = ("/cancel", "/holding", "/rollback")
    acts = {
        label
        for label, operation in OPERATIONS.items()
        if "202" in operation["responses"] and not label.endswith(deciding) and "images" not in label
    }
    assert len(acts) >= 8
    assert [
        label
        for label in acts
        if not any(parameter["name"] == "Idempotency-Key" for parameter in OPERATIONS[label]["parameters"])
    ] == []
