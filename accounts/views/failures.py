"""What a failed request looks like."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of this session: out of date, or not ours."""
    return failure(
        request, 403, "form-out-of-date", "This form is out of date; go back, load the page again and retry."
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 400, "bad-request", "The portal does not understand this request; nothing was changed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 403, "not-permitted", "Your role does not allow this; an administrator can change it.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, 404, "not-found", "There is no page at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    return failure(
        request, 500, "internal", "The portal made a mistake, which is in its log; look before you repeat it."
    )


def failure(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """A failed request as JSON for the API and as a page, or the same as a fragment, for browsers. Draws without the
    frame and without a query, since what failed may be the database."""
    if request.path.startswith("/api/"):
        return JsonResponse({"code": code, "message": message, "detail": {}}, status=status)
    template = "includes/refusal.html" if request.headers.get("HX-Request") else "error.html"
    context = {"refusal": {"code": code, "message": message}, "status": status}
    return HttpResponse(render_to_string(template, context), status=status)
