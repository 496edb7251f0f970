"""A real SSH server of Debian's on a port that the kernel chose, started anew for each connection."""

import contextlib
import getpass
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from uuid import uuid4

from hardware.flash.sshkeys import RemoteAddress, SshKeys

SSHD = "/usr/sbin/sshd"
CONFIG = """
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
SetEnv HOME={directory} PATH={path} {mark}
"""
PATH = "/usr/local/bin:/usr/bin:/bin"


class SshServer:
    """What stands for a SOM's Linux: this machine, as the user who runs the tests, but with an empty home: what their
    own shell does at a log-in, and how long it takes, is not to be tested.

    Attributes:
        directory: of its host key, configuration, log and authorized_keys.
        processes: the servers of the connections so far, each in a process group of its own.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._mark = f"NANOPORTAL_TEST_SOM={uuid4().hex}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = RemoteAddress(getpass.getuser(), "127.0.0.1", self._listener.getsockname()[1])
        self.make_host_key()
        self.configure()
        (directory / "authorized_keys").touch()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # it asks for this one, and boot would have made it
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def configure(self, path: str = PATH, more: str = "") -> None:
        """For the connections that follow: where the shell finds programs, and further lines of the configuration."""
        config = CONFIG.format(directory=self.directory, path=path, mark=self._mark) + more
        (self.directory / "sshd_config").write_text(config)

    def make_host_key(self) -> None:
        """A new one, as if the machine had been set up anew."""
        path = self.directory / "host_key"
        path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=30)

    def welcome(self, keys: SshKeys) -> None:
        """Lets the owner of these keys in."""
        (self.directory / "authorized_keys").write_text(keys.public_key() + "\n")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the servers of all connections, but not to what they have started."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, number)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        self.end_connections()

    def end_connections(self) -> None:
        """All at once, and what was started for them: nothing holds a disk afterwards."""
        self.signal(signal.SIGKILL)
        for process in self.processes:
            process.wait(10)
        self.processes.clear()
        deadline = time.monotonic() + 10
        while (left := self._started()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def _started(self) -> list[int]:
        """The processes that have our mark in their environment."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if self._mark.encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
        return found

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, (self.directory / "log").open("ab") as log:
                command = [SSHD, "-i", "-e", "-f", str(self.directory / "sshd_config")]
                process = subprocess.Popen(
                    command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=log, start_new_session=True
                )
                self.processes.append(process)
