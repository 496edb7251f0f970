"""The command line, as its tests run it: in this process against the application itself, or against a whole portal."""

import json
import os
import pty
import select
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from click.testing import CliRunner
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from nanoportal_client.access import Access
from nanoportal_client.commands import cli
from nanoportal_client.invocation import Invocation
from nanoportal_client.portal import Portal
from nanoportal_client.terminal import Terminal
from nanoportal_client.timing import Clock
from tests.portal import wait_for

URL = "http://127.0.0.1:8000"  # of nothing that listens


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.err.splitlines()[-1])


@contextmanager
def own_connections_kept() -> Iterator[None]:
    """A request does not close the test's connection, in whose transaction it runs."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


class Lossy(httpx.BaseTransport):
    """The application in this process, behind a network that can be told to lose things."""

    def __init__(self) -> None:
        self._application = httpx.WSGITransport(app=WSGIHandler())
        self.requests: list[httpx.Request] = []
        self.lost_answers = self.lost_requests = 0
        self.answers: list[httpx.Response] = []  # somebody else's, instead of the application's
        self.before: Callable[[httpx.Request], None] = lambda request: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before(request)
        if self.lost_requests:
            self.lost_requests -= 1
            raise httpx.ConnectError("Connection refused", request=request)
        if self.answers:
            return self.answers.pop(0)
        with own_connections_kept():
            answer = self._application.handle_request(request)
            answer.read()
            answer.close()
        if self.lost_answers and request.method != "GET":
            self.lost_answers -= 1
            raise httpx.ReadTimeout("timed out", request=request)
        return answer

    def keys(self) -> list[str]:
        """The Idempotency-Keys that were sent."""
        return [request.headers["Idempotency-Key"] for request in self.requests if "Idempotency-Key" in request.headers]


@dataclass
class CommandLine:
    """`nanoportal` in this process."""

    token: str
    network: Lossy = field(default_factory=Lossy)
    environ: dict[str, str] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """One that is never waited for: it goes on by what was slept."""
        return Clock(lambda: sum(self.slept), self.slept.append)

    def __call__(self, *words: str, typed: str | None = None) -> Ended:
        environ = {"NANOPORTAL_URL": URL, "NANOPORTAL_TOKEN": self.token, "HOME": "/nowhere", **self.environ}
        invocation = Invocation(environ=environ, open_portal=self.open, clock=self.clock)
        result = CliRunner().invoke(cli, words, input=typed, obj=invocation)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def open(self, access: Access, **more: Any) -> Portal:
        return Portal(access, transport=self.network, **more)


def environment(url: str, token: str) -> dict[str, str]:
    """Of a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NANOPORTAL_")}
    return {**kept, "NANOPORTAL_URL": url, "NANOPORTAL_TOKEN": token, "NO_PROXY": "127.0.0.1", "HOME": "/nowhere"}


@dataclass(frozen=True)
class Remote:
    """`nanoportal` in this process, with a portal that runs elsewhere: a process takes longer to start than most
    commands to be done."""

    environ: Mapping[str, str]

    def __call__(self, *words: str, typed: bytes = b"") -> Ended:
        """With `typed` piped into a console, and what it says in `out`."""
        keys, end = os.pipe()
        with open(keys, "rb"), tempfile.TemporaryFile() as screen:
            with open(end, "wb") as hand:
                hand.write(typed)
            invocation = Invocation(environ=dict(self.environ), open_terminal=lambda: Terminal(keys, screen.fileno()))
            result = CliRunner().invoke(cli, words, obj=invocation)
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            screen.seek(0)
            return Ended(result.exit_code, result.stdout + screen.read().decode(errors="replace"), result.stderr)


class Relay:
    """A way to a portal that can be cut: what was connected breaks, and nobody is connected until it is mended. A
    context manager."""

    def __init__(self, port: int) -> None:
        self._there, self._open, self._is_whole = ("127.0.0.1", port), list[socket.socket](), True
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()

    def cut(self) -> None:
        self._is_whole = False
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def mend(self) -> None:
        self._is_whole = True

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._door.accept()
                if not self._is_whole:
                    ours.close()
                    continue
                theirs = socket.create_connection(self._there)
                self._open += [ours, theirs]
                for ends in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


PROGRAM = (sys.executable, "-m", "nanoportal_client")


def run(environ: Mapping[str, str], *words: str, typed: bytes | None = None, seconds: float = 60) -> Ended:
    """`nanoportal` as a process, to its end."""
    done = subprocess.run(
        [*PROGRAM, *words], env=dict(environ), input=typed or b"", capture_output=True, timeout=seconds, check=False
    )
    return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class Sitting:
    """`nanoportal` as a process with somebody at its keyboard. What it shows goes to two files, or with `screen` to the
    keyboard's own terminal, as for people. A context manager."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *words: str, screen: bool = False) -> None:
        self._keyboard, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self._theirs, self._shown = theirs, b""
        self._passed = {"out": 0, "err": 0}
        name = f"{words[0]}-{time.monotonic_ns()}"
        self._files = {"out": folder / f"{name}.out", "err": folder / f"{name}.err"}
        with ExitStack() as opened:
            files = [opened.enter_context(open(path, "wb")) for path in self._files.values()]
            out, err = (theirs, theirs) if screen else files
            self._screen = screen
            self._process = subprocess.Popen(
                [*PROGRAM, *words], env=dict(environ), stdin=theirs, stdout=out, stderr=err, start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        os.close(self._keyboard)
        os.close(self._theirs)

    @property
    def out(self) -> bytes:
        if not self._screen:
            return self._files["out"].read_bytes()
        while select.select([self._keyboard], [], [], 0)[0]:
            self._shown += os.read(self._keyboard, 65536)
        return self._shown

    @property
    def err(self) -> str:
        return self._files["err"].read_text(errors="replace")

    @property
    def is_raw(self) -> bool:
        """Whether every key goes on as it is typed."""
        return not termios.tcgetattr(self._theirs)[3] & termios.ICANON

    def type(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def until(self, words: str, seconds: float = 30) -> None:
        """Wait until it was said, on either and after what was waited for before."""
        deadline = time.monotonic() + seconds
        while not self._find(words):
            said = f"{words!r} not among {self.out[-600:]!r} {self.err[-1000:]!r}"
            assert time.monotonic() < deadline, said
            assert self._process.poll() is None or self._find(words), f"{said}, and it ended"
            time.sleep(0.02)

    def _find(self, words: str) -> bool:
        for name, shown in (("out", self.out), ("err", self.err.encode())):
            place = shown.find(words.encode(), self._passed[name])
            if place >= 0:
                self._passed[name] = place + len(words.encode())
                return True
        return False

    def ended(self, seconds: float = 20) -> int:
        """Its exit code. The terminal has to be as it was."""
        wait_for(lambda: (self.out, self._process.poll() is not None)[1], seconds, f"an end: {self.err[-500:]}")
        assert termios.tcgetattr(self._theirs) == self.before
        return int(self._process.returncode)

    def send(self, number: int) -> None:
        self._process.send_signal(number)
