"""The audit log as files: JSON lines that keep what was signed, and CSV for spreadsheets. Both in pieces, oldest first,
so that memory does not grow with the log and no reader holds the database up.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from operations.audit import signed
from operations.models import AuditEntry

CHUNK = 2000
FORMATS = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}
#: The columns of the CSV: what the signed text says, the detail's parts by themselves, and the signature.
SAID = ("seq", "at", "actor", "role", "rights", "source", "credential", "token", "address", "action", "target")
MORE = ("outcome", "code", "reason", "operation")
DETAIL = ("title", "message", "before", "after")
COLUMNS = (*SAID, *MORE, *DETAIL, "mac")


def pieces(entries: QuerySet[AuditEntry], form: str) -> Iterator[str]:
    """The file in pieces of up to `CHUNK` entries. `form` is one of `FORMATS`."""
    last: int | None = None
    while True:
        text, last, more = _piece(entries, form, last)
        yield text
        if not more:
            return


async def stream(entries: QuerySet[AuditEntry], form: str) -> AsyncIterator[bytes]:
    """The same for a response of the web server, which would collect a plain iterator whole."""
    last: int | None = None
    more = True
    while more:
        text, last, more = await sync_to_async(_piece)(entries, form, last)
        yield text.encode()


def download(entries: QuerySet[AuditEntry], form: str) -> StreamingHttpResponse:
    """The answer that is saved as a file."""
    response = StreamingHttpResponse(stream(entries, form), content_type=FORMATS[form])
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y%m%d-%H%M}.{form}"'
    return response


def _piece(entries: QuerySet[AuditEntry], form: str, last: int | None) -> tuple[str, int | None, bool]:
    """The next entries as text, the number of the last one, and whether there may be more. CSV begins with a header."""
    rows = entries if last is None else entries.filter(seq__gt=last)
    found = list(rows.order_by("seq").values_list("seq", "text", "mac")[:CHUNK])
    write = _lines if form == "jsonl" else _cells
    text = write([{**signed(text), "mac": mac} for _, text, mac in found], last is None)
    return text, found[-1][0] if found else last, len(found) == CHUNK


def _lines(said: list[dict[str, Any]], first: bool) -> str:
    return "".join(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in said)


def _cells(said: list[dict[str, Any]], first: bool) -> str:
    sheet = io.StringIO()
    writer = csv.writer(sheet)  # its line ends, CR LF (RFC 4180), make it quote either of them in a cell
    if first:
        writer.writerow(COLUMNS)
    for entry in said:
        values = {**entry, **{name: entry["detail"].get(name) for name in DETAIL}}
        writer.writerow([safe_cell(values.get(name)) for name in COLUMNS])
    return sheet.getvalue()


def safe_cell(value: Any) -> str:
    """A cell that a spreadsheet will not take for a formula: it gets an apostrophe, which spreadsheets do not show."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in "=+-@\t\r" and not text.lstrip("-").isdigit() else text
