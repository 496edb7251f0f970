"""The doors of a running portal: sessions that end, and the socket of hints."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.flows.broker import Broker
from tests.flows.scene import Scene
from tests.portal import Client

pytestmark = pytest.mark.quiet

SOON_SECONDS = 20.0


def person(scene: Scene, name: str) -> int:
    (row,) = scene.rows("SELECT id FROM accounts_user WHERE username = ?", name)
    return int(row["id"])


def new_password(scene: Scene, client: Client, name: str = "new_password") -> None:
    """By an administrator, who thereby ends the person's sessions."""
    words = "another-seven-slots-and-a-switch"
    form = {"password": words, "again": words, "csrfmiddlewaretoken": scene.client.csrf()}
    assert scene.client.http.post(f"/people/{person(scene, name)}/", data=form).status_code == 302


def test_a_session_that_has_ended_gets_a_sentence_at_every_door_and_changes_nothing(scene: Scene) -> None:
    client = scene.person("olga", "operator")
    new_password(scene, client, "olga")
    since = time.monotonic()
    answer = client.reset(2, "ForceRestart")
    assert answer.status_code == 401
    assert answer.json()["message"] == "Sign in first; your session may have ended."
    form = {"reset_type": "ForceRestart", "csrfmiddlewaretoken": client.csrf()}
    answer = client.http.post("/boards/demo/slots/2/reset", data=form, follow_redirects=True)
    assert answer.url.path == "/login/"
    assert "your password or account changed, or the session was ended. Sign in again." in answer.text
    assert scene.rows.claims() == []
    assert not scene.trace.writes(since)


# ---- Hints


@asynccontextmanager
async def events(scene: Scene, client: Client, origin: str | None = None) -> AsyncIterator[ClientConnection]:
    """The socket that a page opens."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
    url = f"ws://127.0.0.1:{scene.portal.port}/ws/events/"
    async with connect(url, origin=origin or scene.portal.url, additional_headers={"Cookie": cookies}) as socket:
        yield socket


async def hint(socket: ClientConnection, topic: str, slot: int) -> dict[str, Any]:
    """The next hint of a topic about a slot."""
    async with asyncio.timeout(SOON_SECONDS):
        while True:
            message = json.loads(await socket.recv())
            if (message["topic"], message.get("slot")) == (topic, slot):
                return message


async def test_open_pages_hear_of_a_change_and_still_do_when_the_broker_was_killed_meanwhile(
    scene: Scene, broker: Broker
) -> None:
    async with events(scene, scene.client) as socket:
        operation = await asyncio.to_thread(scene.ask, 3, "PushPowerButton")
        assert (await hint(socket, "operation", 3))["operation"] == operation
        await hint(socket, "slot", 3)

        broker.kill()
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(scene.wait_healthy)
        hearing = asyncio.create_task(hint(socket, "operation", 2))
        while not hearing.done():  # hints may be lost for a moment, not for good
            await asyncio.to_thread(scene.do, 2, "ForceRestart")
        await hearing


async def is_refused(scene: Scene, client: Client, origin: str | None = None) -> bool:
    """Whether the socket is not opened, or closed again before it has said anything."""
    try:
        async with events(scene, client, origin) as socket, asyncio.timeout(3):
            await socket.wait_closed()
    except (InvalidStatus, ConnectionClosed):
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
async def test_a_page_from_elsewhere_hears_nothing(scene: Scene, origin: str) -> None:
    assert await is_refused(scene, scene.client, origin)


async def test_nobody_who_is_not_signed_in_hears_anything(scene: Scene) -> None:
    assert await is_refused(scene, Client(scene.portal.url))


def sign_out(scene: Scene, client: Client) -> None:
    client.http.post("/logout/", data={"csrfmiddlewaretoken": client.csrf()})


def deactivate(scene: Scene, client: Client) -> None:
    form = {"access": "off", "csrfmiddlewaretoken": scene.client.csrf()}
    assert scene.client.http.post(f"/people/{person(scene, 'deactivate')}/access/", data=form).status_code == 302


def ended_elsewhere(scene: Scene, client: Client) -> None:
    """The same person, in another browser."""
    other = Client(scene.portal.url)
    assert other.sign_in("ended_elsewhere")
    form = {"csrfmiddlewaretoken": other.csrf()}
    assert other.http.post("/account/sessions/end-others/", data=form).status_code == 302


async def seconds_until_closed(scene: Scene, loss: Callable[[Scene, Client], None]) -> float:
    """How long somebody's socket outlives the loss of their right."""
    client = await asyncio.to_thread(scene.person, loss.__name__, "viewer")
    async with events(scene, client) as socket:
        await asyncio.to_thread(loss, scene, client)
        began = time.monotonic()
        async with asyncio.timeout(SOON_SECONDS):
            await socket.wait_closed()
        assert socket.close_code == 4403
        return time.monotonic() - began


async def test_the_socket_closes_within_three_seconds_of_losing_the_right(scene: Scene) -> None:
    losses = (sign_out, deactivate, new_password, ended_elsewhere)
    assert max(await asyncio.gather(*(seconds_until_closed(scene, loss) for loss in losses))) < 3.0
