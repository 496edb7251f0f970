"""The audit log over REST: search, single entries, verification in steps, export."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from django.core import signing
from django.http import StreamingHttpResponse
from ninja import Field, Query, Router, Schema

from operations import exporting, refusals, roles, searching, verifying
from operations.api import ERRORS, Strict, sends
from operations.http import ActorRequest, begin_act
from operations.models import AuditEntry
from operations.reading import read, recording
from operations.roles import Actor
from operations.verifying import Place

router = Router(tags=["audit"])
SALT = "audit walk"
Number = Annotated[int, Field(ge=0, lt=2**63)]


class Filters(Schema):
    """All that are given must fit. `text` is words, each in the entry or the beginning of one that is; `target` a board
    with all that is on it, or one thing like `demo/slot:3`; `from` and `to` are days, UTC, both included."""

    text: str = Field("", max_length=200, examples=["swap ssd"])
    actor: str = Field("", max_length=150, examples=["carol"])
    action: str = Field("", max_length=60, examples=["power.reset"])
    target: str = Field("", max_length=100, examples=["demo/slot:3"])
    outcome: str = Field("", max_length=20, examples=["refused"])
    operation: UUID | None = None
    since: date | None = Field(None, alias="from", examples=["2026-11-01"])
    to: date | None = None

    def asked(self) -> dict[str, str]:
        """As the pages' filters are named."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return searching.asked_for({name: str(value) for name, value in given.items()})


class EntryOut(Schema):
    """One act or refusal. `address`, `credential`, `token`, `detail` and `mac` are null where somebody else did it and
    the reader is no administrator."""

    seq: int
    at: datetime
    actor: str
    action: str
    words: str = Field(description="The act as people say it.")
    target: str
    outcome: str
    code: str
    reason: str
    message: str
    source: str
    operation: UUID | None
    recording: str | None = Field(description="Path of the page with what the console said then, if you may read it.")
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None
    credential: str | None
    token: str | None
    detail: dict[str, Any] | None
    mac: str | None


class EntriesOut(Schema):
    """Entries, newest first; `older` is the `before` of the next page, null at the end."""

    entries: list[EntryOut]
    older: int | None


class WalkIn(Strict):
    cursor: str = Field("", max_length=500, description="From the last answer; empty to begin.")


class WalkOut(Schema):
    """How far a verification has come. Until it is `done`, ask again with the `cursor`; then `whole` is the verdict."""

    done: bool
    whole: bool | None
    checked: int
    of: int
    broken_at: int | None
    problem: str
    cursor: str


def entry_out(actor: Actor, entry: AuditEntry) -> dict[str, Any]:
    """An entry as far as `actor` may read it."""
    act = read(entry, is_whole=searching.sees_all(actor) or searching.is_own(actor, entry))
    before, after = (act.detail.get(name) for name in ("before", "after"))
    whole = {
        "address": entry.address,
        "credential": act.said.get("credential"),
        "token": act.said.get("token"),
        "detail": act.detail,
        "mac": entry.mac,
    }
    columns = ("seq", "at", "actor", "action", "target", "outcome", "code", "reason", "source")
    return {
        **{name: getattr(entry, name) for name in columns},
        "words": act.words,
        "message": act.message,
        "operation": entry.operation_id,
        "recording": recording(actor, entry),
        "before": before if isinstance(before, dict) else None,
        "after": after if isinstance(after, dict) else None,
        **(whole if act.is_whole else dict.fromkeys(whole)),
    }


@router.get("/audit", response={200: EntriesOut, **ERRORS})
def list_entries(request: ActorRequest, filters: Query[Filters], before: Number | None = None) -> dict[str, Any]:
    """The newest entries that you may see and that fit, or those before the number `before`; 50 at a time."""
    actor = request.actor
    roles.require(actor, "audit.view", "portal")
    page = searching.page(searching.narrowed(searching.visible(actor), filters.asked()), before=before)
    return {"entries": [entry_out(actor, entry) for entry in page.entries], "older": page.older}


@router.get("/audit/{int:seq}", response={200: EntryOut, **ERRORS})
def get_entry(request: ActorRequest, seq: Number) -> dict[str, Any]:
    """One entry by its number."""
    roles.require(request.actor, "audit.view", "portal")
    entry = searching.visible(request.actor).filter(seq=seq).first()
    if entry is None:
        raise refusals.NotFound(f"There is no entry {seq} that you may see.", code="unknown-entry")
    return entry_out(request.actor, entry)


@router.post("/audit/verify", response={200: WalkOut, **ERRORS})
def verify(request: ActorRequest, body: WalkIn) -> dict[str, Any]:
    """Walk along the chain for about a second. Administrators only."""
    roles.require(begin_act(request, "audit.verify", "portal"), "audit.verify", "portal")
    try:
        place = Place(*signing.loads(body.cursor, salt=SALT)) if body.cursor else None
    except signing.BadSignature:
        raise refusals.BadRequest("This cursor is not from an earlier answer; begin anew without one.") from None
    found = verifying.walk(place)
    if isinstance(found, Place):
        cursor = signing.dumps([found.last, found.mac, found.began], salt=SALT)
        verdict: dict[str, Any] = {"done": False, "whole": None, "broken_at": None, "problem": "", "cursor": cursor}
    else:
        verdict = {"done": True, "whole": found.whole, "broken_at": found.broken_at, "problem": found.problem}
    began = found.began if isinstance(found, Place) else verifying.beginning().began
    return {"cursor": "", **verdict, "checked": found.checked, "of": verifying.length() - began}


@router.post("/audit/export", response={200: None, **ERRORS}, openapi_extra=sends("application/jsonl", "text/csv"))
def export(request: ActorRequest, filters: Query[Filters], format: str = "jsonl") -> StreamingHttpResponse:
    """All entries that fit, oldest first: JSON lines with signatures, or CSV. Administrators only; on record."""
    actor = begin_act(request, "audit.export", "portal")
    entries = searching.export(actor, filters.asked(), format)
    return exporting.download(entries, format)
