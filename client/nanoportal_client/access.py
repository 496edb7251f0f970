"""Where the portal is and by which token: from the environment, or from a file that nobody else can read.

A token is never taken from the command line, where every other person of the machine sees it, and never sent to another
address than the one it was configured with.
"""

import os
import ssl
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nanoportal_client.problems import Exit, Problem

NAMES = ("url", "token", "ca", "board")
HOW = "Say `nanoportal configure`, or set NANOPORTAL_URL and NANOPORTAL_TOKEN."


@dataclass(frozen=True)
class Access:
    """A portal's address without a slash at its end, the token, the certificate authority to trust instead of the
    system's ("" for those), and the board that is meant where none is named."""

    url: str
    token: str = field(repr=False)
    ca: str = ""
    board: str = ""

    @property
    def is_encrypted(self) -> bool:
        return self.url.startswith("https:")

    def tls(self) -> ssl.SSLContext:
        """What certificates are checked with. Raises `Problem` for a file that holds none."""
        try:
            return ssl.create_default_context(cafile=self.ca or None)
        except OSError as error:  # of which those of TLS are some
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise Problem(Exit.USAGE, f"The certificate authority {self.ca} cannot be read: {why}.") from error


def find(environ: Mapping[str, str], *, url: str = "", ca: str = "", config: str = "") -> Access:
    """What holds now: the options `url`, `ca` and `config` before the environment, the environment before the file.

    Raises `Problem` if the address or the token is missing, or the file can be read by others.
    """
    path = config_path(environ, config)
    named = bool(config or environ.get("NANOPORTAL_CONFIG"))
    kept = read(path) if named or path.exists() else {}
    kept_url = clean_url(kept["url"]) if kept.get("url") else ""
    given = url or environ.get("NANOPORTAL_URL", "")
    where = clean_url(given) if given else kept_url
    if not where:
        raise Problem(Exit.USAGE, f"No portal is configured. {HOW}")
    kept_token = kept.get("token", "") if where == kept_url else ""  # it is nobody else's to see
    token = environ.get("NANOPORTAL_TOKEN", "").strip() or kept_token
    if not token:
        raise Problem(Exit.USAGE, f"There is no token for {where}. {HOW}")
    if not (token.isascii() and token.isprintable()):
        raise Problem(Exit.USAGE, "The token holds characters that no token has; copy it anew.")
    return Access(where, token, ca or environ.get("NANOPORTAL_CA", "") or kept.get("ca", ""), kept.get("board", ""))


def config_path(environ: Mapping[str, str], config: str = "") -> Path:
    """Where the file is, or would be."""
    given = config or environ.get("NANOPORTAL_CONFIG", "")
    if given:
        return Path(given).expanduser()
    folder = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "nanoportal.toml"


def read(path: Path) -> dict[str, str]:
    """The file's settings. Raises `Problem` if others can read it, or it says what we do not know."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                words = f"{path} holds a token, and others can read or write it; say: chmod 600 {path}"
                raise Problem(Exit.USAGE, words, code="readable-by-others")
            if status.st_uid not in (0, os.getuid()):
                raise Problem(Exit.USAGE, f"{path} belongs to somebody else, so it is not used.")
            found: dict[str, Any] = tomllib.load(stream)
    except OSError as error:
        raise Problem(Exit.USAGE, f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(Exit.USAGE, f"{path} is not TOML: {error}.") from error
    for name, value in found.items():
        if name not in NAMES or not isinstance(value, str):
            raise Problem(Exit.USAGE, f"{path}: {name} is not known; there are {', '.join(NAMES)}, each a text.")
    return found


def clean_url(text: str) -> str:
    """An address as it is used: scheme, host, port and a path at most. Raises `Problem`."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Problem(Exit.USAGE, f"{text!r} is no address of a portal; give one like https://controller.lan:8000")
    if parts.username or parts.password:
        raise Problem(Exit.USAGE, "The address holds a name or a password; a portal takes tokens only.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def write(path: Path, access: Access) -> None:
    """Keep it in a file of mode 0600, in place of the one that was there. Raises `Problem`."""
    rows = {"url": access.url, "token": access.token, "ca": access.ca, "board": access.board}
    text = "".join(f'{name} = "{_quoted(value)}"\n' for name, value in rows.items() if value)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
        os.replace(draft, path)
    except OSError as error:
        raise Problem(Exit.USAGE, f"{path} cannot be written: {error.strerror}.") from error


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
