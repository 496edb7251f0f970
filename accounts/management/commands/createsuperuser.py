"""`manage.py createsuperuser`: Django's command, on record."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from accounts.models import User
from operations import audit


class Command(createsuperuser.Command):
    """Makes an administrator, asked for or from DJANGO_SUPERUSER_*; an unused set-up link stops working."""

    def handle(self, *args: Any, **options: Any) -> None:
        before = set(User.objects.values_list("pk", flat=True))
        super().handle(*args, **options)
        with transaction.atomic():
            for person in User.objects.exclude(pk__in=before):
                detail = {"role": person.role}
                audit.record("person.add", actor=audit.os_actor(), target=f"person:{person.username}", detail=detail)
