"""The suites whose promises rest on the database, once more on PostgreSQL.

A cluster of its own in a temporary directory, reached by unix socket only; nothing of the machine's own server.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SUITES = [
    "tests/operations",
    "tests/slots/test_at_once.py",
    "tests/slots/test_power.py",
    "tests/slots/test_several.py",
    "tests/slots/test_records.py",
    "tests/slots/test_fenced.py",
    "tests/slots/test_inventory.py",
]
# Of these only the broker, the locks or the table of roles are tested.
LEFT_OUT = ["dispatch", "events", "roles", "scribe", "worker"]
FEWEST = 250  # so that a suite which was moved or renamed is missed


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


@pytest.fixture
def cluster() -> Iterator[str]:
    """The URL of a server that has just been initialised. Its directory is short: a socket's path is limited."""
    home = Path(tempfile.mkdtemp(prefix="np-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data, log = home / "data", home / "log"
    # It loses nothing that anybody needs when the machine stops.
    fast = f"-k {home} -h '' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    try:
        run_as_server(program("initdb"), "--no-sync", "--auth=trust", "--username=postgres", "-D", data)
        run_as_server(program("pg_ctl"), "start", "--wait", "-s", "-D", data, "-l", log, "-o", fast)
        yield f"postgres:///nanoportal?host={home}&user=postgres"
    finally:
        run_as_server(program("pg_ctl"), "stop", "-s", "-m", "immediate", "-D", data)
        shutil.rmtree(home)


@pytest.mark.postgres
def test_what_rests_on_the_database_holds_on_postgresql_too(cluster: str) -> None:
    ours = ("NANOPORTAL_", "PYTEST", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    left_out = [f"--ignore=tests/operations/test_{name}.py" for name in LEFT_OUT]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not soak", *left_out, *SUITES],
        env={**environment, "DATABASE_URL": cluster},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert int(passed[1] if passed else 0) >= FEWEST, done.stdout[-2000:]
