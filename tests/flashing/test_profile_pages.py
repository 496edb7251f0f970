"""The pages of first-boot profiles: what they show to whom, and that no answer repeats a secret."""

import html
import re

import pytest
from django.http import HttpResponse
from django.test import Client

from flashing.models import Profile
from tests.images.rig import person

PAGE = "/flashing/profiles/"
NEW = f"{PAGE}new"
PANEL = {"HX-Request": "true", "HX-Target": "refused"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqGvJMyk3Xc1ycCeOcUvXyBmYHYYcO2nHyGXyYkAgpD anna@desk"
NETWORK = "network:\n  version: 2\n  wifis: {wlan0: {access-points: {lab: {password: correct horse}}}}\n"
TYPED = {
    "name": "Lab",
    "hostname_template": "{board}-{slot}",
    "user": "anna",
    "password": "Käse & Brot",
    "ssh_keys": KEY,
    "timezone": "Europe/Berlin",
    "network": NETWORK,
    "user_data": "",
}
SECRETS = ("Käse", "correct horse", "$6$", "t0ken")


@pytest.fixture
def olga(db) -> Client:
    return person("olga", "flasher")


@pytest.fixture
def vera(db) -> Client:
    return person("vera", "viewer")


@pytest.fixture
def profile(olga) -> Profile:
    assert olga.post(NEW, TYPED).status_code == 302
    return Profile.objects.get()


def text(answer: HttpResponse) -> str:
    """What a reader sees, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def leaks(answer: HttpResponse) -> list[str]:
    body = html.unescape(answer.content.decode())
    return [secret for secret in SECRETS if secret in body]


def test_an_empty_list_invites_whoever_may(olga, vera):
    assert "No profile yet With one, a flashed SOM comes up with its own host name" in text(olga.get(PAGE))
    assert "New profile" in text(olga.get(PAGE))
    assert "A flasher writes them." in text(vera.get(PAGE))
    assert "needs the role flasher" in text(vera.get(PAGE))
    assert Client().get(PAGE).status_code == 302, "nobody sees it without signing in"


def test_a_profile_is_written_and_listed(olga, profile, vera):
    page = text(vera.get(PAGE))
    assert "Lab {board}-{slot} anna password, 1 SSH key Europe/Berlin network settings" in page
    assert ", olga" in page


def test_no_page_shows_a_secret_to_anybody(olga, vera, profile):
    olga.post(f"{PAGE}{profile.pk}/", TYPED | {"password": "", "network": "", "name": "Lab 2"})
    kinds = ("", "?as=cloud-init", "?as=custom-toml", "?as=userconf", "?as=nonsense")
    for client in (olga, vera):
        for path in (PAGE, *(f"{PAGE}{profile.pk}/{kind}" for kind in kinds), f"{PAGE}{profile.pk}/delete"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert leaks(answer) == [], path


def test_the_page_of_a_profile_shows_what_it_writes(vera, profile):
    page = text(vera.get(f"{PAGE}{profile.pk}/"))
    assert "Slot 3 of a board called lab with the CM5 kestrel would get this; secrets are masked." in page
    assert "hostname: lab-3" in page
    assert "enable_ssh: true" in page
    assert "network-config" in page
    assert 'hostname = "lab-3"' in text(vera.get(f"{PAGE}{profile.pk}/?as=custom-toml"))
    assert "cannot be told a host name, SSH keys" in text(vera.get(f"{PAGE}{profile.pk}/?as=userconf"))


def test_what_is_typed_wrongly_is_refused_by_field_and_no_secret_comes_back(olga):
    typed = TYPED | {"timezone": "Mars", "user_data": "t0ken"}
    for headers in ({}, PANEL):
        answer = olga.post(NEW, typed, headers=headers)
        assert answer.status_code == 400
        assert "Time zone : “Mars” is no time zone" in text(answer)
        assert "Raw cloud-init user-data : Raw user-data is used as it is" in text(answer)
        assert leaks(answer) == []
    assert 'class="callout refusal"' in answer.content.decode(), "the form in the browser stays as it was typed"
    assert "<form" not in answer.content.decode()
    assert not Profile.objects.exists()


def test_a_kept_secret_is_kept_replaced_or_removed(olga, profile):
    url = f"{PAGE}{profile.pk}/"
    sealed = profile.password_sealed
    page = text(olga.get(url))
    assert "Kept sealed and never shown." in page
    assert "Remove the password" in page
    assert "Remove the user-data" not in page, "there is none"
    same = TYPED | {"password": "", "network": ""}
    assert olga.post(url, same, headers=PANEL)["HX-Redirect"] == url
    profile.refresh_from_db()
    assert profile.password_sealed == sealed
    olga.post(url, same | {"remove_password": "on", "remove_network": "on"})
    profile.refresh_from_db()
    assert (profile.password_sealed, profile.network_sealed) == ("", "")
    olga.post(url, TYPED)
    answer = olga.post(url, TYPED | {"remove_password": "on"})
    assert answer.status_code == 400
    assert "not both" in text(answer)


def test_a_viewer_s_form_is_locked_and_their_post_refused(vera, profile):
    url = f"{PAGE}{profile.pk}/"
    page = vera.get(url).content.decode()
    assert "Keep these changes" not in page
    assert page.count("disabled") >= 8
    assert vera.post(url, TYPED | {"user": "eve"}).status_code == 403
    assert vera.post(NEW, TYPED | {"name": "Mine"}).status_code == 403
    assert vera.post(f"{url}delete").status_code == 403
    assert [(one.name, one.user) for one in Profile.objects.all()] == [("Lab", "anna")]


def test_a_profile_is_deleted_after_a_question(olga, profile):
    url = f"{PAGE}{profile.pk}/delete"
    assert "Delete Lab? Removes the profile and its sealed secrets." in text(olga.get(url))
    assert Profile.objects.exists()
    assert olga.post(url, headers={"HX-Request": "true", "HX-Target": "dialog-host"})["HX-Redirect"] == PAGE
    assert not Profile.objects.exists()
    assert olga.get(f"{PAGE}{profile.pk}/").status_code == 404


def test_the_list_takes_as_many_queries_for_many_profiles(olga, profile, django_assert_max_num_queries):
    for number in range(5):
        Profile.objects.create(name=f"P{number}", created_at=profile.created_at, changed_at=profile.changed_at)
    olga.get(PAGE)
    with django_assert_max_num_queries(20):
        olga.get(PAGE)
