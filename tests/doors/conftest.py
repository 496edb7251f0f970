"""The scene of the walk, once for all its doors: a migrated database, a savepoint for each call."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from slots.services import catalogue, parts
from tests.doors.scene import Scene, build
from tests.doors.table import DOORS
from tests.simulated import SimulatedBoard


@pytest.fixture(scope="module")
def scene(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    data: Path = tmp_path_factory.mktemp("doors")
    board = SimulatedBoard(data / "board")
    board.write_board_file(data / "boards")
    (data / "import").mkdir()
    (data / "import" / "x").write_bytes(b"an image")
    try:
        folders = {"DATA_DIR": data, "BOARDS_DIR": data / "boards", "IMPORT_DIR": data / "import"}
        with override_settings(**folders), django_db_blocker.unblock(), transaction.atomic():
            parts.forget()
            catalogue.seed_som_types()
            catalogue.sync_boards()
            scene = Scene(board.trace_file, data)
            rows = [row for door, row in DOORS.items() if " /api/" in door]
            wanted = {(row.owner, scope) for row in rows for scope in (*row.scopes, row.no_good) if scope}
            build(scene, sorted(wanted))
            yield scene
            transaction.set_rollback(True)
    finally:
        parts.forget()
        board.stop()
