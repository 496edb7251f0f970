"""WebSockets of the real web server: frames go out at once and in order, and a close says why."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.nanoportal.test_web import accepts
from tests.portal import free_port, wait_for
from tests.simulated import PROJECT

# An application that does as the path says: no Django, so that what is seen is the server's.
SERVER = """
import sys
from nanoportal.web import serve

async def application(scope, receive, send):
    if scope["type"] != "websocket":
        raise ValueError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/many":
        for number in range(2000):
            await send({"type": "websocket.send", "bytes": number.to_bytes(4, "big") * 1024})
    if scope["path"] == "/close":
        await send({"type": "websocket.close", "code": 4408, "reason": "Nothing was taken for a minute."})
        await send({"type": "websocket.send", "text": "too late, and no error"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})

serve(application, "127.0.0.1", int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=PROJECT)
    try:
        wait_for(lambda: accepts(port), 20, "the web server to listen")
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_what_the_kernel_does_not_take_at_once_comes_whole_and_in_order(url: str):
    with connect(f"{url}/many", max_size=None) as socket:
        for number in range(2000):
            assert socket.recv(timeout=10) == number.to_bytes(4, "big") * 1024
        socket.send("and on it goes")
        assert socket.recv(timeout=10) == "and on it goes"


def test_a_close_says_its_code_and_why_and_nothing_follows_it(url: str):
    with connect(f"{url}/close") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4408, "Nothing was taken for a minute.")


def test_a_client_that_is_gone_while_we_send_takes_nobody_along(url: str):
    with connect(f"{url}/many", max_size=None) as gone:
        gone.recv(timeout=10)
        gone.socket.close()
    with connect(f"{url}/echo") as socket:
        socket.send("still here")
        assert socket.recv(timeout=10) == "still here"
