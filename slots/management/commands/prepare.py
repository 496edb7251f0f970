"""`manage.py prepare`: everything between an installed portal and its first page, in one process."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from accounts.services.setup import make_setup_token
from hardware.errors import BoardFileError
from slots.services import catalogue


class Command(BaseCommand):
    help = "Migrate the database, take over the board files, make a set-up link; prints one line of JSON."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        try:
            boards = catalogue.sync_boards()
        except BoardFileError as error:
            raise CommandError(str(error)) from error
        said = {
            "setup_token": make_setup_token(Path(settings.DATA_DIR)),
            "boards": [{"slug": board.slug, "simulated": board.simulated} for board in boards],
        }
        self.stdout.write(json.dumps(said))
