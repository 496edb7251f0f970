"""Revisions over REST: the tables that were confirmed, and how one of them is taken up again."""

from typing import Any

from django.http import HttpResponse
from ninja import Query, Router, Schema

from operations.api import Page, cut
from operations.http import ActorRequest
from switch.api.vlans import ERRORS, RevisionOut, VlansIn, acting, find_board
from switch.documents import to_document
from switch.services import revisions, running

router = Router()


class RevisionList(Schema):
    count: int
    revisions: list[RevisionOut]


@router.get("/boards/{board}/switch/revisions", response={200: RevisionList, **ERRORS})
def list_revisions(request: ActorRequest, board: str, page: Query[Page]) -> dict[str, Any]:
    """The tables that were confirmed, the newest first."""
    count, found = cut(revisions.of(find_board(request, board)), page)
    return {"count": count, "revisions": found}


@router.get("/boards/{board}/switch/revisions/{int:number}", response={200: RevisionOut, **ERRORS})
def get_revision(request: ActorRequest, board: str, number: int) -> Any:
    """One table that was confirmed."""
    return revisions.find(find_board(request, board), number)


@router.post("/boards/{board}/switch/revisions/{int:number}/restore", response={200: VlansIn, **ERRORS})
def restore_revision(request: ActorRequest, response: HttpResponse, board: str, number: int) -> dict[str, Any]:
    """Make a revision the desired table again; plan and commit it like any other."""
    row, actor = acting(request, board, "switch.edit")
    saved = revisions.restore(revisions.find(row, number), actor)
    response["ETag"] = f'"{saved.version}"'
    return to_document(saved.setup, running.wiring(row))
