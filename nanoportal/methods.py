"""Pages are looked at and act by forms: nothing else is asked of them."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

PAGES = ("GET", "HEAD", "POST")


class PageMethods:
    """Answers 405 to what no page takes, whatever a view of its own would make of it. The API says for each operation
    what it takes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in PAGES and not request.path_info.startswith("/api/"):
            return HttpResponseNotAllowed(PAGES)
        return self.get_response(request)
