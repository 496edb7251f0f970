"""Forwarded headers count from named proxies and from nobody else, for requests and sockets alike."""

from ipaddress import ip_network
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import ApplicationCommunicator

from nanoportal.env import EnvironmentProblem, load_env
from nanoportal.proxies import TrustedProxies, without_proxy
from operations.models import AuditEntry

PROXIES = (ip_network("10.0.0.0/24"), ip_network("fd00::/8"))
CLIENT, PROXY = "198.51.100.7", "10.0.0.2"


def seen(peer: str, kind: str = "http", **headers: str) -> dict[str, Any]:
    """The scope as what is below sees it."""
    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "scheme": "http" if kind == "http" else "ws", "client": [peer, 4711], "root_path": "/x"}
    return without_proxy({**scope, "headers": [(b"host", b"portal.lan"), *said]}, PROXIES)


def host(scope: dict[str, Any]) -> str:
    return b",".join(value for name, value in scope["headers"] if name == b"host").decode()


def test_what_a_named_proxy_says_of_its_client_counts() -> None:
    for kind, scheme in (("http", "https"), ("websocket", "wss")):
        headers = {"x_forwarded_for": CLIENT, "x_forwarded_proto": "https", "x_forwarded_host": "np.example"}
        scope = seen(PROXY, kind, **headers)
        assert (scope["client"][0], scope["scheme"], host(scope)) == (CLIENT, scheme, "np.example")
        assert [name for name, _ in scope["headers"]] == [b"host"], "nobody below reads them again"


def test_what_anybody_else_says_counts_for_nothing() -> None:
    forged = {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https", "x_forwarded_host": "evil.example"}
    for kind in ("http", "websocket"):
        scope = seen(CLIENT, kind, **forged, forwarded="for=127.0.0.1", x_real_ip="127.0.0.1")
        assert (scope["client"], scope["scheme"][-1] == "s", host(scope)) == (
            [CLIENT, 4711],
            kind != "http",
            "portal.lan",
        )
        assert [name for name, _ in scope["headers"]] == [b"host"]
        assert scope["hearsay"]
        assert scope["root_path"] == "", "a prefix that anybody can send"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (f"127.0.0.1, {CLIENT}", CLIENT),  # the client made up the first
        (f"{CLIENT}, 10.0.0.9", CLIENT),  # by way of two of our proxies
        (f"1.2.3.4, {CLIENT}, fd00::9", CLIENT),
        ("10.0.0.9", "10.0.0.9"),  # one of our proxies asks by itself
        ("", PROXY),
        (f"{CLIENT}, rubbish", PROXY),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(chain: str, client: str) -> None:
    assert seen(PROXY, x_forwarded_for=chain)["client"][0] == client


def test_a_proxy_that_says_nothing_of_the_scheme_leaves_it() -> None:
    assert seen(PROXY, x_forwarded_for=CLIENT)["scheme"] == "http"
    assert seen(PROXY, x_forwarded_proto="https, http")["scheme"] == "http", "the one next to us wrote the last"


def test_a_proxy_on_the_machine_that_does_not_say_for_whom_it_asks_is_not_the_machine_itself() -> None:
    assert seen(PROXY, x_forwarded_proto="https")["hearsay"]
    assert not seen(PROXY, x_forwarded_for=CLIENT)["hearsay"]
    assert not seen(CLIENT)["hearsay"]


@pytest.mark.parametrize("text", ["*", "0.0.0.0/0", "::/0", "proxy.lan", "10.0.0.1/24"])
def test_the_variable_takes_networks_and_never_everybody(text: str) -> None:
    with pytest.raises(EnvironmentProblem, match="NANOPORTAL_TRUSTED_PROXIES"):
        load_env({"NANOPORTAL_TRUSTED_PROXIES": text})
    assert load_env({"NANOPORTAL_TRUSTED_PROXIES": "10.0.0.2, fd00::/8"}).trusted_proxies == (
        ip_network("10.0.0.2"),
        ip_network("fd00::/8"),
    )


# ---- Through the whole portal --------------------------------------------------------------------------------------


async def closed_socket(peer: str, networks: tuple[Any, ...], **headers: str) -> None:
    """A socket without a session, which is refused and on record."""
    from nanoportal.asgi import application

    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": "/ws/events/", "query_string": b"", "scheme": "ws", "subprotocols": []}
    around = TrustedProxies(application.application, networks)
    socket = ApplicationCommunicator(around, {**scope, "headers": said, "client": (peer, 4)})
    await socket.send_input({"type": "websocket.connect"})
    while (await socket.receive_output(20))["type"] != "websocket.close":
        pass


async def record() -> tuple[str, str]:
    row = await sync_to_async(AuditEntry.objects.filter(outcome="refused").first)()
    assert row is not None
    return row.address, row.code


@pytest.mark.django_db(transaction=True)
async def test_a_socket_behind_a_proxy_is_of_the_page_s_origin_and_its_client_is_on_record(settings) -> None:
    settings.ALLOWED_HOSTS = ["np.example"]
    headers = {"x_forwarded_for": CLIENT, "x_forwarded_proto": "https", "host": "np.example"}
    await closed_socket(PROXY, PROXIES, origin="https://np.example", **headers)
    assert await record() == (CLIENT, "not-permitted"), "the right is missing; the origin was ours"


@pytest.mark.django_db(transaction=True)
async def test_a_forged_header_makes_no_socket_ours_and_hides_nobody(settings) -> None:
    settings.ALLOWED_HOSTS = ["np.example"]
    headers = {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https", "host": "np.example"}
    await closed_socket(CLIENT, PROXIES, origin="https://np.example", **headers)
    assert await record() == (CLIENT, "cross-site")
