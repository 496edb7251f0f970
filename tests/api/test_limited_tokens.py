"""A token for one slot finds what a person with a right on that slot finds: no less, and no more."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_for
from accounts.models import RightGrant, User
from accounts.services import tokens
from accounts.services.tokens import Wish
from nanoportal.api import api
from operations.refusals import BadRequest
from tests.api.world import BOARD, TOKEN_SCOPES, World

pytestmark = pytest.mark.django_db
SLOT = f"{BOARD}/slot:3"
#: What tells of whose it is: the owner's name, tokens and acts.
OWN = {"/api/v1/me", "/api/v1/tokens", "/api/v1/audit/{seq}"}


@pytest.fixture
def dora(portal: World) -> User:
    """Operator of slot 3 and nothing else."""
    person = User.objects.create_user("dora", password="x", role="")
    RightGrant.objects.create(user=person, role="operator", scope=SLOT, given_by="alice", given_at=timezone.now())
    return person


def readable(portal: World) -> list[str]:
    """Every address of the API that is read, with what there is in its place."""
    ids = portal.ids | {"name": "third-party"}
    found = [path for path, methods in api.get_openapi_schema()["paths"].items() if "get" in methods]
    asked = {"flash-runs": f"?board={BOARD}", "search": "?q=boot"}
    paths = [path.format_map({"notice_id": 1} | ids) for path in found if path not in OWN]
    paths = [path for path in paths if "flash-network" not in path]  # they ask a machine
    return [path + asked.get(path.rpartition("/")[2], "") for path in paths]


def test_a_token_for_a_slot_reads_what_a_person_with_a_right_there_reads(portal, dora):
    alice = User.objects.get(username="alice")
    _, text = tokens.make(actor_for(alice, credential="session"), alice, Wish("ci", TOKEN_SCOPES, (SLOT,)))
    browser = Client()
    browser.force_login(dora)
    differing: dict[str, Any] = {}
    for path in readable(portal):
        theirs = browser.get(path).status_code
        its = Client().get(path, headers={"Authorization": f"Bearer {text}"}).status_code
        if theirs != its:
            differing[path] = (theirs, its)
    assert differing == {}


def test_nobody_is_offered_a_place_for_a_token_that_they_may_not_see(portal, dora):
    browser = Client()
    browser.force_login(dora)
    page = browser.get("/account/tokens/").content.decode()
    assert f'value="{SLOT}"' in page
    assert "slot:4" not in page
    assert "kestrel" in page
    actor = actor_for(dora, credential="session")
    with pytest.raises(BadRequest, match="There is no 'demo/slot:4'"):
        tokens.make(actor, dora, Wish("ci", ("read",), (f"{BOARD}/slot:4",)))
    with pytest.raises(BadRequest, match="There is no 'nowhere'"):
        tokens.make(actor, dora, Wish("ci", ("read",), ("nowhere",)))
    row, _ = tokens.make(actor, dora, Wish("ci", ("read",), (SLOT, BOARD)))
    assert row.resources == [BOARD, SLOT]
