"""`manage.py let_in NAME`: whoever has the controller lets somebody in who cannot sign in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.services import second_factor, throttling
from operations.audit import os_actor


class Command(BaseCommand):
    help = "Forget somebody's failed tries, so that they may try at once; and turn off codes that they cannot make."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--without-codes", action="store_true", help="turn their second step off as well")

    def handle(self, *args: Any, name: str, without_codes: bool, **options: Any) -> None:
        person = User.objects.filter(username__iexact=name).first()
        if person is None:
            raise CommandError(f"There is nobody called {name}.")
        throttling.forgive(os_actor(), person)
        if without_codes:
            second_factor.turn_off(os_actor(), person)
        self.stdout.write(f"{person.username} may try at once{', with the password alone' if without_codes else ''}.")
