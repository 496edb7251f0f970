"""Whom the portal talks to over SSH and who it says it is: its own key, and the host keys that a person accepted."""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hardware.errors import RecordUnwritable, RemoteRefused, RemoteUnavailable
from hardware.program_errors import ProgramFailed, ProgramMissing, ProgramTimeout

DEFAULT_PORT = 22
CONNECT_SECONDS = 10  # a machine of the same network answers in a thousandth of it
KEYGEN_SECONDS = 30.0  # it takes a fraction of one, unless the machine is very busy

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")  # best first
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_V6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")
_SHOWN = 200


@dataclass(frozen=True)
class RemoteAddress:
    """Where a SOM's Linux listens, and as whom. `host` is a name or an address, IPv6 without brackets."""

    user: str
    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> "RemoteAddress":
        """From "root@cm5.lan", "cm5.lan" (then root), "pi@10.0.0.7:2222" or "root@[fe80::7%eth0]:2222".

        Raises RemoteRefused with the sentence for whoever typed it.
        """
        user, at, place = text.strip().rpartition("@")
        found = re.fullmatch(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]{1,5}))?", place)
        user = user if at else "root"
        if found and _USER.fullmatch(user):
            host = found["v6"] or found["name"] or ""
            port = int(found["port"] or DEFAULT_PORT)
            if (_V6 if found["v6"] else _NAME).fullmatch(host) and 0 < port < 65536:
                return cls(user, host.lower(), port)
        raise RemoteRefused(f'"{plain(text)}" is not of the form user@host or user@host:port.')

    @property
    def known_as(self) -> str:
        """How a list of host keys calls it."""
        return self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" if self.port == DEFAULT_PORT else f"{self.user}@{host}:{self.port}"


@dataclass(frozen=True)
class HostKey:
    """A public key that a machine shows: its kind ("ssh-ed25519") and its blob in base64."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As ssh itself writes it: "SHA256:..."."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class SshKeys:
    """The directory with the portal's key pair and its list of host keys; only its owner can read it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.private_key = directory / "id_ed25519"
        self.known_hosts = directory / "known_hosts"

    def public_key(self) -> str:
        """The line for ~/.ssh/authorized_keys of the far side. Makes the key pair first if there is none yet.

        Blocks up to KEYGEN_SECONDS. Raises ProgramMissing, ProgramFailed, ProgramTimeout, RecordUnwritable.
        """
        public = self.private_key.with_suffix(".pub")
        if not public.exists():
            with self.locked():
                if not public.exists():
                    self._make(public)
        return public.read_text().strip()

    def known(self, address: RemoteAddress) -> HostKey | None:
        """The host key that was accepted for it."""
        return next((key for name, key in self._entries() if name == address.known_as), None)

    def trust(self, address: RemoteAddress, key: HostKey) -> None:
        """Accepts this host key from now on, instead of any other. Raises RecordUnwritable."""
        with self.locked():
            kept = [(name, one) for name, one in self._entries() if name != address.known_as]
            lines = [f"{name} {one.kind} {one.blob}\n" for name, one in (*kept, (address.known_as, key))]
            new = self.known_hosts.with_suffix(".new")
            with new.open("w") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.known_hosts)

    def _entries(self) -> list[tuple[str, HostKey]]:
        try:
            lines = self.known_hosts.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(words[0], HostKey(words[1], words[2])) for line in lines if len(words := line.split()) == 3]

    def _make(self, public: Path) -> None:
        with TemporaryDirectory(dir=self.directory) as scratch:
            path = Path(scratch, "key")
            comment = f"nanoportal@{plain(socket.gethostname())}"
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
            done = _run(command, KEYGEN_SECONDS)
            if done.returncode:
                raise ProgramFailed(command[0], done.returncode, plain(done.stderr) or "it does not say why")
            path.replace(self.private_key)
            # Last: whoever sees it finds the other half in place.
            path.with_suffix(".pub").replace(public)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """The directory, made if need be, against another process that is about to change it as well.

        Blocks while one does: milliseconds. Raises RecordUnwritable for every OSError, those of its user's too.
        """
        with contextlib.ExitStack() as undo:
            try:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                undo.callback(os.close, directory)
                fcntl.flock(directory, fcntl.LOCK_EX)
                yield
            except OSError as error:
                raise RecordUnwritable(str(self.directory), error.strerror or str(error)) from error


def scan_host_key(address: RemoteAddress) -> HostKey:
    """The host key that the machine there shows now, the best kind that it has. Blocks up to CONNECT_SECONDS.

    Anybody could have answered: a person compares the fingerprint with what the machine itself says.

    Raises ProgramMissing, ProgramTimeout, RemoteUnavailable.
    """
    command = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-t", "ed25519,ecdsa,rsa", "-p", str(address.port)]
    answer = _run([*command, "--", address.host], 3 * CONNECT_SECONDS)
    lines = [words for line in answer.stdout.splitlines() if len(words := line.split()) == 3]
    keys = [HostKey(kind, blob) for _, kind, blob in lines if kind in _KINDS and _is_blob(blob)]
    if not keys:
        why = next((line for line in map(plain, answer.stderr.splitlines()) if line and line[0] != "#"), "")
        raise RemoteUnavailable(str(address), why.rpartition(": ")[2] or "no SSH server answers there")
    return min(keys, key=lambda key: _KINDS.index(key.kind))


def missing(program: str) -> ProgramMissing:
    """All of ssh's programs come with the same package."""
    return ProgramMissing(program, "openssh-client")


def plain(text: str) -> str:
    """Somebody else's words, fit to stand within a sentence: one short line without control characters."""
    return re.sub(r"\s+", " ", "".join(char if char.isprintable() else " " for char in text)).strip()[:_SHOWN]


def _is_blob(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except FileNotFoundError as error:
        raise missing(command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramTimeout(command[0], seconds, "") from error
