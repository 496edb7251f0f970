"""The whole portal as a user starts it, for tests: processes, a browser-like client, kills and the board's trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx

from tests.prepared import PASSWORD, People, add_people_code, copy_prepared
from tests.simulated import PROJECT, SimulatedBoard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(question: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `question`; fails with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.05)


class Portal:
    """`python -m nanoportal.supervisor` on its own data directory and port.

    The simulated board runs outside, as hardware does: it survives whatever happens to the portal. `scale` divides
    every wait of board and portal. With `people` it was set up before, with these names and roles; without, its first
    start is a first start.
    """

    def __init__(
        self,
        data: Path,
        *,
        scale: float = 10.0,
        board: SimulatedBoard | None = None,
        people: People = (),
        **environment: str,
    ) -> None:
        self.data, self.scale, self.people = data, scale, people
        self.board = board or SimulatedBoard(data / "board", scale=scale)
        self.board.write_board_file(data / "boards")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("NANOPORTAL_")},
            "NANOPORTAL_DATA": str(data / "var"),
            "NANOPORTAL_BOARDS": str(data / "boards"),
            "NANOPORTAL_PORT": str(self.port),
            "NANOPORTAL_TIME_SCALE": str(scale),
            "NANOPORTAL_SWITCH_SCAN": "asked",  # 36,000 transfers that most tests have no use for
            **environment,
        }
        self.log_file = data / "portal.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._sessions: dict[str, Client] = {}

    def start(self, *, ready: bool = True) -> "Portal":
        """Start it; with `ready`, return once every component is there."""
        if self.people and not (self.data / "var" / "portal.sqlite3").exists():
            copy_prepared(self.people, self.data / "var")
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nanoportal.supervisor"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=PROJECT,
                start_new_session=True,
            )
        if ready:
            wait_for(self.healthy, 30, f"the portal to be healthy\n{self.log()}")
        return self

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def manage(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
            cwd=PROJECT,
            check=check,
        )

    def add_person(self, name: str, role: str) -> None:
        """A person with the suite's password, made without the pages."""
        self.add_people([(name, role)])

    def add_people(self, people: Iterable[tuple[str, str]]) -> None:
        """Several in one go, since a command takes seconds to start."""
        self.manage("shell", "-c", add_people_code(tuple(people)))

    def sign_in(self, name: str = "alice", role: str = "administrator") -> "Client":
        """A signed-in client; the person is made at the first call."""
        client = Client(self.url)
        if not client.sign_in(name):
            self.add_person(name, role)
            assert client.sign_in(name), "the new person could not sign in"
        return client

    def session_of(self, name: str) -> "Client":
        """A client with a session of that person's, which its callers share; a new one if the last was ended."""
        client = self._sessions.get(name)
        if client is None or client.get("/account/").status_code != 200:
            client = self._sessions[name] = self.sign_in(name)
        return client

    def children(self) -> dict[str, int]:
        """Pids of the supervisor's children by what they are."""
        assert self.process is not None
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(status[1]) != self.process.pid or status[0] == "Z":
                continue
            for name, mark in MARKS.items():
                if mark in words:
                    found[name] = int(entry.name)
        return found

    def kill(self, *names: str) -> None:
        """kill -9 of children by name, or of the supervisor itself, at once."""
        assert self.process is not None
        pids = self.children()
        for name in names:
            os.kill(self.process.pid if name == "supervisor" else pids[name], signal.SIGKILL)
        if "supervisor" in names:
            self.process.wait(10)

    def stop(self, number: int = signal.SIGINT) -> float:
        """Ctrl-C; returns how many seconds it took."""
        began = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)
            self.process.wait(20)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything, whatever state it is in."""
        self.stop()
        self.board.stop()


MARKS = {
    "web": "nanoportal.web",
    "worker": "hardware@",
    "flash": "flash@",
    "consoled": "consoled",
    "broker": "broker.sock",
    "simulator": "hardware.simulator",
    "prepare": "manage.py prepare",
}


class Client:
    """What a browser or script does: session, CSRF, the REST API."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=20)

    def sign_in(self, name: str, password: str = PASSWORD) -> bool:
        self.http.get("/login/")
        answer = self.http.post(
            "/login/", data={"username": name, "password": password, "csrfmiddlewaretoken": self.csrf()}
        )
        return answer.status_code == 302

    def csrf(self) -> str:
        return str(self.http.cookies.get("csrftoken", ""))

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body or {}, headers={"X-CSRFToken": self.csrf(), **headers})

    def reset(self, slot: int, reset_type: str, board: str = "demo", key: str = "", **more: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.post(f"/api/v1/boards/{board}/slots/{slot}/reset", {"reset_type": reset_type, **more}, **headers)

    def mark_off(self, slot: int, board: str = "demo") -> httpx.Response:
        return self.http.post(
            f"/boards/{board}/slots/{slot}/mark-off", data={"reason": "test"}, headers={"X-CSRFToken": self.csrf()}
        )

    def slot(self, number: int, board: str = "demo") -> dict[str, Any]:
        return dict(self.get(f"/api/v1/boards/{board}/slots/{number}").json())

    def state(self, number: int, board: str = "demo") -> tuple[str, str]:
        power = self.slot(number, board)["power"]
        return power["power_state"], power["basis"]

    def operation(self, operation_id: str) -> dict[str, Any]:
        return dict(self.get(f"/api/v1/operations/{operation_id}").json())

    def wait_operation(self, operation_id: str, seconds: float = 20) -> dict[str, Any]:
        """The operation once it has ended."""

        def ended() -> dict[str, Any] | None:
            operation = self.operation(operation_id)
            return operation if operation["state"] not in ("waiting", "queued", "running") else None

        return dict(wait_for(ended, seconds, f"operation {operation_id} to end"))

    def wait_state(self, number: int, state: str, basis: str = "observed", seconds: float = 20) -> None:
        wait_for(lambda: self.state(number) == (state, basis), seconds, f"slot {number} to be {basis} {state}")


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]
