"""The environment of the portal, read once, checked, and failing with one sentence.

Standard library only: the supervisor reads it before anything is installed or connected.
"""

import os
import re
import secrets
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

PROJECT = Path(__file__).resolve().parent.parent

KNOWN = frozenset(
    {
        "NANOPORTAL_ALLOWED_HOSTS",
        "NANOPORTAL_BIND",
        "NANOPORTAL_BOARDS",
        "NANOPORTAL_DATA",
        "NANOPORTAL_DEBUG",
        "NANOPORTAL_IMAGE_QUOTA",
        "NANOPORTAL_IMPORT",
        "NANOPORTAL_JOURNAL_URL",
        "NANOPORTAL_JOURNAL_URL_FILE",
        "NANOPORTAL_PORT",
        "NANOPORTAL_SECRET_KEY",
        "NANOPORTAL_SECRET_KEY_FILE",
        "NANOPORTAL_SIM_PEERS",
        "NANOPORTAL_SIM_TRACE",
        "NANOPORTAL_SWITCH_SCAN",
        "NANOPORTAL_TEST_WITHOUT",
        "NANOPORTAL_TIME_SCALE",
        "NANOPORTAL_TLS",
        "NANOPORTAL_TRUSTED_PROXIES",
        "NANOPORTAL_WORKER",
        "NANOPORTAL_WORKER_KIND",
    }
)
# Of the command line (client/): a shell that is set up for it may start a portal.
CLIENTS = frozenset({"NANOPORTAL_CA", "NANOPORTAL_CONFIG", "NANOPORTAL_TOKEN", "NANOPORTAL_URL"})


class EnvironmentProblem(Exception):
    """A variable that we do not know or cannot use; its text is one sentence for the person who set it."""


@dataclass(frozen=True)
class Tls:
    """Whether the web server speaks TLS, and with which PEM files. `is_own`: with a certificate that we make."""

    is_on: bool = False
    is_own: bool = False
    certificate: Path = Path()
    key: Path = Path()


# As certbot, most others, and Kubernetes name the two files of a directory.
TLS_FILES = (("fullchain.pem", "privkey.pem"), ("cert.pem", "key.pem"), ("tls.crt", "tls.key"))


@dataclass(frozen=True)
class Env:
    """What the environment says, with defaults filled in. Paths are absolute."""

    data: Path
    bind: str
    port: int
    tls: Tls
    sim_trace: Path | None
    sim_peers: tuple[str, ...]
    time_scale: float
    boards: Path
    boards_given: bool
    database_url: str
    redis_url: str | None
    journal_url: str | None
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    image_quota_bytes: int | None
    import_dir: Path
    switch_scan: str
    worker: str
    worker_kind: str
    debug: bool


def load_env(environ: Mapping[str, str] | None = None) -> Env:
    """Read and check the environment. Raises `EnvironmentProblem`; touches no file but for `..._FILE` secrets."""
    env = os.environ if environ is None else environ
    unknown = sorted(name for name in env if name.startswith("NANOPORTAL_") and name not in KNOWN | CLIENTS)
    if unknown:
        raise EnvironmentProblem(f"{unknown[0]} is not a variable of NanoPortal; remove it or correct its name.")
    data = Path(env.get("NANOPORTAL_DATA") or PROJECT / "var").expanduser().absolute()
    boards = env.get("NANOPORTAL_BOARDS")
    trace = env.get("NANOPORTAL_SIM_TRACE")
    return Env(
        data=data,
        bind=env.get("NANOPORTAL_BIND") or "127.0.0.1",
        port=_port(env),
        tls=_tls(env, data),
        sim_trace=Path(trace).absolute() if trace else None,
        sim_peers=_sim_peers(env),
        time_scale=_time_scale(env),
        boards=_boards(boards, data),
        boards_given=bool(boards),
        database_url=_secret(env, "DATABASE_URL") or f"sqlite:///{data / 'portal.sqlite3'}",
        redis_url=_secret(env, "REDIS_URL") or None,
        journal_url=_secret(env, "NANOPORTAL_JOURNAL_URL") or None,
        allowed_hosts=_allowed_hosts(env),
        trusted_proxies=_trusted_proxies(env),
        image_quota_bytes=_bytes(env, "NANOPORTAL_IMAGE_QUOTA"),
        import_dir=Path(env.get("NANOPORTAL_IMPORT") or data / "import").expanduser().absolute(),
        switch_scan=_switch_scan(env),
        worker=_worker(env),
        worker_kind=_worker_kind(env),
        debug=_flag(env, "NANOPORTAL_DEBUG"),
    )


def _port(env: Mapping[str, str]) -> int:
    text = env.get("NANOPORTAL_PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise EnvironmentProblem(f"NANOPORTAL_PORT is {text!r}; it takes a port number from 1 to 65535.")
    return int(text)


def _tls(env: Mapping[str, str], data: Path) -> Tls:
    text = env.get("NANOPORTAL_TLS") or "off"
    if text == "off":
        return Tls()
    if text == "auto":
        return Tls(True, True, data / "tls" / "server.crt", data / "tls" / "server.key")
    given = [Path(word).expanduser().absolute() for word in text.split(",")]
    pairs = [given] if len(given) == 2 else [[given[0] / name for name in names] for names in TLS_FILES]
    for certificate, key in pairs:
        if certificate.is_file() and key.is_file():
            return Tls(True, False, certificate, key)
    raise EnvironmentProblem(
        f"NANOPORTAL_TLS is {text!r}; it takes off, auto, a directory with fullchain.pem and privkey.pem, or CERT,KEY."
    )


def _time_scale(env: Mapping[str, str]) -> float:
    text = env.get("NANOPORTAL_TIME_SCALE") or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.1 <= scale <= 1000:
        raise EnvironmentProblem(f"NANOPORTAL_TIME_SCALE is {text!r}; it takes a number from 0.1 to 1000.")
    return scale


def _boards(text: str | None, data: Path) -> Path:
    if not text:
        return data / "boards"
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise EnvironmentProblem(f"NANOPORTAL_BOARDS names {path}, which is not a directory.")
    return path


def _sim_peers(env: Mapping[str, str]) -> tuple[str, ...]:
    words = tuple(filter(None, env.get("NANOPORTAL_SIM_PEERS", "").replace(",", " ").split()))
    for word in words:
        if not re.fullmatch("[2-7]=(u-boot|linux)", word):
            raise EnvironmentProblem(
                f"NANOPORTAL_SIM_PEERS holds {word!r}; it takes slots 2 to 7, as in 3=u-boot,2=linux."
            )
    return words


def _worker(env: Mapping[str, str]) -> str:
    name = env.get("NANOPORTAL_WORKER") or "local"
    if not name.replace("-", "").isalnum():
        raise EnvironmentProblem(f"NANOPORTAL_WORKER is {name!r}; it takes letters, digits and hyphens.")
    return name


def _worker_kind(env: Mapping[str, str]) -> str:
    kind = env.get("NANOPORTAL_WORKER_KIND") or "hardware"
    if kind not in ("hardware", "flash"):
        raise EnvironmentProblem(f"NANOPORTAL_WORKER_KIND is {kind!r}; it takes 'hardware' or 'flash'.")
    return kind


def _switch_scan(env: Mapping[str, str]) -> str:
    when = env.get("NANOPORTAL_SWITCH_SCAN") or "auto"
    if when not in ("auto", "asked"):
        raise EnvironmentProblem(f"NANOPORTAL_SWITCH_SCAN is {when!r}; it takes 'auto' or 'asked'.")
    return when


def _bytes(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name)
    if not text:
        return None
    match = re.fullmatch("([1-9][0-9]*)([KMGT]?)", text)
    if not match:
        raise EnvironmentProblem(f"{name} is {text!r}; it takes a number of bytes, or one with K, M, G or T.")
    factors = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    return int(match[1]) * factors[match[2]]


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "0"
    if text not in ("0", "1"):
        raise EnvironmentProblem(f"{name} is {text!r}; it takes 0 or 1.")
    return text == "1"


def _secret(env: Mapping[str, str], name: str) -> str:
    """The value of `name`, or the content of the file that `name_FILE` names; giving both is an error."""
    path = env.get(f"{name}_FILE")
    if path and env.get(name):
        raise EnvironmentProblem(f"{name} and {name}_FILE are both set; keep one.")
    if not path:
        return env.get(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise EnvironmentProblem(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


def own_addresses() -> list[str]:
    """The addresses under which other machines may reach this one; asks the kernel only, never the network."""
    found: list[str] = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))  # a datagram socket sends nothing here; it only picks a route
                found.append(probe.getsockname()[0])
        except OSError:
            continue
    return found


def _allowed_hosts(env: Mapping[str, str]) -> tuple[str, ...]:
    given = env.get("NANOPORTAL_ALLOWED_HOSTS", "").replace(",", " ").split()
    if "*" in given:
        raise EnvironmentProblem("NANOPORTAL_ALLOWED_HOSTS holds '*', which would let any web page in; name the hosts.")
    if given:
        return tuple(given)
    name = socket.gethostname()
    addresses = [f"[{a}]" if ":" in a else a for a in own_addresses()]
    return tuple(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", name, f"{name}.local", *addresses]))


def _trusted_proxies(env: Mapping[str, str]) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for word in env.get("NANOPORTAL_TRUSTED_PROXIES", "").replace(",", " ").split():
        try:
            network = ip_network(word)
        except ValueError as error:
            raise EnvironmentProblem(
                f"NANOPORTAL_TRUSTED_PROXIES holds {word!r}; it takes addresses and networks, as 10.0.0.0/24."
            ) from error
        if network.prefixlen == 0:
            raise EnvironmentProblem(
                f"NANOPORTAL_TRUSTED_PROXIES holds {word!r}, which would believe everybody; name the proxies."
            )
        found.append(network)
    return tuple(found)


def secret_key(data: Path, environ: Mapping[str, str] | None = None) -> str:
    """The signing key: given, or generated once into the data directory with mode 0600."""
    return _secret(os.environ if environ is None else environ, "NANOPORTAL_SECRET_KEY") or key_file(data, "secret.key")


def key_file(data: Path, name: str) -> str:
    """Content of DATA/name, made with 64 random hex digits at the first call; safe when two processes race."""
    path = data / name
    if not path.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=data, prefix=f".{name}-")
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            os.link(draft, path)  # fails if another process was first: then its key counts
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text().strip()


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for `sqlite:///PATH` or `postgres://USER:PASSWORD@HOST:PORT/NAME`.

    A PostgreSQL unix socket is given as `postgres:///NAME?host=/run/postgresql&user=USER`.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # FULL, not NORMAL: a commit that said "requested" must not be forgotten by a power cut.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-2000;",
            },
        }
    if parts.scheme in ("postgres", "postgresql"):
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.lstrip("/"),
            "USER": query.get("user") or unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": query.get("host") or parts.hostname or "",
            "PORT": str(parts.port or query.get("port") or ""),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
        }
    raise EnvironmentProblem(
        f"DATABASE_URL begins with {parts.scheme!r}; it takes sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME."
    )
