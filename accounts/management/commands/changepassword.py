"""`manage.py changepassword NAME`: Django's command, on record."""

import getpass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from operations import audit


class Command(changepassword.Command):
    """Asks for the new password twice and checks it as the pages do; all sessions of the person end."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        said = super().handle(*args, **options)
        person = get_user_model().objects.get_by_natural_key(options["username"] or getpass.getuser())
        with transaction.atomic():
            audit.record("person.password", actor=audit.os_actor(), target=f"person:{person.get_username()}")
        return said
