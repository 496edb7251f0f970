"""One `ssh` process to a SOM's Linux: bytes both ways, with a deadline on each.

The portal's own key and its own list of host keys are all that is used (`sshkeys`); a person's are not looked at.
"""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO

from hardware.errors import HardwareError, HostKeyChanged, HostKeyUnknown, RemoteRefused, RemoteUnavailable, Stopped
from hardware.flash.sshkeys import CONNECT_SECONDS, RemoteAddress, SshKeys, missing, plain

GREETING_SECONDS = 20.0  # until the far side's shell has answered
ANSWER_SECONDS = 90.0  # a card may pause for long while it tidies up
LOOK_SECONDS = 0.2
CLOSE_SECONDS = 1.0  # that the far side is given to end by itself, and to let go of the disk
ALIVE_SECONDS, ALIVE_COUNT = 5, 3  # a connection that is silent for their product is dead

_GREETING = "nanoportal far side "
_GREETING_LINES = 100  # of whatever a log-in there prints first
_PIPE_BYTES = 1024**2
_CHUNK_BYTES = 4096
_SAID_BYTES = 4096  # of what ssh and the far side complain, the end
_LINE_BYTES = 64 * 1024


class SessionEnded(Exception):
    """The far side, or the way to it, ended before it had answered.

    Attributes:
        code, words: the far side's own complaint, or empty.
        said: the other lines of standard error.
        is_late: nothing has ended, but the deadline has passed.
    """

    def __init__(self, complaint: str, *, is_late: bool = False) -> None:
        lines = [line for line in map(plain, complaint.splitlines()) if line]
        own = [line for line in lines if line.startswith("nanoportal ")]
        self.code, _, self.words = own[-1].removeprefix("nanoportal ").partition(" ") if own else ("", "", "")
        self.said = [line for line in lines if line not in own]
        self.is_late = is_late
        super().__init__(complaint)

    @property
    def reason(self) -> str:
        """Why, as it stands behind a colon in a sentence."""
        if self.is_late:
            return "it does not answer"
        return (self.words or "".join(self.said[-1:]) or "the connection was lost").rstrip(". ;")


class Session:
    """A program at the far side and its three streams. For one thread at a time, but any may `close`.

    Attributes:
        stop: setting it ends it, and any wait of `send`, `line` and `fill` with Stopped, LOOK_SECONDS later at most.
    """

    def __init__(self, command: Sequence[str], stop: threading.Event | None = None) -> None:
        self.stop = stop
        # A session of its own: no signal for us reaches it, and without a terminal it cannot ask anybody anything.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
        self._in, self._out, self._err = map(
            _without_blocking, (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._in_use = threading.Lock()
        self._is_closed = False
        self._unread = bytearray()
        self._said = bytearray()

    def send(self, *parts: bytes | memoryview, seconds: float = ANSWER_SECONDS) -> None:
        """Blocks until the way to the far side has taken all of it. Raises SessionEnded."""
        with self._using(seconds) as deadline:
            for part in parts:
                left = memoryview(part).cast("B")
                while left:
                    self._await(self._in, select.POLLOUT, deadline)
                    left = left[self._write(left) :]

    def line(self, seconds: float = ANSWER_SECONDS) -> str:
        """The next line, without its end. Blocks until it is there. Raises SessionEnded."""
        with self._using(seconds) as deadline:
            while b"\n" not in self._unread:
                if len(self._unread) > _LINE_BYTES:
                    raise SessionEnded("it sends something else than it was asked for")
                self._await(self._out, select.POLLIN, deadline)
                self._take()
            line, _, rest = bytes(self._unread).partition(b"\n")
            self._unread[:] = rest
        return line.decode(errors="replace")

    def has_line(self) -> bool:
        """Whether `line` would not block. Raises SessionEnded."""
        with self._using(0):
            if b"\n" not in self._unread and _ready(self._out):
                self._take()
            return b"\n" in self._unread

    def fill(self, view: memoryview, seconds: float = ANSWER_SECONDS) -> None:
        """Fills `view` with what comes next. Blocks until it is there. Raises SessionEnded."""
        with self._using(seconds) as deadline:
            count = min(len(view), len(self._unread))
            view[:count] = self._unread[:count]
            del self._unread[:count]
            view = view[count:]
            while view:
                self._await(self._out, select.POLLIN, deadline)
                count = os.readv(self._out, [view])
                if not count:
                    raise self._ended()
                view = view[count:]

    def close(self) -> None:
        """Ends it: politely and within CLOSE_SECONDS, or at once where another thread waits, which then finds out."""
        if not self._in_use.acquire(blocking=False):
            self._kill()
            self._in_use.acquire()
        try:
            self._hang_up()
        finally:
            self._in_use.release()

    @contextlib.contextmanager
    def _using(self, seconds: float) -> Iterator[float]:
        """Gives the deadline."""
        with self._in_use:
            if self._is_closed:
                raise SessionEnded("the connection has been closed")
            yield time.monotonic() + seconds

    def _await(self, wanted: int, event: int, deadline: float) -> None:
        """Until one stream is ready, or at its end. Complaints are taken meanwhile: an unread one would block ssh."""
        poll = select.poll()
        poll.register(wanted, event)
        poll.register(self._err, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            ready = dict(poll.poll(max(0.0, min(left, LOOK_SECONDS if self.stop else left)) * 1000))
            if self._err in ready and not self._listen():
                poll.unregister(self._err)
            if wanted in ready:
                return
            if self.stop and self.stop.is_set():
                self._kill()
                raise Stopped("Talking to the SOM")
            if left <= 0:
                raise SessionEnded(self._complaint(), is_late=True)

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._in, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._ended() from error

    def _take(self) -> None:
        chunk = os.read(self._out, _CHUNK_BYTES)
        if not chunk:
            raise self._ended()
        self._unread += chunk

    def _listen(self) -> bool:
        """Takes what is said on standard error; False at its end."""
        said = os.read(self._err, _CHUNK_BYTES)
        self._said = (self._said + said)[-_SAID_BYTES:]
        return bool(said)

    def _complaint(self) -> str:
        return self._said.decode(errors="replace")

    def _ended(self) -> SessionEnded:
        """Waits a moment for the last words: they come by another stream than the end."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while _ready(self._err, deadline - time.monotonic()) and self._listen():
            pass
        return SessionEnded(self._complaint())

    def _hang_up(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def _kill(self) -> None:
        if self._process.returncode is None:  # else the number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def connect(address: RemoteAddress, keys: SshKeys, program: str, stop: threading.Event | None = None) -> Session:
    """Runs a shell program as root at the far side and waits for its greeting. Blocks up to GREETING_SECONDS.

    Raises ProgramMissing without ssh here, RemoteUnavailable if there is no way there, HostKeyUnknown, HostKeyChanged,
    RemoteRefused if it lets us not in, or not become root, Stopped once `stop` is set.
    """
    keys.public_key()
    try:
        session = Session(_command(address, keys, len(program.encode())), stop)
    except FileNotFoundError as error:
        raise missing("ssh") from error
    with contextlib.ExitStack() as undo:
        undo.callback(session.close)
        try:
            deadline = time.monotonic() + GREETING_SECONDS
            session.send(program.encode(), seconds=GREETING_SECONDS)
            _await_greeting(session, address, deadline)
        except SessionEnded as ended:
            raise _not_let_in(address, ended) from ended
        undo.pop_all()
    return session


def _await_greeting(session: Session, address: RemoteAddress, deadline: float) -> None:
    for _ in range(_GREETING_LINES):
        if session.line(max(0.0, deadline - time.monotonic())).startswith(_GREETING):
            return
    raise RemoteRefused(f"What {address} runs at a log-in prints too much: a shell is needed there.")


def _command(address: RemoteAddress, keys: SshKeys, length: int) -> list[str]:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": str(ALIVE_SECONDS),
        "ServerAliveCountMax": str(ALIVE_COUNT),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(str(keys.known_hosts)),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentityFile": _quoted(str(keys.private_key)),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ClearAllForwardings": "yes",
        "ControlPath": "none",
        "EscapeChar": "none",
        "RequestTTY": "no",
        "LogLevel": "INFO",  # less, and it would not say that the other side has fallen silent
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    # The program comes first on standard input, so that no log-in shell of any kind has to quote it. One byte at a
    # time: not one more may be read.
    loader = (
        f"program=$(dd bs=1 count={length} 2>/dev/null); "
        '[ "$(id -u)" = 0 ] && exec sh -c "$program"; exec sudo -n sh -c "$program"'
    )
    return [
        "ssh",
        "-F",
        "none",
        *words,
        "-p",
        str(address.port),
        "-l",
        address.user,
        "--",
        address.host,
        f"exec sh -c '{loader}'",
    ]


def _not_let_in(address: RemoteAddress, ended: SessionEnded) -> HardwareError:
    said = "\n".join(ended.said)
    if "IDENTIFICATION HAS CHANGED" in said:
        return HostKeyChanged(str(address))
    if "host key is known" in said or "Host key verification failed" in said:
        return HostKeyUnknown(str(address))
    if "Permission denied" in said:
        return RemoteRefused(f"{address} does not accept the portal's key: add it to ~/.ssh/authorized_keys there.")
    if "sudo" in said:
        return RemoteRefused(
            f"{address} may not become root without a password: allow it in sudoers there, or use root's own account."
        )
    return RemoteUnavailable(str(address), ended.reason.rpartition(": ")[2])


def _quoted(path: str) -> str:
    """A path in an option of ssh's, where a space and a percent sign mean something."""
    return '"' + path.replace("%", "%%") + '"'


def _ready(file: int, seconds: float = 0) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _without_blocking(stream: IO[bytes] | None) -> int:
    assert stream
    os.set_blocking(stream.fileno(), False)
    with contextlib.suppress(OSError):  # more in one go if this machine allows it
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return stream.fileno()
