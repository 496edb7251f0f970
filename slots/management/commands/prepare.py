"""`manage.py prepare`: everything between an installed portal and its first page, in one process."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from accounts.services.setup import make_setup_token
from hardware.errors import BoardFileError
from operations import audit
from slots.models import Board
from slots.services import catalogue


def _state() -> dict[str, Any]:
    """What a start may change: the database's form, and the rows of boards as their files have them."""
    applied = MigrationRecorder(connection).applied_migrations()
    if ("slots", "0001_initial") not in applied:
        return {"migrations": len(applied)}
    fields = ("slug", "simulated", "present", "supply_watts")
    rows = Board.objects.order_by("slug").values_list(*fields)
    boards = {slug: f"{watts:g} W" + ", simulated" * simulated for slug, simulated, present, watts in rows if present}
    return {"migrations": len(applied), "boards": ", ".join(f"{slug} ({words})" for slug, words in boards.items())}


def _record(before: dict[str, Any], after: dict[str, Any]) -> None:
    """An entry for whoever started a portal that is not as it was."""
    if before != after:
        with transaction.atomic():
            audit.record("portal.prepare", actor=audit.os_actor(), target="portal", before=before, after=after)


class Command(BaseCommand):
    help = "Migrate the database, take over the board files, make a set-up link; prints one line of JSON."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        before = _state()
        call_command("migrate", interactive=False, verbosity=0)
        try:
            boards = catalogue.sync_boards()
        except BoardFileError as error:
            raise CommandError(str(error)) from error
        _record(before, _state())
        said = {
            "setup_token": make_setup_token(Path(settings.DATA_DIR)),
            "boards": [{"slug": board.slug, "simulated": board.simulated} for board in boards],
        }
        self.stdout.write(json.dumps(said))
