"""The daemon's connections to the broker: made by a thread that may wait, used by one that may not."""

import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.connection import SSLConnection, parse_url

from consoles.resp import Nonsense, Replies, ReplyError, Word, command

CONNECT_SECONDS = 2.0
ROOM_BYTES = 65_536  # what may wait for the kernel to take it
READ_BYTES = 65_536

#: Called with a reply, on the daemon's thread; a `ReplyError` among them is given, not raised.
Then = Callable[[Any], None]


class LinkLost(Exception):
    """The broker is away, or says nothing that we understand; its text is a sentence."""


class Link:
    """A connection that never waits: commands go out as the kernel takes them, answers are given to who asked."""

    def __init__(self, connection: socket.socket) -> None:
        """Takes over a connection that has said who it is."""
        connection.setblocking(False)
        self._socket = connection
        self._out = bytearray()
        self._replies = Replies()
        self._waiting: deque[Then] = deque()
        self._heard_at = time.monotonic()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def has_room(self) -> bool:
        """Whether more should be sent: what is here cannot be taken back."""
        return len(self._out) < ROOM_BYTES

    @property
    def unsent(self) -> bool:
        """Whether it should be flushed once the descriptor is writable."""
        return bool(self._out)

    def silent_seconds(self, now: float) -> float:
        """For how long an answer has been owed; 0 if none is."""
        return now - self._heard_at if self._waiting else 0.0

    def send(self, *words: Word, then: Then) -> None:
        """Put a command into the queue; `flush` sends it."""
        if not self._waiting:
            self._heard_at = time.monotonic()
        self._out += command(*words)
        self._waiting.append(then)

    def flush(self) -> None:
        """Send what the kernel takes at once. Raises `LinkLost`."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            except OSError as error:
                raise LinkLost(f"The broker is away: {error.strerror or error}.") from error
            del self._out[:sent]

    def receive(self) -> None:
        """Hand the answers that have come to who asked. Raises `LinkLost`, and what they raise."""
        while data := self._read():
            try:
                replies = self._replies.feed(data)
            except Nonsense as error:
                raise LinkLost(str(error)) from error
            for reply in replies:
                if not self._waiting:
                    raise LinkLost("The broker answered what nobody asked.")
                self._waiting.popleft()(reply)
            if len(data) < READ_BYTES and not isinstance(self._socket, ssl.SSLSocket):
                break  # TLS may keep decrypted bytes that no descriptor tells of
        self._heard_at = time.monotonic()

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError as error:
            raise LinkLost(f"The broker is away: {error.strerror or error}.") from error
        if not data:
            raise LinkLost("The broker is away: it closed the connection.")
        return data

    def close(self) -> None:
        """May be called twice. What was not sent is gone."""
        self._socket.close()


@dataclass
class Connection:
    """A connection that waits, for what is asked once before the daemon's thread takes it over."""

    socket: socket.socket
    replies: Replies = field(default_factory=Replies)

    def ask(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The answers to all `commands`, sent at once. Blocks for up to 2 s. Raises `LinkLost` also for a refusal."""
        answers = self.exchange(commands)
        for answer in answers:
            if isinstance(answer, ReplyError):
                raise LinkLost(f"The broker refuses: {answer}.")
        return answers

    def exchange(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The same, with refusals among the answers."""
        answers: list[Any] = []
        try:
            self.socket.sendall(b"".join(command(*words) for words in commands))
            while len(answers) < len(commands):
                data = self.socket.recv(READ_BYTES)
                if not data:
                    raise LinkLost("The broker is away: it closed the connection.")
                answers += self.replies.feed(data)
        except (OSError, Nonsense) as error:
            raise LinkLost(f"The broker is away: {error}.") from error
        return answers


def check(url: str) -> None:
    """Whether `url` names a broker at all. Raises ValueError with a sentence; opens nothing."""
    try:
        parse_url(url)
    except ValueError as error:
        raise ValueError(f"The journals' broker is {url!r}; it takes redis://, rediss:// or unix://.") from error


def connect(url: str) -> Connection:
    """A connection to the broker at `url`, as redis-py writes them. Blocks for up to 2 s a step. Raises `LinkLost`."""
    options = parse_url(url)
    try:
        connection = Connection(_open_socket(options))
    except OSError as error:
        raise LinkLost(f"The broker is away: {error.strerror or error}.") from error
    greeting: list[tuple[Word, ...]] = []
    if options.get("password"):
        greeting.append(("AUTH", *filter(None, (options.get("username"),)), options["password"]))
    try:
        connection.ask([*greeting, ("SELECT", options.get("db") or 0)])
    except LinkLost:
        connection.socket.close()
        raise
    return connection


def _open_socket(options: dict[str, Any]) -> socket.socket:
    if path := options.get("path"):
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(CONNECT_SECONDS)
        try:
            opened.connect(path)
        except OSError:
            opened.close()
            raise
        return opened
    host = options.get("host") or "localhost"
    opened = socket.create_connection((host, options.get("port") or 6379), CONNECT_SECONDS)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.get("connection_class") is SSLConnection:
        return ssl.create_default_context().wrap_socket(opened, server_hostname=host)
    return opened


def in_background(work: Callable[[], None]) -> None:
    """Do `work`, which may wait, in a thread that nobody waits for."""
    threading.Thread(target=work, name="broker", daemon=True).start()
