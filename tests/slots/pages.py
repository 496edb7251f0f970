"""What tests of pages share: who asks, what a reader sees of the answer."""

import re
from typing import Any

from django.test import Client

from accounts.models import User
from tests.slots.rig import SLUG

CM4, CM5, M4N, LM3H, EMPTY = 2, 3, 5, 6, 7  # the demo board's slots by what sits in them
BOARD = f"/boards/{SLUG}/"
PANEL = {"HX-Request": "true"}


def person(role: str) -> Client:
    """A browser in which somebody of that role has signed in."""
    names = {"viewer": "vera", "operator": "olga", "administrator": "alice"}
    user, _ = User.objects.get_or_create(username=names[role], defaults={"role": role})
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace("&rsquo;", "’").replace("&#x27;", "'")


def slot_text(client: Client, number: int) -> str:
    return text_of(page(client, f"{BOARD}slots/{number}/"))


def button(html: str, name: str) -> str:
    """The tag of the button with that id."""
    found = re.search(rf'<button[^>]*id="{name}"[^>]*>', html)
    assert found, f"no button {name}"
    return found.group()


def htmx(client: Client, path: str, into: str, **fields: str) -> Any:
    """The answer to a form that a page sends for the element `into`."""
    return client.post(path, fields, headers={**PANEL, "HX-Target": into})
