"""A socket that is refused is on record: cross-site, without a session, without the right to see anything."""

import pytest
from asgiref.sync import sync_to_async
from channels.testing import ApplicationCommunicator
from django.test import Client

from accounts.models import User
from operations.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)
OURS, ELSEWHERE = b"http://localhost", b"http://mallory.example"


async def closed(path: str, origin: bytes = OURS, cookie: str = "") -> list[dict]:
    """What the portal sends to a socket until it closes it."""
    from nanoportal.asgi import application

    headers = [(b"origin", origin), (b"host", b"localhost"), (b"cookie", cookie.encode())]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "client": ("10.0.0.9", 4)}
    socket = ApplicationCommunicator(application, {**scope, "subprotocols": [], "scheme": "ws"})
    await socket.send_input({"type": "websocket.connect"})
    said = [await socket.receive_output(20)]
    while said[-1]["type"] != "websocket.close":
        said.append(await socket.receive_output(20))
    return said


async def refused() -> list[tuple[str, str, str, str, str]]:
    found = AuditEntry.objects.filter(outcome="refused").values_list("actor", "address", "action", "target", "code")
    return await sync_to_async(list)(found)


async def session_of(name: str, role: str) -> str:
    user = await sync_to_async(User.objects.create_user)(name, role=role)
    client = Client()
    await sync_to_async(client.force_login)(user)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


@pytest.mark.parametrize(
    ("path", "action"), [("/ws/events/", "events.attached"), ("/ws/consoles/demo/3/", "console.attached")]
)
async def test_a_socket_without_a_session_is_refused_and_on_record(path, action):
    assert (await closed(path))[-1]["code"] == 4403
    code = "not-permitted" if action.startswith("events") else "not-signed-in"
    assert await refused() == [("", "10.0.0.9", action, "portal", code)]


@pytest.mark.parametrize("path", ["/ws/events/", "/ws/consoles/demo/3/"])
async def test_a_socket_that_a_page_from_elsewhere_opens_is_refused_and_on_record(path):
    cookie = await session_of("alice", "administrator")
    assert [one["type"] for one in await closed(path, ELSEWHERE, cookie)] == ["websocket.close"]
    assert await refused() == [("", "10.0.0.9", "socket.attached", "portal", "cross-site")]


async def test_somebody_without_any_right_is_refused_by_name(db):
    cookie = await session_of("nina", "")
    assert (await closed("/ws/events/", cookie=cookie))[-1]["code"] == 4403
    assert await refused() == [("nina", "10.0.0.9", "events.attached", "portal", "not-permitted")]


async def test_many_refusals_of_nobody_are_one_entry(db):
    for slot in range(4):
        await closed(f"/ws/consoles/demo/{slot}/")
    assert len(await refused()) == 1
