"""The web server refuses a body over 9 MiB while it arrives, and lets an answer wait for its reader.

Each test talks to a server process of its own kind.
"""

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.portal import free_port, wait_for
from tests.simulated import PROJECT

MIB = 2**20

# An application that says how many bytes of body it was given: no Django, so that the memory measured is the server's.
COUNTING_SERVER = """
import sys
from nanoportal.web import serve

async def application(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    if scope["path"] == "/download":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(1024):
            await send({"type": "http.response.body", "body": b"%07d\\n" % number * 8192, "more_body": True})
        return await send({"type": "http.response.body", "body": b""})
    received, more = 0, True
    while more:
        event = await receive()
        received += len(event.get("body", b""))
        more = event.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(received).encode()})

serve(application, "127.0.0.1", int(sys.argv[1]))
"""


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Server:
    """A running web server."""

    port: int
    pid: int

    def forget_peak(self) -> float:
        """Start a measurement; returns the resident MiB now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return self.peak_mib()

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", COUNTING_SERVER, str(port)], cwd=PROJECT)
    try:
        wait_for(lambda: accepts(port), 20, "the server")
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def post(server: Server, body: bytes, path: str = "/") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", path, body, {"Content-Type": "application/octet-stream"})
    response = connection.getresponse()
    return response.status, response.headers["Content-Type"], response.read()


def send_until_refused(client: socket.socket, pieces: Iterator[bytes]) -> int:
    """Send as a client does that never looks up: all of it, or until the server closes. Returns the bytes taken."""
    taken = 0
    try:
        for piece in pieces:
            client.sendall(piece)
            taken += len(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return taken


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_of_eight_and_a_half_mebibytes_reaches_the_application_whole(server: Server) -> None:
    size = int(8.5 * MIB)
    status, _, answer = post(server, bytes(size))
    assert (status, answer) == (200, str(size).encode())


def test_a_declared_300_mb_body_is_refused_before_it_is_sent(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n")
        answer = client.recv(65536)
    assert status_of(answer) == 413
    assert b"at most 9 MiB" in answer


def test_a_declared_300_mb_body_sent_anyway_costs_under_20_mb(server: Server) -> None:
    before = server.forget_peak()
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\n\r\n")
        taken = send_until_refused(client, (bytes(10**6) for _ in range(300)))
        answer = client.recv(65536)
    assert status_of(answer) == 413
    assert taken > 100_000_000, "the client must be able to read the answer instead of a reset"
    assert server.peak_mib() - before < 20


def test_a_chunked_300_mb_body_is_refused_once_it_exceeds_the_bound_and_costs_under_20_mb(server: Server) -> None:
    before = server.forget_peak()
    piece = b"%x\r\n" % 10**6 + bytes(10**6) + b"\r\n"
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(piece * 9)
        client.setblocking(False)
        time.sleep(0.2)
        with pytest.raises(BlockingIOError):  # 9 MB are below 9 MiB: no answer yet
            client.recv(1)
        client.settimeout(20)
        send_until_refused(client, (piece for _ in range(291)))
        answer = client.recv(65536)
    assert status_of(answer) == 413
    assert server.peak_mib() - before < 20


def test_a_large_form_is_not_parsed_a_second_time_by_the_server(server: Server) -> None:
    before = server.forget_peak()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    form = b"a=1&" * (2 * MIB)
    connection.request("POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert connection.getresponse().read() == str(len(form)).encode()
    assert server.peak_mib() - before < 60, "Twisted's own form parser takes about 130 MiB for these 10"


def test_the_api_is_refused_in_its_own_words(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"PUT /api/v1/images HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")
    assert b"application/json" in head
    problem = json.loads(body)
    assert problem["code"] == "body-too-large"
    assert problem["message"] == "The body of a request may hold at most 9 MiB; send larger files in pieces."


def test_a_client_that_asks_first_is_told_no_instead_of_continue(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 300000000\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert status_of(received) == 413
    assert b"Continue" not in received


def test_answers_name_no_server_software(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().headers["Server"] is None


def test_a_port_that_cannot_be_opened_ends_the_server_with_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-c", COUNTING_SERVER, port], cwd=PROJECT, capture_output=True, text=True, timeout=20
        )
    assert ended.returncode == 1
    assert f"The web server could not open port {port} on 127.0.0.1." in ended.stderr


def test_a_download_of_64_mib_waits_for_its_reader_and_arrives_whole(server: Server) -> None:
    before = server.forget_peak()
    with server.connect() as client:
        client.sendall(b"GET /download HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status_of(client.recv(64)) == 200
        time.sleep(0.5)  # nobody reads
        assert post(server, b"meanwhile")[2] == b"9", "others are served"
    with server.connect() as client:  # the one before has gone in the middle
        client.sendall(b"GET /download HTTP/1.0\r\nHost: x\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(MIB), b""))
    assert received.partition(b"\r\n\r\n")[2] == b"".join(b"%07d\n" % number * 8192 for number in range(1024))
    assert server.peak_mib() - before < 20
