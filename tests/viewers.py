"""Many viewers of consoles, as a process of its own, each keeping account of every byte.

`python -m tests.viewers` reads one JSON line that says whom to be (`Viewers` below writes it), then commands; each is
answered with a JSON line. A viewer goes on by the browser's own protocol and keeps three figures: bytes delivered,
bytes announced as missing, and stretches of which the portal said that it does not know.
"""

import asyncio
import json
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.pattern import Pattern
from tests.websocket import BINARY, TEXT, Refused, WebSocket, connect

ACK_BYTES = 16_384
ACK_SECONDS = 0.1
STALL_CODE = 4408
PATTERNS: dict[int, Pattern] = {}


class Account:
    """What one viewer has seen of its line, in places of the line's stream.

    `base` is the offset of the stream's first byte in the journal: unknown until the first bytes came, and again after
    a loss of unknown size. `began` is the place at which this viewer began.
    """

    def __init__(self, slot: int) -> None:
        self._pattern = PATTERNS.setdefault(slot, Pattern(slot))
        self.base: int | None = None
        self.began: int | None = None
        self.place = self.delivered = self.announced = 0
        self.unknown: list[tuple[int, int]] = []
        self.gaps: list[int] = []
        self.wrong: list[str] = []
        self._unplaced, self._unplaced_offset = b"", 0
        self._announced_before = 0

    def data(self, offset: int, data: bytes) -> None:
        if self.base is None:
            self._seek(offset, data)
            return
        place = offset - self.base
        if place != self.place:
            self._complain(f"bytes for place {place} came at {self.place}")
        elif self._pattern.piece(place, len(data)) != data:
            self._complain(f"wrong bytes at place {place}")
        self.place = place + len(data)
        self.delivered += len(data)

    def gap(self, size: int | None, offset: int) -> None:
        if self.began is None and size is not None:  # before the first byte
            self.announced += size
            self._announced_before += size
            return
        if size is None or self.base is None:
            self.base = None
            return
        if offset - self.base != self.place + size:
            self._complain(f"a gap of {size} bytes at place {self.place} ends at {offset - self.base}")
        self.place = offset - self.base
        self.announced += size
        self.gaps.append(size)

    def _seek(self, offset: int, data: bytes) -> None:
        """After an unknown loss: find out by the bytes themselves where the stream goes on."""
        if not self._unplaced:
            self._unplaced_offset = offset
        elif offset != self._unplaced_offset + len(self._unplaced):
            self._complain("bytes missing while seeking")
        self._unplaced += data
        place = self._pattern.place(self._unplaced)
        if place is None:
            return
        if self.began is None:
            self.began = place - self._announced_before
        else:
            if place < self.place:
                self._complain(f"after a loss the stream goes on at {place}, behind {self.place}")
            self.unknown.append((self.place, place))
        whole, self._unplaced = self._unplaced, b""
        self.base, self.place = self._unplaced_offset - place, place
        self.data(self._unplaced_offset, whole)

    def _complain(self, words: str) -> None:
        if len(self.wrong) < 5:
            self.wrong.append(words)


class Viewer:
    """One browser. Kinds: prompt; slow (acknowledges after `delay` seconds); stalled (acknowledges nothing until
    `wake`); deaf (does not even read until then); reconnecting (is gone every second or so and comes back)."""

    def __init__(self, where: dict[str, Any], slot: int, kind: str, delay: float = 0.0) -> None:
        self._where, self.slot, self.kind, self._delay = where, slot, kind, delay
        self.was = kind
        self.account = Account(slot)
        self.asleep = kind in ("stalled", "deaf")
        self.connects = 0
        self.closes: list[int] = []
        self.said: list[str] = []
        self.markers: list[dict[str, Any]] = []
        self.epoch = ""
        self.offset: int | None = None
        self.seen_at: list[tuple[float, int]] = []
        self._socket: WebSocket | None = None
        self._unacknowledged = 0
        self._ack_planned = False
        self._stopping = False
        self._closed = asyncio.Event()

    async def run(self) -> None:
        """Stay connected, and come back whenever the connection is lost."""
        while not self._stopping:
            path = f"/ws/consoles/demo/{self.slot}/"
            if self.offset is not None:
                path += f"?epoch={quote(self.epoch)}&after={self.offset}"
            self._closed.clear()
            try:
                where = self._where
                self._socket = await connect(
                    where["host"], where["port"], path, self._take, self._lost, cookie=where["cookie"]
                )
            except (Refused, OSError) as error:
                self.closes.append(-1)
                if isinstance(error, Refused) and error.args[0] not in ("connection lost", "503", "502", "500"):
                    self.account.wrong.append(f"refused: {error}")
                    return
                await asyncio.sleep(0.2)
                continue
            self.connects += 1
            if self.kind == "reconnecting":
                asyncio.get_running_loop().call_later(random.uniform(0.4, 1.2), self._socket.abort)
            await self._closed.wait()
            await asyncio.sleep(0.05)

    def wake(self) -> None:
        """Be a prompt viewer from now on."""
        was_deaf = self.kind == "deaf"
        self.asleep, self.kind = False, "prompt"
        if self._socket is not None:
            if was_deaf:
                self._socket.abort()
            self._ack()

    def stop(self) -> None:
        self._stopping = True
        if self._socket is not None:
            self._socket.close()

    def _lost(self, code: int) -> None:
        self.closes.append(code)
        self._unacknowledged, self._ack_planned = 0, False
        self._closed.set()

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == BINARY:
            offset = struct.unpack_from(">Q", payload)[0]
            self.account.data(offset, payload[8:])
            self.offset = offset + len(payload) - 8
            self._note_progress()
            self._plan_ack(len(payload) - 8)
            return
        message = json.loads(payload)
        self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "hello":
                self.epoch = message["epoch"] or self.epoch  # none while the broker is away
                if self.offset is None:
                    self.offset = message["start"]
                if self.kind == "deaf" and self._socket is not None:
                    self._socket.pause()
            case "gap":
                self.account.gap(message["bytes"], message["at"])
                self.offset = message["at"]
                self.said.append(f"gap {message['bytes']}: {message['why']}")
            case "marker":
                self.markers.append(message)
                if message["kind"] == "daemon-away":  # it says what a gap of unknown size would say
                    self.account.gap(None, message["at"])

    def _note_progress(self) -> None:
        now = time.monotonic()
        if not self.seen_at or now - self.seen_at[-1][0] > 0.1:
            self.seen_at.append((now, self.account.place))

    def _plan_ack(self, size: int) -> None:
        self._unacknowledged += size
        if self.asleep:
            return
        if self.kind == "slow":
            asyncio.get_running_loop().call_later(self._delay, self._ack_upto, self.offset)
        elif self._unacknowledged >= ACK_BYTES:
            self._ack()
        elif not self._ack_planned:
            self._ack_planned = True
            asyncio.get_running_loop().call_later(ACK_SECONDS, self._ack)

    def _ack(self) -> None:
        self._ack_planned, self._unacknowledged = False, 0
        if self.offset is not None:
            self._ack_upto(self.offset)

    def _ack_upto(self, offset: int) -> None:
        if self._socket is not None:
            self._socket.send(TEXT, b'{"type":"ack","offset":%d}' % offset)

    def report(self) -> dict[str, Any]:
        account = self.account
        return {
            **{"slot": self.slot, "kind": self.was, "connects": self.connects, "closes": self.closes},
            **{
                "began": account.began,
                "delivered": account.delivered,
                "announced": account.announced,
                "place": account.place,
            },
            **{"gaps": account.gaps[-20:], "unknown": account.unknown, "wrong": account.wrong},
            **{"said": self.said[-20:], "epoch": self.epoch, "seen_at": self.seen_at},
            "markers": [[marker["kind"], marker["words"], marker["detail"]] for marker in self.markers[-20:]],
        }


class Viewers:
    """A test's hold on that process."""

    def __init__(self, port: int, cookie: str, viewers: list[dict[str, Any]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.viewers"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._say({"where": {"host": "127.0.0.1", "port": port, "cookie": cookie}, "viewers": viewers})

    def __enter__(self) -> Self:
        assert self.ask("wait-attached", seconds=30), "not every viewer was let in"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def ask(self, verb: str, **more: Any) -> Any:
        """Say a command and return its answer."""
        self._say({"do": verb, **more})
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def _say(self, words: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        return self._process.pid


async def serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    spec = json.loads(await reader.readline())
    viewers = [Viewer(spec["where"], **row) for row in spec["viewers"]]
    tasks = [loop.create_task(viewer.run()) for viewer in viewers]
    while line := await reader.readline():
        command = json.loads(line)
        answer: Any = True
        match command["do"]:
            case "wait-attached":
                answer = await until(lambda: all(viewer.epoch for viewer in viewers), command["seconds"])
            case "wake":
                for viewer in viewers:
                    if viewer.asleep:
                        viewer.wake()
            case "settle":
                for viewer in viewers:
                    if viewer.kind == "reconnecting":
                        viewer.kind = "prompt"
            case "wait-place":
                ends = {int(slot): place for slot, place in command["places"].items()}
                answer = await until(
                    lambda ends=ends: all(viewer.account.place >= ends[viewer.slot] for viewer in viewers),
                    command["seconds"],
                )
            case "report":
                answer = [viewer.report() for viewer in viewers]
        print(json.dumps(answer), flush=True)
    for viewer in viewers:
        viewer.stop()
    for task in tasks:
        task.cancel()


async def until(question: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


if __name__ == "__main__":
    asyncio.run(serve())
