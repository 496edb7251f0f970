"""What every answer carries, and that the API's pages bring their own files."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from nanoportal.logs import Briefly


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost"})


@pytest.mark.django_db
def test_no_page_lets_inline_scripts_or_foreign_files_in(client: Client):
    for path in ("/login/", "/healthz", "/api/v1/docs", "/nowhere/"):
        policy = client.get(path)["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "script-src 'self';" in policy, path
        assert "http" not in policy, path


@pytest.mark.django_db
def test_only_the_api_pages_may_write_styles_into_their_markup(client: Client):
    assert "unsafe-inline" in client.get("/api/v1/docs")["Content-Security-Policy"]
    assert "unsafe-inline" not in client.get("/login/")["Content-Security-Policy"]


@pytest.mark.django_db
def test_the_api_pages_use_files_of_this_machine_only(client: Client):
    page = client.get("/api/v1/docs").content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 3
    for source in sources:
        assert source.startswith("/static/"), source
        assert finders.find(source.removeprefix("/static/")), source


@pytest.mark.django_db
def test_a_page_is_kept_by_no_browser_and_a_file_is_read_by_no_other_site(client: Client):
    for path in ("/login/", "/", "/api/v1/me", "/nowhere/"):
        assert "no-store" in client.get(path)["Cache-Control"], path
    found = client.get("/static/portal.css")
    assert found.status_code == 200
    assert "max-age" in found["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in found


@pytest.mark.django_db
def test_a_foreign_host_is_told_to_the_log_in_one_line(client: Client, caplog):
    (told,) = settings.LOGGING["handlers"]["stderr"]["filters"]
    assert settings.LOGGING["filters"][told] == {"()": "nanoportal.logs.Briefly"}
    caplog.handler.addFilter(Briefly())
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    (line,) = caplog.text.splitlines()
    assert "evil.example" in line
