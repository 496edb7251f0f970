"""Reservations and notices over REST."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from accounts import places
from accounts.models import AccessVersion, Notice
from accounts.services import notices
from operations import rights, roles
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, KEY, Page, Problem, Strict, cut
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act
from operations.models import Reservation
from reservations.services import booking, showing
from reservations.services.booking import Wish

router = Router(tags=["reservations"])
KEY_ERRORS = {**ERRORS, 422: Problem}


class ReservationOut(Schema):
    id: int
    board: str
    slot: int
    holder: str
    mine: bool
    purpose: str
    state: Literal["waiting", "planned", "active", "ended", "broken"]
    starts_at: datetime | None = Field(description="null while it waits in the queue")
    ends_at: datetime | None
    expected_at: datetime | None = Field(description="for one that waits: when its turn can be expected")
    turn: int = Field(description="place in the queue, 1 is next; 0 for one that does not wait")
    wanted_seconds: int
    queued_at: datetime
    ended_at: datetime | None
    ended_why: str
    broken_by: str
    broken_reason: str


class ReservationList(Schema):
    count: int
    reservations: list[ReservationOut]


class ReserveIn(Strict):
    purpose: str = Field(max_length=200, examples=["swap SSD"])
    seconds: int = Field(ge=1, le=10_000_000, description="300 (five minutes) to 1209600 (14 days)", examples=[7200])
    starts_at: datetime | None = Field(None, description="a time to come, with its zone; none is now")
    queue: bool = Field(False, description="join the queue: it begins when the slot is free, at once if it is")


class ChangeIn(Strict):
    ends_at: datetime = Field(description="the new end, with its zone", examples=["2026-11-23T18:00:00Z"])


class BreakIn(Strict):
    reason: str = Field(max_length=300, examples=["The fan is on fire."])


class NoticeOut(Schema):
    id: int
    at: datetime
    text: str
    link: str


class NoticeList(Schema):
    count: int
    notices: list[NoticeOut]


class Span(Page):
    """Which reservations, and which page of them."""

    mine: bool = False
    slot: int | None = Field(None, ge=1, le=7)


def reservation_json(shown: showing.Shown) -> dict[str, Any]:
    """A reservation as the API shows it."""
    row = shown.row
    plain = {name: getattr(row, name) for name in ReservationOut.model_fields if hasattr(row, name)}
    return plain | {
        "board": rights.board_of(row.resource),
        "slot": shown.number,
        "mine": shown.mine,
        "expected_at": shown.period.starts_at if shown.turn else None,
        "turn": shown.turn,
    }


def _shown(request: ActorRequest, row: Reservation) -> dict[str, Any]:
    return reservation_json(showing.of_row(row, request.actor))


def _page(found: list[showing.Shown], span: Span) -> dict[str, Any]:
    kept = [one for one in found if (one.mine or not span.mine) and span.slot in (None, one.number)]
    count, page = cut(kept, span)
    return {"count": count, "reservations": [reservation_json(one) for one in page]}


@router.get("/boards/{board}/reservations", response={200: ReservationList, **ERRORS})
def board_reservations(request: ActorRequest, board: str, span: Query[Span]) -> dict[str, Any]:
    """What is reserved, planned and waited for on a board and not over yet, slot by slot."""
    roles.require(request.actor, "view", board)
    seen = [place.resource for place in places.of_board(board) if roles.may(request.actor, "view", place.resource)]
    return _page(showing.open_of(seen, request.actor), span)


@router.get("/reservations", response={200: ReservationList, **ERRORS})
def own_reservations(request: ActorRequest, span: Query[Span]) -> dict[str, Any]:
    """One's own reservations on all boards that are not over yet."""
    roles.require(request.actor, "view", "portal")
    return _page(showing.own(request.actor), span)


@router.post("/boards/{board}/slots/{int:number}/reservations", response={201: ReservationOut, **KEY_ERRORS})
def reserve_slot(request: ActorRequest, board: str, number: int, body: ReserveIn, idempotency_key: str = KEY) -> Any:
    """Take a slot now, plan to have it, or join its queue. Meanwhile nobody else can power, flash or type there.

    409 with code `reserved` (somebody has it or comes first), `overlap` (somebody has planned to have it then),
    `yours-already`, `too-many`, or `busy` while somebody else's operation goes on there.
    """
    actor = begin_act(request, "reservation.make", f"{board}/slot:{number}")
    roles.require(actor, "reserve", f"{board}/slot:{number}")
    wish = Wish(body.purpose, body.seconds, booking.with_zone(body.starts_at), body.queue)
    made = booking.reserve(places.find(board, number), wish, actor, key=idempotency_key)
    return Status(201, _shown(request, made))


@router.get("/reservations/{int:reservation_id}", response={200: ReservationOut, **ERRORS})
def get_reservation(request: ActorRequest, response: HttpResponse, reservation_id: int) -> dict[str, Any]:
    """One reservation, also after it is over. The ETag is for PATCH."""
    row = booking.find(reservation_id, request.actor)
    response["ETag"] = etag(edited(row))
    return _shown(request, row)


def edited(row: Reservation) -> dict[str, Any]:
    """What of a reservation can be edited here: its ETag is of this."""
    return {"id": row.pk, "state": row.state, "ends_at": row.ends_at}


@router.patch("/reservations/{int:reservation_id}", response={200: ReservationOut, **EDIT_ERRORS})
def change_reservation(
    request: ActorRequest, response: HttpResponse, reservation_id: int, body: ChangeIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Move the end of one's own reservation; 409 while somebody waits, or has planned to have the slot then."""
    row = _asked(request, reservation_id, "reservation.extend")
    ends_at = booking.with_zone(body.ends_at) or body.ends_at
    with unchanged(if_match, AccessVersion.objects.all(), lambda: edited(booking.find(row.pk, request.actor))):
        booking.change_end(row.pk, ends_at, request.actor)
    return get_reservation(request, response, row.pk)


@router.delete("/reservations/{int:reservation_id}", response={200: ReservationOut, **ERRORS})
def release_reservation(request: ActorRequest, reservation_id: int) -> dict[str, Any]:
    """Give a slot back, give up a plan, or leave the queue; the next in the queue has their turn."""
    row = _asked(request, reservation_id, "reservation.end")
    return _shown(request, booking.release(row.pk, request.actor))


@router.post("/reservations/{int:reservation_id}/break", response={200: ReservationOut, **KEY_ERRORS})
def break_reservation(
    request: ActorRequest, reservation_id: int, body: BreakIn, idempotency_key: str = KEY
) -> dict[str, Any]:
    """Override somebody's reservation (administrators). Whoever breaks an active one has the slot for an hour at most.
    Answers with what became of the reservation that was overridden."""
    row = _asked(request, reservation_id, "reservation.break")
    return _shown(request, booking.break_glass(row.pk, body.reason, request.actor, key=idempotency_key))


def _asked(request: ActorRequest, reservation_id: int, action: str) -> Reservation:
    """The reservation that an act is about, once it is on record who asks for what."""
    begin_act(request, action, f"reservation:{reservation_id}")
    row = booking.find(reservation_id, request.actor)
    begin_act(request, action, row.resource)
    return row


# ---- Notices


@router.get("/notices", response={200: NoticeList, **ERRORS}, tags=["notices"])
def list_notices(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """What one has to be told and has not put away yet, the oldest first."""
    roles.require_scope(request.actor, "view")
    count, found = cut(notices.unseen(request.actor.user_id), page)
    return {"count": count, "notices": found}


@router.post("/notices/{int:notice_id}/seen", response={200: NoticeOut, **ERRORS}, tags=["notices"])
def see_notice(request: ActorRequest, notice_id: int) -> Notice:
    """Put a notice away. A token needs the scope `reserve`: a person may not have read it."""
    roles.require_scope(request.actor, "reserve")
    return notices.see(request.actor.user_id, notice_id)
