"""The set-up link, from the start that prints it to the moment it is worth nothing."""

import json

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Role, User
from accounts.services import setup
from operations.models import AuditEntry
from operations.refusals import Conflict, Expired, NotFound
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db

GOOD = {"name": "alice", "password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def token(data_dir) -> str:
    return setup.make_setup_token(data_dir)


def link(token: str) -> str:
    return f"/setup/{token}/"


def test_a_fresh_database_has_no_person_and_so_no_default_password():
    assert not User.objects.exists()


def test_the_data_directory_keeps_a_digest_that_only_its_owner_may_read(token, data_dir):
    kept = data_dir / "setup.token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert token not in kept.read_text()
    assert len(token) >= 43


def test_each_start_ends_the_link_of_the_one_before(token, data_dir):
    newer = setup.make_setup_token(data_dir)
    with pytest.raises(NotFound, match="printed last"):
        setup.check_setup_token(data_dir, token)
    assert setup.check_setup_token(data_dir, newer)


def test_the_link_works_for_sixty_minutes_and_not_a_second_longer(data_dir):
    token = setup.make_setup_token(data_dir, monotonic=lambda: 1000.0)
    assert setup.check_setup_token(data_dir, token, monotonic=lambda: 1000.0 + 3599)
    with pytest.raises(Expired, match="start the portal again"):
        setup.check_setup_token(data_dir, token, monotonic=lambda: 1000.0 + 3600)


def test_the_link_does_not_outlive_a_reboot(token, data_dir, monkeypatch):
    monkeypatch.setattr(setup, "boot_id", lambda: "another boot")
    with pytest.raises(Expired):
        setup.check_setup_token(data_dir, token)


@pytest.mark.parametrize("cut", [0, 10, 42])
def test_an_incomplete_link_says_that_it_is_incomplete(token, data_dir, cut):
    with pytest.raises(NotFound, match="incomplete"):
        setup.check_setup_token(data_dir, token[:cut])


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"sha256": 1}'])
def test_a_damaged_token_file_opens_nothing(token, data_dir, content):
    (data_dir / "setup.token").write_text(content)
    with pytest.raises(NotFound):
        setup.check_setup_token(data_dir, token)


def test_the_page_makes_an_administrator_signs_them_in_and_is_on_record(client, token, data_dir):
    assert client.get(link(token)).status_code == 200
    answer = client.post(link(token), GOOD, REMOTE_ADDR="10.0.0.7")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    alice = User.objects.get()
    assert (alice.username, alice.role, alice.is_superuser) == ("alice", Role.ADMINISTRATOR, True)
    assert client.session["_auth_user_id"] == str(alice.pk)
    entry = AuditEntry.objects.get(action="setup")
    assert (entry.actor, entry.source, entry.address, entry.outcome) == ("alice", "setup", "10.0.0.7", "done")
    assert json.loads(entry.text)["credential"] == "setup-link"
    assert not (data_dir / "setup.token").exists()


def test_a_used_link_makes_nobody_and_says_so(client, token):
    client.post(link(token), GOOD)
    answer = Client().post(link(token), {**GOOD, "name": "mallory"})
    assert answer.status_code == 409
    assert "set-up is over" in answer.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize(("bad", "status", "sentence"), [("short", 404, "incomplete"), ("x" * 43, 404, "printed last")])
def test_a_wrong_link_gets_one_sentence_and_is_on_record(client, token, bad, status, sentence):
    answer = client.get(link(bad))
    assert answer.status_code == status
    assert sentence in answer.content.decode()
    assert AuditEntry.objects.get(outcome="refused").outcome == "refused"


def test_an_expired_link_gets_one_sentence(client, token, data_dir):
    kept = data_dir / "setup.token"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "expires_at": 0}))
    answer = client.post(link(token), GOOD)
    assert answer.status_code == 409
    assert "expired" in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"password": "password123", "again": "password123"}, "too common"),
        ({"again": "something else"}, "differs"),
        ({"name": "portal"}, "the portal’s own"),
        ({"name": "a b"}, "valid"),
        ({"name": ""}, "required"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field_and_the_link_stays_good(client, token, change, sentence):
    answer = client.post(link(token), {**GOOD, **change})
    assert sentence in answer.content.decode().replace("&#x27;", "’")
    assert not User.objects.exists()
    assert client.post(link(token), GOOD).status_code == 302


def test_a_form_from_elsewhere_makes_nobody(token):
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.post(link(token), GOOD).status_code == 403
    assert not User.objects.exists()


def test_an_unattended_set_up_ends_the_link(client, token, data_dir, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="root", email="root@example.org", verbosity=0)
    assert User.objects.get().role == Role.ADMINISTRATOR
    assert client.get(link(token)).status_code == 409
    with pytest.raises(Conflict):
        setup.redeem(data_dir, token, "mallory", PASSWORD)
    assert setup.make_setup_token(data_dir) is None
    assert not (data_dir / "setup.token").exists()


def test_the_command_prints_the_path_until_there_is_an_administrator(client, capsys):
    call_command("setup_link")
    path = capsys.readouterr().out.strip()
    assert client.post(path, GOOD).status_code == 302
    call_command("setup_link")
    assert capsys.readouterr().out == ""


def test_an_administrator_who_is_switched_off_does_not_block_set_up(alice, data_dir):
    User.objects.update(is_active=False)
    assert setup.make_setup_token(data_dir)
