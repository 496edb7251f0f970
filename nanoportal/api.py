"""The REST API: all apps' routers under `/api/v1`."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.security import HttpBearer, SessionAuth

from accounts.actors import address_of
from accounts.api import router as accounts_router
from accounts.services import tokens
from consoles.api import router as consoles_router
from flashing.api import router as flashing_router
from images.api import router as images_router
from nanoportal.description import complete
from operations.api import router as operations_router
from operations.audit_api import router as audit_router
from operations.http import note_refusal, problem, record_refusal, status_of
from operations.refusals import BadRequest, NotPermitted, Refused, TokenRefused
from operations.rights import PORTAL
from operations.roles import Actor
from reservations.api import router as reservations_router
from slots.api import router as slots_router
from switch.api import router as switch_router


class SignedIn(SessionAuth):
    """A session, with its CSRF token for whatever acts. Nobody is asked for a token before they have signed in."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.user.is_authenticated else None


class Token(HttpBearer):
    """An API token, `Authorization: Bearer np_...`. A bad one is refused, even beside a good session."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        address = address_of(request)
        try:
            request.actor = tokens.enter(token, address)  # type: ignore[attr-defined]
        except TokenRefused as refusal:  # whose it is, is not known: nobody asked
            record_refusal(refusal, Actor(name="", source="api", address=address), "token.use", PORTAL)
            raise
        return request.actor  # type: ignore[attr-defined]


class StorableParser(Parser):
    """Refuses, where it comes in, what no database stores: NUL, half of a pair of surrogates, NaN."""

    def parse_body(self, request: HttpRequest) -> Any:
        return _storable(json.loads(request.body, parse_constant=_no_number))

    def parse_querydict(self, data: Any, list_fields: list[str], request: HttpRequest) -> Any:
        return _storable(super().parse_querydict(data, list_fields, request))


def _no_number(word: str) -> None:
    raise BadRequest(f"{word} is no number.", code="unstorable")


def _storable(said: Any) -> Any:
    """The same; a list or object is looked into."""
    parts = said.items() if isinstance(said, dict) else said if isinstance(said, list) else ()
    for part in parts:
        for inner in part if isinstance(part, tuple) else (part,):
            _storable(inner)
    if isinstance(said, str) and ("\0" in said or any("\ud800" <= letter <= "\udfff" for letter in said)):
        raise BadRequest("There is a letter in it that cannot be stored (NUL, or half of one).", code="unstorable")
    return said


class PortalAPI(NinjaAPI):
    """The API as its description tells of it: operations by their names."""

    _described: OpenAPISchema | None = None

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Made once, since it takes half a second and is for anybody."""
        if self._described is not None:
            return self._described
        schema = self._described = super().get_openapi_schema(**options)
        complete(schema)
        return schema


api = PortalAPI(
    parser=StorableParser(),
    title="NanoPortal",
    version="1",
    description=(
        "Boards, power, consoles, images, flashing, switch and people of a NanoCluster portal. Send a token as "
        "`Authorization: Bearer np_...`, or a session with its CSRF token. Refusals are `{code, message, detail}`: "
        "decide by `code`, show `message`. Lists are `{count, ...}` with `offset` and `limit`. What can be edited has "
        "an ETag, which an edit may repeat as If-Match. What drives hardware or reserves a slot takes an "
        "Idempotency-Key."
    ),
    openapi_url="/openapi.json",
    docs_url="/docs",
    docs_decorator=require_safe,
    auth=[Token(), SignedIn(csrf=True)],
    urls_namespace="api",
)
api.add_router("", slots_router)
api.add_router("", accounts_router)
api.add_router("", reservations_router)
api.add_router("", consoles_router)
api.add_router("", operations_router)
api.add_router("", audit_router)
api.add_router("", images_router)
api.add_router("", flashing_router)
api.add_router("", switch_router)


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    note_refusal(request, refusal)
    return api.create_response(request, problem(refusal), status=status_of(refusal))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first: dict[str, Any] = error.errors[0] if error.errors else {}
    where = ".".join(str(part) for part in first.get("loc", ())[1:] if part != "body")
    said = "there is no such field" if first.get("type") == "extra_forbidden" else first.get("msg", "is not valid")
    return api.create_response(
        request, problem(BadRequest(f"{where or 'The body'}: {said}.", code="invalid")), status=400
    )


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return api.create_response(
        request, problem(NotPermitted("Sign in first; your session may have ended.", code="not-signed-in")), status=401
    )


@api.exception_handler(RawPostDataException)
def form_instead(request: HttpRequest, error: RawPostDataException) -> HttpResponse:
    """A form with files, which went by when a CSRF token was looked for in it."""
    code, words = HTTP_ERRORS[400]
    return api.create_response(request, problem(BadRequest(words, code=code)), status=400)


# What the framework itself refuses, in sentences of ours.
HTTP_ERRORS = {
    400: ("bad-request", "The body is not the JSON object that this needs."),
    403: ("csrf", "The CSRF token is missing or old: send the csrftoken cookie's value as X-CSRFToken."),
}


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Refused):  # of the body's parser
        return refused(request, error.__cause__)
    code, words = HTTP_ERRORS.get(error.status_code, ("bad-request", f"{error}."))
    return api.create_response(request, problem(BadRequest(words, code=code)), status=error.status_code)
