"""`manage.py check_images`: remove what is left over, inspect the uploads that are whole, and end."""

import os
from typing import Any

from django.core.management.base import BaseCommand

from images.services import checking
from operations import events

NICENESS = 5  # whoever waits for a page or a power-off goes first; a busy machine still leaves it something


class Command(BaseCommand):
    help = "Inspect what was uploaded or is to be imported: expand it once, hash it, keep it or refuse it."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        os.nice(NICENESS)
        try:
            checking.run()
        except checking.Orphaned:
            self.stderr.write("The inspection ends with the worker that started it; the next one begins it anew.")
        finally:
            events.flush()
