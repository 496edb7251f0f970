"""Fixtures of the whole suite: a data directory of its own, a real broker, people, and a simulated board.

Nothing here uses a fixed port or a shared path; every process that is started is ended by its pid.
"""

import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import hypothesis
import pytest
from django.conf import settings

from tests.postgresql import PostgresqlRun
from tests.prepared import PASSWORD
from tests.turns import Turns

# Before Django reads its settings: the suite's own data directory, and time that runs fast enough to wait for.
if settings.configured:
    pytest.exit("Unset DJANGO_SETTINGS_MODULE: the settings were read before the suite's environment.", returncode=2)
os.environ["DJANGO_SETTINGS_MODULE"] = "nanoportal.settings"
DATA = Path(tempfile.mkdtemp(prefix="np-test-"))
os.environ["NANOPORTAL_DATA"] = str(DATA)
os.environ.setdefault("NANOPORTAL_TIME_SCALE", "20")
for name in ("NANOPORTAL_BOARDS", "NANOPORTAL_JOURNAL_URL", "NANOPORTAL_SIM_TRACE", "REDIS_URL"):
    os.environ.pop(name, None)

# How long an example takes to make says something of the machine, and nothing of what is tested.
hypothesis.settings.register_profile("suite", suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

django.setup()  # now, since the conftest.py of an app may import its models


def pytest_configure(config: pytest.Config) -> None:
    # Processes that are started from here name it themselves; those of pytest-xdist would read the settings too early.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    (DATA / "boards").mkdir(exist_ok=True)
    if config.getoption("numprocesses", None):
        os.environ["TESTS_TAKE_TURNS_IN"] = str(DATA)  # inherited by the processes that run the tests
    config.stash[TURNS] = Turns(os.environ.get("TESTS_TAKE_TURNS_IN"))


# With several processes each takes the next file when it has done one: the long ones come first, and the suites on
# PostgreSQL, for which one of them only waits, before all.
LONG = ("tests/flows/test_postgresql", "tests/browser", "tests/flows", "tests/nanoportal")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((at for at, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG))

    items.sort(key=place)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What runs again on PostgreSQL begins at once, beside everything else, if its test is among the selected."""
    config = session.config
    if _is_one_of_several() or config.option.collectonly:
        return
    if any("postgresql_result" in getattr(item, "fixturenames", ()) for item in session.items):
        config.stash[POSTGRESQL] = PostgresqlRun()


def _is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    if item.get_closest_marker("postgres"):  # it waits for processes of its own, and would keep all others waiting
        return (yield)
    with item.config.stash[TURNS].take(alone=item.get_closest_marker("quiet") is not None):
        return (yield)


TURNS = pytest.StashKey[Turns]()


POSTGRESQL = pytest.StashKey[PostgresqlRun]()


@pytest.fixture
def postgresql_result(pytestconfig: pytest.Config) -> tuple[int, str]:
    """Exit status and output of the suites that run on PostgreSQL."""
    if POSTGRESQL not in pytestconfig.stash:
        pytestconfig.stash[POSTGRESQL] = PostgresqlRun()
    return pytestconfig.stash[POSTGRESQL].result()


def pytest_unconfigure(config: pytest.Config) -> None:
    import shutil

    if POSTGRESQL in config.stash:
        config.stash[POSTGRESQL].close()
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A real SQLite file: the in-memory one shares its cache between threads and knows no busy waiting."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(DATA / "test.sqlite3")
        # No test cuts the power, so no commit has to wait for the disk.
        database["OPTIONS"]["init_command"] = database["OPTIONS"]["init_command"].replace("=FULL", "=OFF")


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_audit_triggers() -> Iterator[None]:
    """Transactional tests end with a flush, which the audit log's triggers rightly refuse: lift them for just that."""
    from importlib import import_module

    from django.apps import apps
    from django.contrib.contenttypes.management import create_contenttypes
    from django.db import connection
    from django.db.models.signals import post_migrate
    from django.test import TransactionTestCase

    guards = import_module("operations.migrations.0002_audit_triggers")
    # Made after a migration, and again after each flush; nobody here uses them.
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    flush = TransactionTestCase._fixture_teardown

    def lifted(self: TransactionTestCase) -> None:
        with connection.schema_editor() as editor:
            guards.unguard(apps, editor)
        try:
            flush(self)
        finally:
            with connection.schema_editor() as editor:
                guards.guard(apps, editor)
            guards.make_head(apps, None)
            (DATA / "audit.head").unlink(missing_ok=True)

    TransactionTestCase._fixture_teardown = lifted
    yield
    TransactionTestCase._fixture_teardown = flush


@pytest.fixture(autouse=True)
def forget_the_verdict_on_the_audit_log() -> Iterator[None]:
    """It is in a file, which no rollback takes back."""
    yield
    (DATA / "audit.verdict").unlink(missing_ok=True)


@pytest.fixture(scope="session", autouse=True)
def look_for_static_files_once() -> Iterator[None]:
    """Every test client builds the middleware anew, and WhiteNoise looks through all static files each time: a third of
    what a client's first request takes."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    look, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def look_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            look(self)
            found.update(self.files)
        self.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = look_once
    yield
    WhiteNoiseMiddleware.add_files_from_finders = look


@pytest.fixture(scope="session", autouse=True)
def broker() -> Iterator[None]:
    """A real broker in the suite's data directory, as `make run` would start it."""
    import time

    from nanoportal import broker as embedded

    path = embedded.prepare_socket(DATA)
    process = subprocess.Popen(embedded.command(DATA, path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not embedded.answers(path):
        assert time.monotonic() < deadline, "the embedded broker did not start"
        time.sleep(0.02)
    yield
    process.terminate()
    process.wait(10)


@pytest.fixture
def make_person(db: None) -> Callable[[str, str], object]:
    """A person of that name and role; their password is `PASSWORD`."""
    from accounts.models import User

    def make(name: str, role: str) -> User:
        return User.objects.create(username=name, password=_hashed(PASSWORD, settings.PASSWORD_HASHERS[0]), role=role)

    return make


@functools.cache
def _hashed(password: str, hasher: str) -> str:
    """By the first hasher of the settings, which is slow on purpose: once in a process is enough."""
    from django.contrib.auth.hashers import make_password

    return make_password(password)


def _actor(name: str, role: str):  # type: ignore[no-untyped-def]
    from operations.roles import Actor

    return Actor(name=name, role=role, user_id=None, source="web", credential="session", address="127.0.0.1")


@pytest.fixture
def viewer():  # type: ignore[no-untyped-def]
    return _actor("vera", "viewer")


@pytest.fixture
def operator():  # type: ignore[no-untyped-def]
    return _actor("olga", "operator")


@pytest.fixture
def flasher():  # type: ignore[no-untyped-def]
    return _actor("olga", "flasher")


@pytest.fixture
def engineer():  # type: ignore[no-untyped-def]
    return _actor("nina", "network-engineer")


@pytest.fixture
def administrator():  # type: ignore[no-untyped-def]
    return _actor("alice", "administrator")


@pytest.fixture
def stranger():  # type: ignore[no-untyped-def]
    return _actor("", "")
