"""`manage.py user ROLE NAME`: add a person, or change the role of one who exists."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role, User
from accounts.services import people
from operations.audit import os_actor
from operations.refusals import Refused


class Command(BaseCommand):
    help = "Add a person with a role, or give an existing person that role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=Role.values)
        parser.add_argument("name")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *args: Any, role: str, name: str, password_stdin: bool, **options: Any) -> None:
        try:
            person = User.objects.filter(username__iexact=name).first()
            if person:
                people.change_role(os_actor(), person, role)
            else:
                self.add(role, name, password_stdin)
        except Refused as refusal:
            raise CommandError(refusal.message) from refusal
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from problem
        self.stdout.write(f"{name} is {role}.")

    def add(self, role: str, name: str, password_stdin: bool) -> None:
        person = User(username=name, role=role)
        person.full_clean(exclude=["password"])
        password = sys.stdin.readline().rstrip("\n") if password_stdin else self.ask()
        validate_password(password, person)
        people.add_person(os_actor(), name, role, password)

    def ask(self) -> str:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise CommandError("The two passwords differ; nobody was added.")
        return password
