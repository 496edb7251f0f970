"""Calls every operation once on the test scene and tells what it was asked and what it answered, for the description.

`pytest tests/api/test_examples.py --record-examples` keeps that in `nanoportal/described/examples.json`.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import Client

from nanoportal.api import api
from tests.api.asked import ASKED, Asked
from tests.api.world import World, undone

SCHEMA = json.loads(json.dumps(api.get_openapi_schema(), default=str))
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
MOMENT = re.compile(r"\b202[0-9]-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
CLOCK = re.compile(r"\b\d\d:\d\d UTC")
#: What chance makes, and what stands for it.
MADE_UP = (
    (re.compile(r"root@127\.0\.0\.1:1\b"), "root@cm5.lan"),
    (re.compile(r"\bnp_[a-z0-9]{8}_[A-Za-z0-9_-]{43}\b"), "np_k7m2x9qa_THIS-IS-AN-EXAMPLE-AND-OPENS-NO-DOOR-AT-ALL"),
    (re.compile(r'"prefix": "[a-z0-9]{8}"'), '"prefix": "k7m2x9qa"'),
    (re.compile(r'"token": "[a-z0-9]{8} '), '"token": "k7m2x9qa '),
    (re.compile(r'(?<="mac": ")[0-9a-f]{64}'), "9f" * 32),
    (re.compile(r'(?<="mac\\": \\")[0-9a-f]{64}'), "9f" * 32),
    (re.compile(r'(?<="id": ")[0-9a-f]{16}(?=")'), "2b9831831f653fb8"),
)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOST_ROWS = 7  # of one list: as many as a board has slots


def call(name: str, portal: World) -> tuple[Any, HttpResponse]:
    """What an operation was asked (its body, None for none), and what it answered. What it did stays."""
    asked = ASKED.get(name, Asked())
    for step in asked.before:
        if callable(step):
            step(portal)
        else:
            answer = call(step, portal)[1]
            assert answer.status_code < 300, f"{step} before {name}: {answer.content.decode()}"
    method, path, operation = OPERATIONS[name]
    body = asked.body(portal) if callable(asked.body) else asked.body
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    kind = next(iter(operation.get("requestBody", {}).get("content", {})), "application/json")
    caller = portal.callers[asked.who]
    client = Client(headers=caller["headers"])
    client.cookies.load(caller["cookies"])
    address = re.sub(r"{(\w+)}", lambda found: in_path(found[1], asked, portal), path)
    answer = client.generic(method, f"{address}?{asked.query}", data, content_type=kind, headers=asked.headers)
    return body, answer


def in_path(name: str, asked: Asked, portal: World) -> str:
    value = asked.path.get(name, portal.ids.get(name))
    return str(value(portal) if callable(value) else value)


def text_of(answer: HttpResponse) -> str:
    return (gathered(answer) if answer.streaming and answer.is_async else answer.getvalue()).decode()


@async_to_sync
async def gathered(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


def told(portal: World, name: str) -> tuple[int, str, dict[str, Any]]:
    """Status and code of the answer of an operation, and its example as the description has it."""
    with undone():
        body, answer = call(name, portal)
        asked = ASKED.get(name, Asked())
        example: dict[str, Any] = {}
        if body is not None:
            example["request"] = body.decode() if isinstance(body, bytes) else body
        said = text_of(answer)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        code = json.loads(said)["code"] if answer.status_code >= 400 else ""
        if asked.answer is not None:
            example["answer"] = asked.answer
        elif said and not code:
            example["answer"] = shortened(json.loads(said)) if is_json else said
    return answer.status_code, code, steady(example)


def shortened(value: Any) -> Any:
    """The same with no list longer than a reader wants to see."""
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    return [shortened(one) for one in value[:MOST_ROWS]] if isinstance(value, list) else value


def steady(example: dict[str, Any]) -> dict[str, Any]:
    """The same with what chance and the clock make written over, so that it is the same whenever it is made."""
    text = in_order(UUID, json.dumps(example))
    for pattern, said in MADE_UP:
        text = pattern.sub(said, text)
    now = datetime.now(UTC)
    text = MOMENT.sub(lambda found: moved(datetime.fromisoformat(found[0]), now), text)
    return dict(json.loads(CLOCK.sub("12:00 UTC", text)))


def moved(moment: datetime, now: datetime) -> str:
    """A moment as far from noon of one day as it was from now, to ten minutes."""
    return f"{NOON + timedelta(minutes=10 * round((moment - now) / timedelta(minutes=10))):%Y-%m-%dT%H:%M:%SZ}"


def in_order(pattern: re.Pattern[str], text: str) -> str:
    """Ids that count from one, in the order in which they come."""
    seen = {found: number for number, found in enumerate(dict.fromkeys(pattern.findall(text)), 1)}
    return pattern.sub(lambda found: f"3f6c2a10-9d4e-4b7a-8c51-{seen[found[0]]:012x}", text)
