"""The REST API: all apps' routers under `/api/v1`."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import SessionAuth

from operations.api import router as operations_router
from operations.http import note_refusal, problem, status_of
from operations.refusals import BadRequest, NotPermitted, Refused
from slots.api import router as slots_router

api = NinjaAPI(
    title="NanoPortal",
    version="1",
    description="Power and state of NanoCluster boards. Sign in with a session; errors are `{code, message, detail}`.",
    openapi_url="/openapi.json",
    docs_url="/docs",
    auth=SessionAuth(csrf=True),
    urls_namespace="api",
)
api.add_router("", slots_router)
api.add_router("", operations_router)


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    note_refusal(request, refusal)
    return api.create_response(request, problem(refusal), status=status_of(refusal))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first: dict[str, Any] = error.errors[0] if error.errors else {}
    where = ".".join(str(part) for part in first.get("loc", ())[1:] if part != "body")
    said = first.get("msg", "is not valid")
    return api.create_response(
        request, problem(BadRequest(f"{where or 'The body'}: {said}.", code="invalid")), status=400
    )


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return api.create_response(
        request, problem(NotPermitted("Sign in first; your session may have ended.", code="not-signed-in")), status=401
    )


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    code = "csrf" if error.status_code == 403 else "bad-request"
    return api.create_response(request, problem(BadRequest(str(error), code=code)), status=error.status_code)
