"""The walk over WebSockets: who may listen, by session and by token, as the table says."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.utils import timezone

from accounts.actors import actor_for
from accounts.models import ApiToken, RightGrant, User
from accounts.services import tokens
from accounts.services.tokens import Wish
from operations.models import AuditEntry
from operations.rights import ADMINISTRATOR, ROLES
from tests.consoles.visit import Browser, Line, cookie_of, make_slot
from tests.doors.scene import NEIGHBOUR, NOBODY, PEOPLE, STRANGER
from tests.doors.table import ALWAYS, SOCKETS
from tests.doors.walking import sockets

pytestmark = pytest.mark.django_db(transaction=True)
BOARD, SLOT, OTHER = "walk", 3, 4


@pytest.fixture
def line(settings: Any, tmp_path: Any) -> Iterator[Line]:
    settings.DATA_DIR = tmp_path
    line = Line(BOARD)
    make_slot(BOARD)
    line.begin()
    yield line
    line.close()


def test_every_socket_has_a_row() -> None:
    assert set(sockets()) == set(SOCKETS)


async def is_let_in(address: str, **as_whom: str) -> bool:
    """Whether somebody hears anything there, and is not sent away at once."""
    if "<slot>" in address:
        browser = await Browser(BOARD, SLOT, **as_whom).open()
        while browser.code is None and not any(one.get("type") == "hello" for one in browser.said):
            await browser.read()
        if browser.code is None:
            await browser.socket.disconnect()
        return browser.code is None
    from nanoportal.asgi import application

    said = [(b"cookie", as_whom.get("cookie", "").encode()), (b"host", b"localhost"), (b"origin", b"http://localhost")]
    said += [(b"authorization", f"Bearer {as_whom['token']}".encode())] if "token" in as_whom else []
    socket = WebsocketCommunicator(application, address, headers=said)
    accepted, _ = await socket.connect(timeout=20)
    if accepted:
        await socket.disconnect()
    return bool(accepted)


@sync_to_async
def cookies() -> dict[str, str]:
    """Everybody's session."""
    found = {NOBODY: ""}
    for who in (STRANGER, NEIGHBOUR, *ROLES):
        person = User.objects.create_user(f"a-{who}", role=who if who in ROLES else "")
        found[who] = cookie_of(person)
    neighbour = User.objects.get(username=f"a-{NEIGHBOUR}")
    now = timezone.now()
    RightGrant.objects.create(user=neighbour, role=ADMINISTRATOR, scope=f"{BOARD}/slot:{OTHER}", given_at=now)
    return found


@sync_to_async
def token_texts() -> dict[str, str]:
    """An administrator's tokens, good and bad."""
    owner = User.objects.create_user("alice", role=ADMINISTRATOR)
    actor = actor_for(owner, credential="session")
    found = {scope: tokens.make(actor, owner, Wish(scope, (scope,)))[1] for scope in ALWAYS}
    every = tuple(ALWAYS)
    for name, more in {"revoked": {}, "expired": {}, "elsewhere": {"addresses": ("192.0.2.0/24",)}}.items():
        row, found[name] = tokens.make(actor, owner, Wish(name, every, **more))
        if name == "revoked":
            tokens.revoke(actor, row)
        if name == "expired":
            ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    _, found["wrong slot"] = tokens.make(actor, owner, Wish("wrong slot", every, resources=(f"{BOARD}/slot:{OTHER}",)))
    return found


@pytest.mark.parametrize("address", SOCKETS)
async def test_a_socket_lets_in_whom_the_table_says_and_nobody_else(line: Line, address: str) -> None:
    await sync_to_async(make_slot)(BOARD, OTHER)
    found = await cookies()
    for who in PEOPLE:
        assert await is_let_in(address, cookie=found[who]) == (who in SOCKETS[address].who), f"{who} at {address}"
    is_of_a_slot = "<slot>" in address
    is_one = bool(SOCKETS[address].who)
    assert await is_let_in(address, cookie=found[NEIGHBOUR]) == (is_one and not is_of_a_slot)
    refused = await sync_to_async(AuditEntry.objects.filter(outcome="refused").count)()
    assert refused >= (3 if is_of_a_slot else 2 if is_one else 0), "each refusal is on record"


@pytest.mark.parametrize("address", SOCKETS)
async def test_a_token_opens_the_socket_that_it_is_for_and_a_bad_one_none(line: Line, address: str) -> None:
    await sync_to_async(make_slot)(BOARD, OTHER)
    found = await token_texts()
    for scope in ALWAYS:
        expected = scope in SOCKETS[address].scopes
        assert await is_let_in(address, token=found[scope]) == expected, f"{scope} at {address}"
    for bad in ("revoked", "expired", "elsewhere", *(["wrong slot"] if "<slot>" in address else [])):
        assert not await is_let_in(address, token=found[bad]), f"{bad} at {address}"


async def test_what_no_page_of_ours_says_is_not_heard_and_breaks_nothing(line: Line) -> None:
    cookie = (await cookies())[ADMINISTRATOR]
    said = [(b"cookie", cookie.encode()), (b"host", b"localhost"), (b"origin", b"http://localhost")]
    from nanoportal.asgi import application

    socket = WebsocketCommunicator(application, "/ws/events/", headers=said)
    assert (await socket.connect(timeout=20))[0]
    for text in ("x", "[" * 9000, '{"ping": 1}'):
        await socket.send_to(text_data=text)
    await socket.send_to(bytes_data=b"\xff")
    await socket.send_to(text_data='{"ping": true}')
    heard = {"topic": "first"}
    while heard["topic"] != "pong":
        heard = await socket.receive_json_from(20)
    await socket.disconnect()
