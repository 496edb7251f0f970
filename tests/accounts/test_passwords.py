"""What a password must be: long, not what everybody tries, and one's own."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command

from accounts.models import User
from operations.models import AuditEntry
from tests.prepared import PASSWORD as SUITE

GOOD = [
    "correct horse battery",
    SUITE,
    "drei graue Gänse im Nebel",
    "рыба молчит в четверг",
    "x9!Kq2#vLm0p",
    "a" * 8 + "bcde",
]


@pytest.mark.parametrize("password", GOOD)
def test_length_is_enough(password):
    validate_password(password, User(username="olga"))


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("elevenchars", "short"),
        ("x" * 257, "longer than 256"),
        ("aaaaaaaaaaaaaa", "repeats"),
        ("121212121212", "repeats"),
        ("839201748362", "numeric"),
        ("nanoportal2026", "common word"),
        ("NanoCluster-2026!", "common word"),
        ("!!!Password!!!", "common word"),
        ("p4$$w0rd20262026", "common word"),
        ("sunshine123456", "common"),
        ("olga-olga-olga", "similar"),
        ("1q2w3e4r5t6y", "common"),
    ],
)
def test_what_would_be_tried_first_is_refused_in_words(password, word):
    with pytest.raises(ValidationError) as refusal:
        validate_password(password, User(username="olga-olga"))
    assert word in " ".join(refusal.value.messages)


def test_a_password_without_end_is_not_hashed(client, olga):
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed, real = [], MD5PasswordHasher.encode
    MD5PasswordHasher.encode = lambda self, password, salt: hashed.append(1) or real(self, password, salt)
    try:
        answer = client.post("/login/", {"username": "olga", "password": "x" * 1_000_000})
    finally:
        MD5PasswordHasher.encode = real
    assert "This is no password here." in answer.content.decode()
    assert hashed == []


def test_a_password_given_on_the_controller_is_on_record(olga, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda **asked: "drei graue Gänse im Nebel")
    call_command("changepassword", "olga")
    olga.refresh_from_db()
    assert olga.check_password("drei graue Gänse im Nebel")
    entry = AuditEntry.objects.get(action="person.password")
    assert (entry.target, entry.source) == ("person:olga", "cli")


def test_an_administrator_made_on_the_controller_is_on_record(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "drei graue Gänse im Nebel")
    call_command("createsuperuser", interactive=False, username="root", email="root@example.org", verbosity=0)
    entry = AuditEntry.objects.get(action="person.add")
    assert (entry.target, entry.source) == ("person:root", "cli")
