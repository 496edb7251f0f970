"""Sockets and large answers over TLS, and the page that hands out the authority."""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from websockets.asyncio.client import connect

from accounts import certificates
from accounts.certificates import Files
from nanoportal.env import Tls
from tests.portal import free_port, wait_for
from tests.simulated import PROJECT

# An application of no Django that says by what scheme it was asked.
SERVER = """
import sys
from pathlib import Path
from nanoportal.tls import Certificates, TlsEndpoint
from nanoportal.web import serve

async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["scheme"]})
        return await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-scheme", scope["scheme"].encode())]})
    for number in range(64):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": number < 63})

source = Certificates(Path(sys.argv[2]), Path(sys.argv[3]), lambda: False)
serve(application, "127.0.0.1", int(sys.argv[1]), lambda inner: TlsEndpoint(inner, source, lambda host: True))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    files = certificates.files_of(tmp_path_factory.mktemp("tls"))
    certificates.keep(files, ["127.0.0.1"], datetime.now(UTC))
    return files


@pytest.fixture(scope="module")
def port(files: Files) -> Iterator[int]:
    port = free_port()
    words = [sys.executable, "-c", SERVER, str(port), str(files.certificate), str(files.key)]
    process = subprocess.Popen(words, cwd=PROJECT)
    try:
        wait_for(lambda: listens(port), 20, "the server")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    import socket

    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def trusting(files: Files) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.authority))


async def test_a_socket_over_tls_is_a_secure_one_to_whoever_compares_origins(port: int, files: Files) -> None:
    async with asyncio.timeout(20), connect(f"wss://127.0.0.1:{port}/", ssl=trusting(files)) as socket:
        assert await socket.recv() == "wss"


def test_an_answer_of_four_mebibytes_arrives_whole(port: int, files: Files) -> None:
    import http.client

    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusting(files))
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.headers["x-scheme"] == "https"
    assert len(answer.read()) == 64 * 65536


def test_a_certificate_that_changes_is_served_without_a_restart(tmp_path: Path) -> None:
    from nanoportal.tls import Certificates

    files, now = certificates.files_of(tmp_path), [datetime(2026, 11, 23)]
    certificates.keep(files, ["127.0.0.1"], datetime.now(UTC))
    source = Certificates(files.certificate, files.key, lambda: False, lambda: now[0])
    first = source.getContext()
    certificates.keep(files, ["127.0.0.1", "localhost"], datetime.now(UTC))
    assert source.getContext() is first, "it is looked at once a minute"
    now[0] = now[0].replace(minute=2)
    second = source.getContext()
    assert second is not first
    files.certificate.write_text("half a fi")
    now[0] = now[0].replace(minute=4)
    assert source.getContext() is second, "what was read before goes on being served"


# ---- The authority, for whoever wants to trust it ------------------------------------------------------------------


@pytest.mark.django_db
def test_the_authority_is_shown_and_handed_out_with_the_fingerprint_that_the_command_prints(
    settings, files: Files, capsys
) -> None:
    settings.DATA_DIR = files.folder.parent
    settings.TLS = Tls(True, True, files.certificate, files.key)
    page = Client().get("/tls/")
    fingerprint = certificates.fingerprint(files.authority)
    assert fingerprint in page.content.decode()
    got = Client().get("/tls/ca.crt")
    assert got.content == files.authority.read_bytes()
    assert b"PRIVATE" not in got.content
    assert got["Content-Type"] == "application/x-x509-ca-cert"
    call_command("tls")
    assert fingerprint in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/tls/", "/tls/ca.crt"])
def test_without_an_authority_of_its_own_there_is_nothing_to_hand_out(settings, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 404
    assert "no certificate authority of its own" in answer.content.decode()


def test_the_command_says_what_there_is_not(settings, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="NANOPORTAL_TLS is off"):
        call_command("tls")
    settings.DATA_DIR = tmp_path
    settings.TLS = Tls(True, True, tmp_path / "tls" / "server.crt", tmp_path / "tls" / "server.key")
    with pytest.raises(CommandError, match=r"ca\.crt is not made yet"):
        call_command("tls")


@pytest.mark.django_db
def test_passkeys_are_offered_once_the_portal_is_secure(settings) -> None:
    settings.ALLOWED_HOSTS = ["portal.lan"]
    for secure, status in ((False, 403), (True, 200)):
        answer = Client().post("/login/passkey/options/", headers={"host": "portal.lan"}, secure=secure)
        assert answer.status_code == status, json.loads(answer.content)
