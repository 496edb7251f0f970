"""A daemon in a thread, on pseudo-terminals and a broker of its own, and a reader that believes nothing."""

import os
import threading
import tty
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import redis

from consoles import journal, keyboard
from consoles.daemon import Daemon
from consoles.desk import Outside
from consoles.journal import Cursor, Entry, Epoch, Keys
from consoles.lines import Line
from tests.portal import wait_for

SOON = 10.0


class Som:
    """The far end of a UART, which waits until its bytes are taken, at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        path.symlink_to(os.ttyname(self._near))

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.far, data) :]

    def close(self) -> None:
        if self.far >= 0:
            self.path.unlink()
            os.close(self._near)
            os.close(self.far)
            self.far = -1


class Serving:
    """A running daemon of board b1, slots from 2 on; `close` ends it as SIGTERM does."""

    def __init__(self, url: str, paths: list[Path], *, scale: float = 20.0, **outside: Any) -> None:
        self.lines = [Line("b1", slot, str(path), 115_200) for slot, path in enumerate(paths, 2)]
        self.outside = Outside(**{"report": lambda news: None, **outside})
        self.daemon = Daemon(self.lines, self.outside, lambda: datetime.now(UTC), scale, url)
        self.raised: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.daemon.run()
        except Exception as error:
            self.raised = error

    def wait_open(self) -> "Serving":
        wait_for(lambda: all(line.port for line in self.lines), SOON, "the ports to be opened")
        return self

    def wait_connected(self) -> "Serving":
        self.wait_open()
        wait_for(lambda: all(line.journal and line.journal._begun for line in self.lines), SOON, "the epochs")
        return self

    def close(self) -> None:
        self.daemon.stop.set()
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        assert self.raised is None, self.raised


class Reader:
    """Reads one console's journal by its words only, and checks every rule of it."""

    def __init__(self, client: "redis.Redis", slot: int = 2) -> None:
        self.client, self.keys = client, Keys("b1", slot)

    def epochs(self) -> list[Epoch]:
        return [Epoch.from_json(text) for text in self.client.lrange(self.keys.epochs, 0, -1)]

    def entries(self, epoch: str = "") -> list[Entry]:
        epoch = epoch or self.epochs()[-1].epoch
        return [journal.decode(*row) for row in self.client.xrange(self.keys.stream(epoch))]

    def data(self, epoch: str = "") -> bytes:
        """All bytes, of which none may be missing."""
        pieces, gaps = self.pieces(epoch)
        assert gaps == []
        return b"".join(pieces)

    def pieces(self, epoch: str = "") -> tuple[list[bytes], list[tuple[int, int]]]:
        """Data in order, and gaps as (offset, bytes)."""
        entries = self.entries(epoch)
        at, pieces, gaps = entries[0].start, [], []
        for entry in entries:
            if entry.marker is None:
                assert entry.start >= at, "no byte is there twice"
                if entry.start > at:
                    gaps.append((at, entry.start - at))
                pieces.append(entry.data)
                at = entry.cursor.offset
            else:
                assert entry.cursor.offset == at, "a marker stands where the data before it ends"
        return pieces, gaps

    def markers(self, epoch: str = "") -> list[tuple[str, str]]:
        return [(e.marker.kind, e.marker.words) for e in self.entries(epoch) if e.marker]

    def kinds(self, epoch: str = "") -> list[str]:
        return [kind for kind, _ in self.markers(epoch)]

    def wait_data(self, data: bytes, seconds: float = SOON) -> None:
        def there() -> bool:
            return bool(self.epochs()) and b"".join(self.pieces()[0]).endswith(data)

        wait_for(there, seconds, f"{data[-40:]!r} in the journal")

    def wait_end(self, offset: int, seconds: float = SOON) -> None:
        wait_for(lambda: self.epochs() and self.end().offset == offset, seconds, f"the journal to end at {offset}")

    def wait_kind(self, kind: str, count: int = 1, seconds: float = SOON) -> str:
        wait_for(lambda: self.kinds().count(kind) >= count, seconds, f"marker {kind}, among {self.kinds()}")
        return [words for found, words in self.markers() if found == kind][-1]

    def end(self) -> Cursor:
        return self.entries()[-1].cursor


class Hands:
    """Somebody who has the keyboard of a slot."""

    def __init__(self, client: "redis.Redis", slot: int = 2, person: str = "olga") -> None:
        self.client, self.slot, self.person = client, slot, person
        typist = keyboard.Typist(f"socket-{person}", person, 1, "2026-11-22T18:00:00+00:00")
        assert keyboard.take_over("b1", slot, typist).on(client).granted

    def type(self, data: bytes) -> None:
        assert keyboard.type_keys("b1", self.slot, f"socket-{self.person}", self.person, data).on(self.client).granted

    def send_break(self, then: bytes = b"") -> None:
        call = keyboard.send_break("b1", self.slot, f"socket-{self.person}", self.person, then)
        assert call.on(self.client).granted


class Start(Protocol):
    """What the fixture `serve` is."""

    def __call__(self, *paths: Path, **more: Any) -> Serving: ...
    def stop_all(self) -> None: ...
