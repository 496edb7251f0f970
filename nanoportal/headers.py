"""Response headers that hold for every page."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Pages with a terminal: xterm.js writes its colours and sizes into style elements of its own.
TERMINALS = re.compile(r"/boards/[\w-]+/(?:consoles/|slots/[0-9]+/(?:console|recordings)/)")
DOCS = "/api/v1/docs"  # Swagger UI writes styles into its own markup; its scripts are files like all others
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class PageHeaders:
    """Nothing is loaded from elsewhere and no inline script runs; inline styles only where others' files need them.
    Nothing is kept by a browser but static files, which do not come by here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = POLICY
        if request.path.startswith(DOCS) or TERMINALS.fullmatch(request.path):
            policy = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        # What is shown is somebody's, and of this moment: nobody who comes to the same screen later leafs back to it.
        response.headers.setdefault("Cache-Control", "no-store")
        return response
