"""Whatever is sent to the API: it answers as it is described, never with a fault, and a refused call changes nothing.

What is sent is made by schemathesis from the description; a name or number in it is often one that there is.
"""

import copy
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from images import tus
from nanoportal.api import api
from tests.api.world import RECORDS, World, undone

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),  # its server is asynchronous otherwise
]
SEED = 20261123
EXAMPLES, MORE_EXAMPLES = 12, 100
#: What reads a whole chip each time.
SLOW = {"GET /api/v1/boards/{board}/switch/fdb": 4}
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
CALLERS = ("administrator", "administrator", "token of alice", "token of vera", "nobody")
#: Nothing is looked for anywhere but here, where nobody listens.
NOWHERE = "root@127.0.0.1:1"
TOO_MUCH = 10**30  # for any database
HEADERS = {"If-Match": "*", "Tus-Resumable": tus.VERSION, "Upload-Length": "4096", "Upload-Offset": "0"}
HEADERS["Upload-Metadata"] = "filename cGkuaW1n"


@schemathesis.serializer(tus.CHUNK_TYPE)
def as_it_is(context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode()


def described() -> dict[str, Any]:
    """The description; who calls is decided here, and not made up."""
    schema = copy.deepcopy(dict(api.get_openapi_schema()))
    for path in schema["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return schema


SCHEMA = schemathesis.openapi.from_dict(described())
SCHEMA.app = WSGIHandler()
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


def there_is(case: Any, portal: World, often: Any) -> None:
    """Put what there is in the place of made-up names and words, mostly."""
    for name in list(case.path_parameters or {}):
        known = "third-party" if "som-types" in case.path else portal.ids.get(name)
        if known is not None and often():
            case.path_parameters[name] = str(known)
        elif isinstance(known, int):
            case.path_parameters[name] = str(TOO_MUCH)
    for name in sorted((case.headers or {}).keys() & HEADERS.keys()):
        if often():
            case.headers[name] = HEADERS[name]
    for part in (case.query, case.body):
        if isinstance(part, dict):
            for name in sorted(part.keys() & portal.words.keys()):
                if often():
                    part[name] = portal.words[name]
            if "host" in part:
                part["host"] = NOWHERE


def call(case: Any, caller: str, portal: World) -> None:
    watch = portal.watch
    watch.written.clear()
    with undone(), connection.execute_wrapper(watch):
        response = case.call(**portal.callers[caller])
        assert response.status_code < 500 or response.status_code == 503, response.text  # something does not answer
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert is_told(case, response), f"not described: {response.status_code} {response.text}"
            assert watch.changed() <= RECORDS, f"{response.status_code} as {caller}: {response.text}"


def is_told(case: Any, response: Any) -> bool:
    """Whether the description names the code of a refusal; one without a body (of HEAD) has none."""
    told = case.operation.definition.raw["responses"][str(response.status_code)]
    return not response.content or response.json()["code"] in told["content"]["application/json"]["examples"]


def try_it(label: str, portal: World, examples: int) -> None:
    operation = OPERATIONS[label]
    modes = schemathesis.GenerationMode
    cases = st.one_of(operation.as_strategy(modes.POSITIVE), operation.as_strategy(modes.NEGATIVE))

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],  # a failure names the call as it was: looking for a smaller one takes long
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases, caller=st.sampled_from(CALLERS), data=st.data())
    def run(case: Any, caller: str, data: Any) -> None:
        there_is(case, portal, lambda: data.draw(st.integers(0, 4)) < 4)
        call(case, caller, portal)

    run()


@pytest.mark.parametrize("label", OPERATIONS)
def test_a_call_is_answered_as_described_and_if_refused_changes_nothing(label, portal):
    try_it(label, portal, SLOW.get(label, EXAMPLES))


@pytest.mark.soak
@pytest.mark.parametrize("label", OPERATIONS)
def test_so_are_hundreds_of_calls(label, portal):
    try_it(label, portal, MORE_EXAMPLES)
