"""Consoles and their recordings over REST. Typing and watching live is done by WebSocket."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query, Router, Schema

from consoles.recordings.reading import Contents
from consoles.services import history, live, ports
from consoles.state import ConsoleState
from operations import roles
from operations.api import ERRORS, Page, cut, sends
from operations.http import ActorRequest, begin_act
from slots.models import Slot

router = Router()
FROM, SLOTS = Query(None, alias="from"), Query([])


class StageOut(Schema):
    stage: str
    words: str
    at: datetime
    boot_seconds: float | None = None


class RecordingOut(Schema):
    enabled: bool
    quota_mib: int
    retention_days: int
    state: str  # on, off, stopped, unknown
    problem: str


class ConsoleOut(Schema):
    slot: int
    baud: int
    state: str  # open, away, lent, unknown
    problem: str
    since: datetime | None
    stage: StageOut | None
    typist: str | None
    watching: list[str]
    may_type: bool
    recording: RecordingOut


class ConsoleList(Schema):
    count: int
    consoles: list[ConsoleOut]


class StretchOut(Schema):
    start: datetime
    end: datetime
    bytes: int
    cursor: str


class MarkerOut(Schema):
    kind: str
    at: datetime
    words: str
    detail: dict[str, Any]


class TimelineOut(Schema):
    segments: list[StretchOut]
    markers: list[MarkerOut]


class RecordsOut(Schema):
    records: list[dict[str, Any]]
    next: str | None


class HitOut(Schema):
    slot: int
    at: datetime
    line: str
    before: str
    after: str


class FoundOut(Schema):
    hits: list[HitOut]
    older: str | None
    reached: datetime | None


def console_json(request: ActorRequest, slot: Slot, state: ConsoleState) -> dict[str, Any]:
    port, now = ports.port_of(slot), state.port
    return {
        "slot": slot.number,
        "baud": now.get("baud") or ports.baud_of(slot),
        "state": now["state"],
        "problem": now.get("problem", ""),
        "since": now.get("since"),
        "stage": now.get("stage"),
        "typist": state.typist.person if state.typist else None,
        "watching": sorted({present.person for present in state.present}),
        "may_type": bool(roles.may(request.actor, "console.write", history.resource(slot.board.slug, slot.number))),
        "recording": {
            "enabled": port.recording,
            "quota_mib": port.quota_mib,
            "retention_days": port.retention_days,
            "state": now.get("recording", "unknown"),
            "problem": now.get("recording_problem", ""),
        },
    }


def timeline_json(contents: Contents) -> dict[str, Any]:
    return {
        "segments": [
            {
                "start": history.moment(one.start),
                "end": history.moment(one.end),
                "bytes": one.bytes,
                "cursor": one.cursor,
            }
            for one in contents.stretches
        ],
        "markers": [
            {"kind": one.kind, "at": one.at, "words": one.words, "detail": dict(one.detail)} for one in contents.markers
        ],
    }


@router.get("/boards/{board}/consoles", response={200: ConsoleList, **ERRORS})
def list_consoles(request: ActorRequest, board: str, page: Query[Page]) -> dict[str, Any]:
    """The consoles of a board that you may read, as they are now."""
    roles.require(request.actor, "view", board)
    count, numbers = cut(history.readable(request.actor, board), page)
    states, slots = live.states(board, numbers), ports.of_board(board)
    return {"count": count, "consoles": [console_json(request, slots[number], states[number]) for number in numbers]}


@router.get("/boards/{board}/slots/{int:number}/console", response={200: ConsoleOut, **ERRORS})
def get_console(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """One console as it is now: its port, who types and watches, whether it is recorded."""
    roles.require(request.actor, history.READ, history.resource(board, number))
    return console_json(request, ports.find(board, number), live.states(board, [number])[number])


@router.get("/boards/{board}/slots/{int:number}/recordings", response={200: TimelineOut, **ERRORS})
def get_recording(request: ActorRequest, board: str, number: int) -> dict[str, Any]:
    """What is recorded of a console: from when to when, and the newest markers, boot stages among them."""
    return timeline_json(history.timeline(request.actor, board, number))


@router.get("/boards/{board}/slots/{int:number}/recordings/data", response={200: RecordsOut, **ERRORS})
def get_records(
    request: ActorRequest,
    board: str,
    number: int,
    cursor: str = "",
    start: datetime | None = FROM,
    to: datetime | None = None,
) -> dict[str, Any]:
    """What a console said from a moment on, at most 256 KiB; `next` is the `cursor` of what follows. Of a record `t`
    is the time in unix seconds, `d` bytes in base64, `m` a marker."""
    return history.page_json(history.records(request.actor, board, number, cursor=cursor, start=start, to=to))


@router.get("/boards/{board}/recordings/search", response={200: FoundOut, **ERRORS})
def search_recordings(
    request: ActorRequest, board: str, q: str, slot: list[int] = SLOTS, older: str = ""
) -> dict[str, Any]:
    """Lines with a text in the recordings of all consoles that you may read, or of those of `slot`, newest first; in
    about 2 s at most. `older` goes on where that ended, back to `reached`."""
    roles.require(begin_act(request, "console.searched", board), "view", board)
    found = history.search(request.actor, board, q, slot or None, older)
    return {
        "hits": [
            {"slot": hit.slot, "at": history.moment(hit.at), "line": hit.line, "before": hit.before, "after": hit.after}
            for hit in found.hits
        ],
        "older": found.older,
        "reached": found.reached,
    }


@router.get(
    "/boards/{board}/slots/{int:number}/recordings/download",
    response={200: None, **ERRORS},
    openapi_extra=sends("text/plain", "application/x-asciicast"),
)
def download_recording(
    request: ActorRequest,
    board: str,
    number: int,
    format: str = "text",
    start: datetime | None = FROM,
    to: datetime | None = None,
) -> HttpResponse | StreamingHttpResponse:
    """A recording as `text` or as `cast` (asciicast v2), streamed; without sequences that act on a terminal."""
    begin_act(request, "console.downloaded", history.resource(board, number))
    return streamed(history.download(request.actor, board, number, format, start, to))


def streamed(file: history.Download) -> StreamingHttpResponse:
    """A download as an answer, sent while it is read."""
    response = StreamingHttpResponse(file.stream(), content_type=file.content_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response["X-Accel-Buffering"] = "no"
    return response
