"""The guide's worked examples: what they send is sent here, and the portal does it."""

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.http import HttpResponse
from django.test import Client

from tests.api.asked import flash_has_failed
from tests.api.world import World, undone

pytestmark = pytest.mark.django_db
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "automation.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def send(portal: World, method: str, address: str, headers: dict[str, str], body: str | None) -> HttpResponse:
    client = Client(headers={**portal.callers["token of alice"]["headers"], **headers})
    return client.generic(method, address, body or "", content_type="application/json")


def curls() -> list[str]:
    """Each command, its continued lines joined."""
    shell = "\n".join(text for kind, text in BLOCKS if kind == "sh").replace("\\\n", " ")
    return re.findall(r"(?<![\w'-])curl -.*?(?=\s\||\n|$)", shell)


def parts(command: str) -> tuple[str, str, dict[str, str], str | None]:
    """Method, address, headers and body of a command, as curl takes them."""
    words = shlex.split(command)
    said = list(itertools.pairwise(words))
    body = next((value for word, value in said if word == "-d"), None)
    method = next((value for word, value in said if word == "-X"), "GET" if body is None else "POST")
    headers = dict(value.split(": ", 1) for word, value in said if word == "-H" and ": " in value)
    address = next(word for word in words if word.startswith("$url"))
    return method, address.replace("$url", "/api/v1"), headers, body


def test_each_curl_command_of_the_guide_is_answered(portal: World) -> None:
    assert len(curls()) == 5
    with undone():
        flash_has_failed(portal)  # of slot 2, which is flashed in this scene
        made: dict[str, Any] = {}
        for command in curls():
            method, address, headers, body = parts(command)
            if headers.get("If-Match"):
                headers["If-Match"] = made["ETag"]
            answer = send(portal, method, address.replace("ID", made.get("id", "")), headers, body)
            assert answer.status_code in (200, 202), f"{command}: {answer.content.decode()}"
            made = answer.json() | {"ETag": answer.get("ETag", "")}


def test_the_play_of_the_guide_asks_what_the_portal_does(portal: World) -> None:
    (play,) = yaml.safe_load(next(text for kind, text in BLOCKS if kind == "yaml"))
    first, second = (task["ansible.builtin.uri"] for task in play["tasks"])
    with undone():
        flash_has_failed(portal)
        address = first["url"].replace("{{ portal }}", "/api/v1")
        asked = send(portal, first["method"], address, {"Idempotency-Key": "play-2"}, json.dumps(first["body"]))
        assert asked.status_code in first["status_code"], asked.content.decode()
        address = second["url"].replace("{{ portal }}", "/api/v1").replace("{{ asked.json.id }}", asked.json()["id"])
        assert send(portal, "GET", address, {}, None).json()["state"] in play["tasks"][1]["until"]
