"""What people do at a board that they share: invitations and tokens, and their programs and command lines."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import httpx
from playwright.sync_api import Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


def invited(page: Page, name: str, role: str, where: str, until: str = "") -> str:
    """Invite somebody; the link that they are given."""
    page.get_by_role("link", name="Invite").click()
    form = page.get_by_role("region", name="By a link")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Role").select_option(role)
    form.get_by_label("On").select_option(where)
    form.get_by_label("Until").fill(until)
    form.get_by_role("button", name="Invite").click()
    return page.get_by_label("Shown only now").input_value()


def token_of(page: Page, url: str, *scopes: str) -> str:
    """Make a token for those scopes; its text, shown once."""
    page.goto(f"{url}/account/tokens/")
    page.get_by_label("Name").fill("laptop")
    for scope in scopes:
        page.locator(f"input[name=scopes][value={scope}]").check()
    page.get_by_role("button", name="Make token").click()
    return page.get_by_label("Shown only now").input_value()


class Script:
    """What somebody's programs do with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._headers = {"Authorization": f"Bearer {token}"}

    def _post(self, path: str, body: object) -> int:
        return httpx.post(f"{self._url}/api/v1/{path}", json=body, headers=self._headers, timeout=20).status_code

    def power(self, slot: int, reset_type: str) -> int:
        return self._post(f"boards/demo/slots/{slot}/reset", {"reset_type": reset_type})

    def flash(self, slot: int) -> int:
        target = {"slot": slot, "method": "rpiboot", "medium": "eMMC", "typed": f"slot {slot}"}
        return self._post("boards/demo/flash-runs", {"image_id": str(UUID(int=1)), "targets": [target]})

    def console(self, slot: int) -> ClientConnection:
        address = self._url.replace("http", "ws", 1)
        return connect(f"{address}/ws/consoles/demo/{slot}/", additional_headers=self._headers)

    def end_of_console(self, slot: int) -> int | None:
        """The code with which the socket closes, which showed nothing before but why."""
        with self.console(slot) as console:
            said, code = until_closed(console)
        assert {json.loads(message)["type"] for message in said} == {"refused"}
        return code

    def client(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line."""
        environment = {**os.environ, "NANOPORTAL_URL": self._url, "NANOPORTAL_TOKEN": self._token}
        command = [str(Path(sys.executable).with_name("nanoportal")), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)


def until_closed(console: ClientConnection) -> tuple[list[str | bytes], int | None]:
    """What came until the socket closed, and the code with which it did."""
    said = []
    with suppress(ConnectionClosed):
        while True:
            said.append(console.recv(timeout=10))
    return said, console.close_code
