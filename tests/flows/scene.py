"""A running portal as flow tests see it: from outside, by the board's trace, the records on disk and the rows."""

import json
import os
import signal
import sqlite3
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.portal import PASSWORD, Client, Portal, wait_for
from tests.prepared import ALICE

EXPANDER = "0x18"
OUTPUT, CONFIGURATION = "01", "03"  # registers of the expander, as the trace shows them
BUTTON_SLOTS = (3, 4, 6)  # CM5, CM5, LM3H
EVERY_SECONDS = 0.05
LONG = 30.0  # seconds for whatever happens sooner or later, on a machine with other work too


class Trace:
    """What happened on the board. Moments are those of the monotonic clock, as `time.monotonic()` gives them."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0
        self._entries: list[dict[str, Any]] = []

    def since(self, moment: float = 0.0) -> list[dict[str, Any]]:
        """All entries from a moment on."""
        with open(self._path, "rb") as stream:
            stream.seek(self._read)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        self._entries += [json.loads(line) for line in whole.splitlines()]
        return self._entries[bisect_left(self._entries, moment, key=lambda entry: entry["t"]) :]

    def edges(self, line: int | None = None, since: float = 0.0) -> list[dict[str, Any]]:
        """The changes of one line, or of all."""
        return [entry for entry in self.since(since) if "line" in entry and line in (None, entry["line"])]

    def levels(self, line: int, since: float = 0.0) -> list[int]:
        """The levels that a line took."""
        return [entry["level"] for entry in self.edges(line, since)]

    def transfers(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What went over the bus to or from the expander."""
        return [entry for entry in self.since(since) if entry.get("addr") == EXPANDER]

    def writes(self, since: float = 0.0) -> list[dict[str, Any]]:
        """The writes that can move a line: to the output and to the configuration register."""
        return [e for e in self.transfers(since) if e["op"] == "w" and e["data"][:2] in (OUTPUT, CONFIGURATION)]


class Rows:
    """The portal's database, read as somebody else would."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._guard = threading.Lock()

    def __call__(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._guard:
            self._reader = self._reader or self._connect()
            return self._reader.execute(query, values).fetchall()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def operation(self, operation: str) -> sqlite3.Row:
        return self("SELECT * FROM operations_operation WHERE id = ?", UUID(operation).hex)[0]

    def log(self, operation: str) -> list[str]:
        query = "SELECT text FROM operations_operationlogline WHERE operation_id = ? ORDER BY number"
        return [row["text"] for row in self(query, UUID(operation).hex)]

    def claims(self) -> list[str]:
        return [row["resource"] for row in self("SELECT resource FROM operations_claim")]

    def audit(self, operation: str) -> list[str]:
        """The outcomes on record for an operation, in order."""
        query = "SELECT outcome FROM operations_auditentry WHERE operation_id = ? ORDER BY seq"
        return [row["outcome"] for row in self(query, UUID(operation).hex)]

    def history(self, slot: int) -> list[tuple[str, str]]:
        """State and words of a slot's history, the oldest first."""
        query = (
            "SELECT state, words FROM slots_statechange JOIN slots_slot ON slots_slot.id = slot_id "
            "WHERE number = ? ORDER BY slots_statechange.id"
        )
        return [(row["state"], row["words"]) for row in self(query, slot)]

    def make_late(self, operation: str) -> None:
        """Let the operation's time be over now, as if somebody had waited for it."""
        writer = self._connect()
        query = "UPDATE operations_operation SET expires_at = created_at WHERE id = ?"
        writer.execute(query, (UUID(operation).hex,))
        writer.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else can write meanwhile."""
        writer = self._connect()
        try:
            writer.execute("BEGIN IMMEDIATE")
            yield
        finally:
            writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection


class Scene:
    """One portal and its board, somebody signed in, and what they leave behind."""

    def __init__(self, folder: Path, *, scale: float = 10.0, **environment: str) -> None:
        self.portal = Portal(folder, scale=scale, people=ALICE, **environment)
        self.data = folder / "var"
        self.trace = Trace(self.portal.board.trace_file)
        self.rows = Rows(self.data / "portal.sqlite3")
        self._client: Client | None = None
        self._said_before_kill = 0

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = self.portal.sign_in()
        return self._client

    def start(self) -> "Scene":
        self.portal.start()
        return self

    def board(self, *words: str | int | float) -> Any:
        """Say something to the board's control socket."""
        return self.portal.board.ctl(str(words[0]), *words[1:])

    def level(self, line: int) -> int:
        return int(self.board("state")["lines"][str(line)])

    def person(self, name: str, role: str) -> Client:
        """Somebody new, signed in."""
        token = {"csrfmiddlewaretoken": self.client.csrf()}
        form = {"name": name, "role": role, "password": PASSWORD, "again": PASSWORD, **token}
        assert self.client.http.post("/people/", data=form).status_code == 302
        client = Client(self.portal.url)
        assert client.sign_in(name)
        return client

    def ask(self, slot: int, reset_type: str, **more: Any) -> str:
        """Queue a reset; returns the operation's id."""
        answer = self.client.reset(slot, reset_type, **more)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def do(self, slot: int, reset_type: str, **more: Any) -> dict[str, Any]:
        """A reset from the request to its end; it must succeed."""
        operation = self.client.wait_operation(self.ask(slot, reset_type, **more), LONG)
        assert operation["state"] == "succeeded", operation
        return operation

    def wait(
        self, question: Callable[[], Any], what: str, seconds: float = LONG, every_seconds: float = EVERY_SECONDS
    ) -> Any:
        """The first true answer."""
        deadline = time.monotonic() + seconds
        while not (answer := question()):
            assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}\n{self.portal.log()[-3000:]}"
            time.sleep(every_seconds)
        return answer

    def catch(self, question: Callable[[], Any], what: str) -> Any:
        """The first true answer, for what does not stay true."""
        return self.wait(question, what, every_seconds=0.002)

    def wait_ended(self, operation: str, seconds: float = LONG) -> sqlite3.Row:
        open_states = ("waiting", "queued", "running")
        self.wait(lambda: self.rows.operation(operation)["state"] not in open_states, "the operation's end", seconds)
        return self.rows.operation(operation)

    def wait_booted(self, slot: int) -> None:
        """Until a system runs in the slot that could be asked to shut down."""
        self.wait(lambda: self.board("state")["slots"][str(slot)]["boot"] == "login", f"slot {slot} to boot")

    def wait_edge(self, line: int, level: int, since: float) -> float:
        """The moment at which the line took that level."""

        def seen() -> list[dict[str, Any]]:
            return [edge for edge in self.trace.edges(line, since) if edge["level"] == level]

        return float(self.catch(seen, f"line {line} to be {level}")[0]["t"])

    def hold_file(self, slot: int) -> Path:
        return self.data / "holds" / f"demo-{slot}.json"

    def kill(self, *names: str) -> float:
        """kill -9; returns the moment before it."""
        self._said_before_kill = len(self.portal.log())
        moment = time.monotonic()
        self.portal.kill(*names)
        return moment

    def wait_healed(self, *names: str) -> None:
        """Until the deaths of those that were killed last have been noticed and everything is there again."""
        for name in names:
            self.wait(
                lambda name=name: f"{name} died" in self.portal.log()[self._said_before_kill :], f"{name}'s death"
            )
        self.wait_healthy()

    def wait_healthy(self) -> None:
        wait_for(self.portal.healthy, LONG, f"the portal to be healthy\n{self.portal.log()[-3000:]}")

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """A child that neither lives nor dies."""
        pid = self.portal.children()[name]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # killed meanwhile
                os.kill(pid, signal.SIGCONT)

    def settled(self) -> None:
        """Nothing is pressed, claimed, queued or running any more."""
        running = "SELECT id FROM operations_operation WHERE state IN ('waiting', 'queued', 'running')"
        self.wait(lambda: not self.rows.claims() and not self.rows(running), "everything to end")
        self.wait(lambda: not list((self.data / "holds").glob("*")), "the records of presses to be gone")
        assert [self.level(line) for line in BUTTON_SLOTS] == [1, 1, 1]

    def verify_audit(self) -> None:
        """The chain of all that has been on record so far is whole."""
        verdict = self.portal.manage("audit", "verify", check=False)
        assert verdict.returncode == 0, verdict.stdout + verdict.stderr

    def ready(self) -> None:
        """For a test that comes after others: the portal runs, the board has no faults and no slot is latched."""
        if self.portal.process is None or self.portal.process.poll() is not None:
            self.portal.start()
        self.wait_healthy()
        self.board("clear")
        for row in self.rows("SELECT number FROM slots_slot WHERE latched"):
            form = {"reason": "test", "csrfmiddlewaretoken": self.client.csrf()}
            answer = self.client.http.post(f"/boards/demo/slots/{row['number']}/clear-latch", data=form)
            assert answer.status_code == 302

    def power_up(self) -> None:
        """The board as its supply makes it: registers cold, SOMs off, nothing known of them."""
        query = "SELECT power_lost_at FROM slots_board"
        noticed = self.rows(query)
        was_used = self.board("state")["outputs"]
        self.board("mains-cycle")
        if was_used:  # else a loss of power leaves no sign, and nothing was known that it could change
            self.wait(lambda: self.rows(query) != noticed, "the loss of power to be noticed")

    def silence(self) -> None:
        """Let no SOM react and nothing be seen of any, so that what is believed follows from commands alone."""
        for slot in range(2, 8):
            self.board("fault", "som-ignores-line", slot)
        self.board("fault", "nack", "switch")

    def close(self) -> None:
        self.rows.close()
        self.portal.close()


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[Scene]:
    """A scene with a started portal; ended, with nothing left undone, whatever happens."""
    scene = Scene(folder, **more)
    try:
        scene.start()
        assert not scene.trace.writes(), "a start moves no line, and least of all on a board fresh from power-up"
        yield scene
        scene.settled()
        scene.verify_audit()
    finally:
        scene.close()
