"""A PostgreSQL cluster of the suite's own, and the suites that run on it beside all other tests.

It lies in a temporary directory and is reached by unix socket only; nothing of the machine's own server.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SUITES = [
    "tests/operations",
    "tests/accounts/test_at_once.py",
    "tests/accounts/test_passkeys.py",
    "tests/images/test_at_once.py",
    "tests/images/test_tus.py",
    "tests/slots/test_at_once.py",
    "tests/slots/test_power.py",
    "tests/slots/test_several.py",
    "tests/slots/test_records.py",
    "tests/slots/test_fenced.py",
    "tests/slots/test_inventory.py",
    "tests/flashing/test_requests.py",
    "tests/reservations/test_at_once.py",
    "tests/reservations/test_turns.py",
]
# Of these only the broker, the locks or the table of roles are tested.
LEFT_OUT = ["dispatch", "events", "roles", "scribe", "worker"]
# Every door, in the long version.
DOORS = ["tests/accounts", "tests/api", "tests/doors", "tests/reservations"]


class PostgresqlRun:
    """The suites on a server that has just been initialised. Its directory is short: a socket's path is limited."""

    def __init__(self, suites: Sequence[str] = SUITES) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="np-pg-", dir="/tmp"))
        self._data = self._home / "data"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        self._suites: subprocess.Popen[bytes] | None = None
        try:
            self._start_server()
            self._suites = self._start_suites(suites)
        except BaseException:
            self.close()
            raise

    def _start_server(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._home, "postgres", "postgres")
        # It loses nothing that anybody needs when the machine stops.
        fast = f"-k {self._home} -h '' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        run_as_server(program("initdb"), "--no-sync", "--auth=trust", "--username=postgres", "-D", self._data)
        run_as_server(
            program("pg_ctl"), "start", "--wait", "-s", "-D", self._data, "-l", self._home / "log", "-o", fast
        )

    def _start_suites(self, suites: Sequence[str]) -> subprocess.Popen[bytes]:
        ours = ("NANOPORTAL_", "PYTEST", "DJANGO_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment["DATABASE_URL"] = f"postgres:///nanoportal?host={self._home}&user=postgres"
        left_out = [f"--ignore=tests/operations/test_{name}.py" for name in LEFT_OUT]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not soak", *left_out, *suites],
            env=environment,
            cwd=PROJECT,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def result(self) -> tuple[int, str]:
        """Exit status and output of the suites, once they have ended. Blocks for as long."""
        assert self._suites is not None
        status = self._suites.wait()
        self._output.seek(0)
        return status, self._output.read().decode(errors="replace")

    def close(self) -> None:
        """End whatever still runs and forget the cluster."""
        if self._suites is not None:
            self._suites.terminate()
            self._suites.wait()
        self._output.close()
        if (self._data / "postmaster.pid").exists():
            run_as_server(program("pg_ctl"), "stop", "-s", "-m", "immediate", "-D", self._data)
        shutil.rmtree(self._home)


def program(name: str) -> Path:
    """The newest server's program of that name (Debian keeps them off the PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    assert found, f"{name} is missing; on Debian: apt-get install postgresql"
    return found[-1]


def run_as_server(*command: str | Path) -> None:
    """PostgreSQL refuses to run as root."""
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*become, *command], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
