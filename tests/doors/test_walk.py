"""A walk over every door there is: whoever comes is let in, or kept out, as the table says, and leaves no trace."""

import json
import re
from functools import cache
from typing import Any

import pytest
from django.http import HttpResponse

from nanoportal.api import api
from tests.doors.scene import NEIGHBOUR, NOBODY, PEOPLE, Scene
from tests.doors.table import (
    ADMINISTRATOR,
    ANYBODY,
    BODIES,
    DOORS,
    FORMS,
    HEADERS,
    KEPT,
    NOTHING_THERE,
    PAGES,
    QUERIES,
    SLOW,
    Row,
)
from tests.doors.walking import METHODS, routes

pytestmark = pytest.mark.django_db
LOOKING = ("GET", "HEAD", "OPTIONS")
SLOT_NAMED = re.compile(r"/boards/<board>/(?:.*/)?(?:slots|network)/<number>")


def test_every_row_has_a_door() -> None:
    addresses = set(routes())
    assert {door for door in DOORS if door.split(" ")[1] not in addresses} == set()
    assert (set(FORMS) | set(BODIES) | set(HEADERS) | set(QUERIES) | set(KEPT)) <= set(DOORS)


@pytest.mark.parametrize("route", routes())
def test_a_door_lets_in_whom_the_table_says_and_nobody_else(scene: Scene, route: str) -> None:
    for method in METHODS:
        door = f"{method} {route}"
        if door not in DOORS:
            status = scene.ask(method, route, ADMINISTRATOR).status_code
            assert status == (404 if route in NOTHING_THERE else 405), f"{door} has no row in tests/doors/table.py"
            continue
        for who in those_who_come(door):
            come(scene, door, who, expected=who in DOORS[door].who)
        if SLOT_NAMED.search(route):
            assert come(scene, door, NEIGHBOUR, expected=False).status_code == 404, f"{door}: somebody else's slot"


@pytest.mark.parametrize("route", [route for route in routes() if route.startswith("/api/")])
def test_a_token_opens_what_it_is_for_and_a_bad_one_nothing(scene: Scene, route: str) -> None:
    for door, row in DOORS.items():
        if door.split(" ")[1] != route or row.who == ANYBODY:
            continue
        for scope in row.scopes if door not in SLOW else ():
            come(scene, door, row.owner, token=scope, expected=True)
        if row.no_good:
            come(scene, door, row.owner, token=row.no_good, expected=False)
        for who in [who for who in PEOPLE if who not in row.who | {NOBODY}][-1:]:  # the mightiest of those who may not
            come(scene, door, who, token="own", expected=False)  # which is for everything
        for bad in ("expired", "revoked"):
            assert come(scene, door, row.owner, token=bad, expected=False).status_code == 401, f"{door} by {bad}"
        if SLOT_NAMED.search(route):
            found = come(scene, door, row.owner, token="wrong slot", expected=False)
            assert found.status_code == 404, f"{door}: a token for another slot"


def test_no_token_opens_a_page_not_even_a_good_one_for_everything(scene: Scene) -> None:
    for door, row in PAGES.items():
        if row.who != ANYBODY:
            come(scene, door, row.owner, token="own", expected=False)


def those_who_come(door: str) -> list[str]:
    """Everybody; of those who may, one where more would tell no more."""
    row = DOORS[door]
    if row.who == ANYBODY:
        return [NOBODY, ADMINISTRATOR]
    return [who for who in PEOPLE if door not in SLOW or who not in row.who or who == row.owner]


@pytest.mark.parametrize("bad", ["elsewhere", "unknown", "expired", "revoked"])
def test_a_bad_token_says_so_in_one_sentence(scene: Scene, bad: str) -> None:
    answer = scene.ask("GET", "/api/v1/me", ADMINISTRATOR, token=bad)
    problem = json.loads(answer.content)
    assert (answer.status_code, problem["code"]) == (401, "token-refused")
    assert problem["message"].count(".") <= 4  # with those of an address
    assert problem["message"].endswith(".")


def come(scene: Scene, door: str, who: str, *, token: str = "", expected: bool) -> HttpResponse:
    """Somebody comes to a door; the answer is what it has to be, and so is what it left behind."""
    method, route = door.split(" ")
    before = scene.trace.stat().st_size
    answer = scene.ask(method, route, who, token=token, **what_is_sent(door))
    said = f"{door} by {token or who} is answered {answer.status_code} {words_of(answer)}"
    assert answer.status_code < 500 or answer.status_code == 503, said
    assert is_let_in(answer, DOORS[door]) == expected, said
    if not expected:
        assert scene.written == [], f"{said}, and it did something: {scene.written}"
        assert not scene.rights_moved, f"{said}, and all rights were read anew"
        assert scene.trace.stat().st_size == before, f"{said}, and the board was driven"
        assert who != NOBODY or answer.status_code in ((401,) if route.startswith("/api/") else (302, 404)), said
    if method in LOOKING and door not in KEPT:
        assert scene.written == [], f"{said}, and looking changed something"
    if answer.status_code >= 400 and route.startswith("/api/") and method != "HEAD":
        assert {"code", "message"} <= set(json.loads(answer.content)), said
    has_all_headers(answer, said)
    return answer


def is_let_in(answer: HttpResponse, row: Row) -> bool:
    """Neither refused for who it was, nor told that there is nothing, nor, where not anybody may, sent to sign in."""
    is_sent_away = row.who != ANYBODY and "/login/?next=" in answer.get("Location", "")
    return answer.status_code not in (401, 403, 404) and not is_sent_away


def has_all_headers(answer: HttpResponse, said: str) -> None:
    policy = answer.headers.get("Content-Security-Policy", "")
    assert "default-src 'none'; script-src 'self';" in policy, said
    assert "frame-ancestors 'none'" in policy, said
    assert answer.headers.get("X-Content-Type-Options") == "nosniff", said
    assert answer.headers.get("Referrer-Policy") == "same-origin", said
    assert answer.headers.get("X-Frame-Options") == "DENY", said
    assert answer.headers.get("Cross-Origin-Resource-Policy") == "same-origin", said
    assert "no-store" in answer.headers.get("Cache-Control", ""), said
    assert "camera=()" in answer.headers.get("Permissions-Policy", ""), said
    assert "Access-Control-Allow-Origin" not in answer.headers, said


def words_of(answer: HttpResponse) -> str:
    if answer.streaming or answer.status_code < 400:
        return answer.get("Location", "")
    text = " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())
    return text[-300:]


# ---- What is sent --------------------------------------------------------------------------------------------------


def what_is_sent(door: str, *, is_framed: bool = False) -> dict[str, Any]:
    """So much that the door has nothing else to complain of than who comes."""
    route = door.split(" ")[1]
    headers = dict(HEADERS.get(door, {}))
    if not is_framed and not route.startswith("/api/"):
        headers["HX-Request"] = "true"  # the page without its frame, which would be drawn a thousand times
    sent: dict[str, Any] = {"headers": headers, "query": f"?{QUERIES[door]}" if door in QUERIES else ""}
    if door in FORMS:
        body = "&".join(f"{name}={value}" for name, value in FORMS[door].items())
        sent |= {"data": body, "content_type": "application/x-www-form-urlencoded"}
    elif (body := BODIES.get(door, described_body(door))) is not None:
        sent |= {"data": json.dumps(body), "content_type": "application/json"}
    elif headers.keys() & {"Upload-Offset"}:
        sent |= {"data": b"x", "content_type": "application/offset+octet-stream"}
    return sent


@cache
def described() -> dict[str, Any]:
    return json.loads(json.dumps(api.get_openapi_schema(), default=str))


def described_body(door: str) -> object:
    """The least that the API's description asks for; None for no body."""
    method, route = door.split(" ")
    operation = described()["paths"].get(re.sub(r"<(\w+)>", r"{\1}", route), {}).get(method.lower(), {})
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return None if schema is None else least(schema)


def least(schema: dict[str, Any]) -> Any:
    """The least value that a schema takes."""
    if "$ref" in schema:
        return least(described()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema:
            return least(schema[word][0])
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema or "const" in schema or "enum" in schema:
        return schema.get("default", schema.get("const", schema.get("enum", [None])[0]))
    kind = schema.get("type", "object")
    if kind == "object":
        needed = schema.get("required", [])
        return {name: least(field) for name, field in schema.get("properties", {}).items() if name in needed}
    if kind == "array":
        return [least(schema["items"])] * schema.get("minItems", 0)
    formats = {"uuid": "00000000-0000-4000-8000-000000000009", "date-time": "2040-01-01T00:00:00Z"}
    text = formats.get(schema.get("format", ""), "x" * schema.get("minLength", 1))
    return {"string": text, "integer": schema.get("minimum", 1), "number": 1.0, "boolean": True}.get(kind)
