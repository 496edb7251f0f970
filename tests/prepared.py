"""Data directories as a portal finds them that was set up before: made once in a run of the suite, then copied.

To migrate a database and to add people takes seconds of processor time; tests of first starts do both, others need not.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tests.simulated import PROJECT

PASSWORD = "seven-slots-and-a-switch"
People = tuple[tuple[str, str], ...]  # names and roles
ALICE: People = (("alice", "administrator"),)
PEOPLE: People = (*ALICE, ("bob", "operator"), ("olga", "flasher"), ("nora", "network-engineer"), ("vera", "viewer"))


def add_people_code(people: People) -> str:
    """What `manage.py shell` has to do to add them, with the suite's password."""
    return (
        "from accounts.models import User;"
        f"[User.objects.create_user(username=name, password={PASSWORD!r}, role=role) for name, role in {people!r}];"
        # whoever looked whether they exist, by signing in, has failed; ten such would keep this address waiting
        "from accounts.models import SignInTries;"
        "SignInTries.objects.all().delete()"
    )


def copy_prepared(people: People, target: Path) -> None:
    """Make `target` the data directory of a portal with a migrated database and these people."""
    source = _folder() / sha256(repr(people).encode()).hexdigest()[:16]
    with open(f"{source}.lock", "w") as guard:  # the processes of one run share what one of them makes
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not source.exists():
            making = source.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            _make(people, making)
            making.rename(source)
    shutil.copytree(source, target, dirs_exist_ok=True)


def _make(people: People, folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NANOPORTAL_")}
    environment["NANOPORTAL_DATA"] = str(folder)
    migrate = "from django.core.management import call_command; call_command('migrate', verbosity=0);"
    command = [sys.executable, "manage.py", "shell", "-c", migrate + add_people_code(people)]
    made = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def _folder() -> Path:
    """Of this run, whose processes share it; it goes with the suite's data directory."""
    folder = Path(os.environ.get("TESTS_TAKE_TURNS_IN") or os.environ["NANOPORTAL_DATA"]) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder
