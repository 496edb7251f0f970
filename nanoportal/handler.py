"""How a request is answered: in one thread from a small pool, with that thread's own lasting database connection.

Django's ASGI handler starts a thread for every request and changes between threads around each middleware; every
request then opens the database anew. All our views and middlewares are synchronous, so one change is enough.
"""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

THREADS = 8  # as many requests at once; each may wait for the database, none for hardware


class PooledHandler(ASGIHandler):
    """Django's ASGI handler with the whole middleware chain run synchronously in a pool of threads."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, context.run, self._respond, request)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        close_old_connections()  # drops one that has failed or grown too old
        try:
            return self.get_response(request)
        finally:
            close_old_connections()
