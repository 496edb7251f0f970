"""People for the tests of this app. Passwords are hashed fast, and DATA is a directory of the test's own."""

from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Role, User

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def fast_hashing(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def make_person(name: str, role: str = Role.VIEWER) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=role)


@pytest.fixture
def alice(db) -> User:
    return make_person("alice", Role.ADMINISTRATOR)


@pytest.fixture
def olga(db) -> User:
    return make_person("olga", Role.OPERATOR)


@pytest.fixture
def vera(db) -> User:
    return make_person("vera", Role.VIEWER)


@pytest.fixture
def signed_in(client):
    """A client on which somebody has signed in by force."""

    def sign(person: User) -> Client:
        browser = Client()
        browser.force_login(person)
        return browser

    return sign
