"""What every answer carries, and that the API's pages bring their own files."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client


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
