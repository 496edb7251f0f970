"""Requests to a portal, and what may be repeated when no answer comes.

What only reads is repeated. What acts is repeated only with an Idempotency-Key, by which the portal does it once
however often it is asked; without one, a lost answer ends the command with "outcome unknown".
"""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from nanoportal_client import AGENT
from nanoportal_client.access import Access
from nanoportal_client.problems import Exit, Problem, exit_of, unreachable, untrusted
from nanoportal_client.timing import ANSWER_SECONDS, Clock

API = "/api/v1"
PAUSES = (0.3, 1.0, 2.0)  # seconds between tries
PAGE = 200  # the most that the portal gives at once
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
KEY = "Idempotency-Key"


@dataclass(frozen=True)
class _Lost:
    """No answer came."""

    error: httpx.TransportError
    sent: bool  # it may have arrived


class Portal:
    """One portal, as one token sees it. Every method blocks for the answer and raises `Problem` where it is a refusal
    or none comes."""

    def __init__(
        self,
        access: Access,
        *,
        transport: httpx.BaseTransport | None = None,
        seconds: float = ANSWER_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self.access = access
        self._sleep = (clock or Clock()).sleep
        self._http = httpx.Client(
            base_url=access.url,
            headers={"Authorization": f"Bearer {access.token}", "User-Agent": AGENT},
            timeout=httpx.Timeout(seconds, connect=min(seconds, 10.0)),
            verify=access.tls() if access.is_encrypted else True,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`; of the query what is not None."""
        return _json(self.send("GET", path, query=query))

    def rows(self, path: str, name: str, *, most: int | None = None, **query: Any) -> list[Any]:
        """All rows of a list, page by page, or the first `most` of them."""
        found: list[Any] = []
        while True:
            limit = PAGE if most is None else min(PAGE, most - len(found))
            page = self.get(path, **query, offset=len(found), limit=limit)
            found += page[name]
            if not page[name] or len(found) >= page.get("count", 0) or len(found) == most:
                return found

    def act(self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        """Ask for something to be done; its JSON, None for an empty answer. With `key` it may be asked again."""
        if key:
            headers[KEY] = key
        answer = self.send(method, path, json=body, headers=headers, acts=True, repeats=bool(key))
        return _json(answer) if answer.content else None

    def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        acts: bool = False,
        repeats: bool = True,
        **body: Any,
    ) -> httpx.Response:
        """One request below `/api/v1`, repeated where that does no harm; any answer that is no refusal."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        lost: _Lost | None = None
        for pause in (*PAUSES, None):
            found = self._try(method, path, params=params, headers=headers, **body)
            if isinstance(found, httpx.Response):
                return self._accepted(found, acts=acts)
            lost = _Lost(found.error, found.sent or (lost is not None and lost.sent))
            if pause is None or (lost.sent and not repeats):
                break
            self._sleep(pause)
        assert lost is not None
        raise self._lost(lost, acts=acts, key=(headers or {}).get(KEY, ""))

    def _try(self, method: str, path: str, **more: Any) -> httpx.Response | _Lost:
        try:
            answer = self._http.request(method, API + path, **{k: v for k, v in more.items() if v is not None})
        except NOTHING_SENT as error:
            if isinstance(_cause(error), ssl.SSLCertVerificationError):
                raise untrusted(self.access.url, _cause(error)) from error
            return _Lost(error, sent=False)
        except httpx.TransportError as error:
            return _Lost(error, sent=True)
        if answer.status_code in (502, 503, 504) and not _problem(answer):  # a proxy's word: the portal gave none
            return _Lost(httpx.ReadError(f"a proxy answered {answer.status_code}"), sent=True)
        return answer

    def _accepted(self, answer: httpx.Response, *, acts: bool) -> httpx.Response:
        """An answer that is no refusal. Raises `Problem`."""
        if answer.is_success:
            return answer
        if answer.is_redirect:
            where = _place(answer.headers.get("Location", "elsewhere"))
            raise Problem(Exit.USAGE, f"{self.access.url} sends us to {where}: configure that address.")
        problem = _problem(answer)
        if problem:
            code = exit_of(answer.status_code, acts=acts)
            raise Problem(code, problem["message"], code=problem["code"], detail=problem.get("detail"))
        if answer.status_code < 500:
            raise Problem(
                Exit.UNREACHABLE, f"{self.access.url} answers {answer.status_code}, and not as a NanoPortal does."
            )
        open_end = " Whether it was done is not known." if acts else ""
        raise Problem(
            exit_of(answer.status_code, acts=acts),
            f"The portal failed ({answer.status_code}); its log says why.{open_end}",
        )

    def _lost(self, lost: _Lost, *, acts: bool, key: str) -> Problem:
        why = _why(lost.error)
        if not (acts and lost.sent):
            return unreachable(self.access.url, why)
        again = f" Asking once more with --key {key} does it at most once." if key else " Look before you ask again."
        return Problem(
            Exit.UNKNOWN, f"{self.access.url} gave no answer ({why}): whether it was done is not known.{again}"
        )


def _place(location: str) -> str:
    """An address without the page of it, where there is a host in it."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else location


def _why(error: Exception) -> str:
    """Without the number that goes before the system's words."""
    cause = _cause(error)
    return (isinstance(cause, OSError) and cause.strerror) or str(error) or type(error).__name__


def _cause(error: BaseException) -> BaseException | None:
    """The innermost reason that an error of httpx carries."""
    inner = error.__cause__ or error.__context__
    return error if inner is None else _cause(inner)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    """The body of a refusal; empty for an answer that is not the portal's."""
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) and {"code", "message"} <= said.keys() else {}


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Problem(Exit.UNREACHABLE, f"{answer.url} answers, and not as a NanoPortal does.") from error
