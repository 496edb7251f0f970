"""The suites whose promises rest on the database, once more on PostgreSQL (tests/postgresql.py)."""

import re

import pytest

FEWEST = 250  # so that a suite which was moved or renamed is missed


@pytest.mark.postgres
def test_what_rests_on_the_database_holds_on_postgresql_too(postgresql_result: tuple[int, str]) -> None:
    status, output = postgresql_result
    assert status == 0, output[-8000:]
    passed = re.search(r"(\d+) passed", output)
    assert int(passed[1] if passed else 0) >= FEWEST, output[-2000:]
