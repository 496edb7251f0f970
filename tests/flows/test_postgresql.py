"""The suites whose promises rest on the database, once more on PostgreSQL (tests/postgresql.py)."""

import re

import pytest

from tests.postgresql import DOORS, PostgresqlRun

FEWEST = 250  # so that a suite which was moved or renamed is missed


@pytest.mark.postgres
def test_what_rests_on_the_database_holds_on_postgresql_too(postgresql_result: tuple[int, str]) -> None:
    assert_passed(*postgresql_result, FEWEST)


@pytest.mark.soak
@pytest.mark.postgres
def test_every_door_holds_on_postgresql_too() -> None:
    run = PostgresqlRun(DOORS)
    try:
        assert_passed(*run.result(), 1000)
    finally:
        run.close()


def assert_passed(status: int, output: str, fewest: int) -> None:
    assert status == 0, output[-8000:]
    passed = re.search(r"(\d+) passed", output)
    assert int(passed[1] if passed else 0) >= fewest, output[-2000:]
