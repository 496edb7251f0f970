"""`manage.py setup_link`: make a new set-up link and print its path, or nothing once an administrator exists."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse

from accounts.services.setup import make_setup_token


class Command(BaseCommand):
    help = "Print the path of a new one-time set-up link (valid for 60 minutes), if there is no administrator yet."

    def handle(self, *args: Any, **options: Any) -> None:
        token = make_setup_token(Path(settings.DATA_DIR))
        if token:
            self.stdout.write(reverse("accounts:setup", args=[token]))
