"""The part of the method page that asks a running Linux for its disks; with a real SSH server."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from flashing.services import network
from slots.models import Slot
from tests.flashing import rig
from tests.images.rig import person
from tests.sshd import SshServer

pytestmark = pytest.mark.root
PANEL = {"HX-Request": "true", "HX-Target": "network-2"}
URL = "/boards/demo/flashing/new/network/2"


@pytest.fixture
def som(tmp_path: Path) -> Iterator[SshServer]:
    (tmp_path / "som").mkdir()
    server = SshServer(tmp_path / "som")
    yield server
    server.close()


@pytest.fixture
def olga(board) -> Client:
    return person("olga", "flasher")


def panel(client: Client, host: object) -> str:
    answer = client.get(URL, {"host-2": str(host)}, headers=PANEL)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def accept(client: Client, host: object, fingerprint: str) -> str:
    answer = client.post(f"{URL}/trust", {"host-2": str(host), "fingerprint": fingerprint}, headers=PANEL)
    return html.unescape(answer.content.decode())


def shown_fingerprint(page: str) -> str:
    return re.search(r"SHA256:[\w+/]{43}", page)[0]  # type: ignore[index]


def test_a_machine_is_accepted_by_its_fingerprint_let_in_by_its_owner_and_then_shows_its_disks(olga, som):
    met = panel(olga, som.address)
    assert "has not been met before" in met
    assert "ssh-keygen -lf" in met, "where to compare it"

    refused = accept(olga, som.address, shown_fingerprint(met))
    assert "does not accept the portal's key" in refused
    assert network.public_key() in refused, "what has to be added there"

    som.welcome(network.keys())
    disks = panel(olga, som.address)
    assert re.search(r'name="to-2" value="network/\w+"', disks)
    for used in re.findall(r'<input[^>]+value="network/[^>]+>(?=(?:(?!</li>).)*The disk )', disks):
        assert " disabled" in used, "what is in use cannot be chosen"


def test_a_machine_of_another_slot_is_not_offered_as_this_ones(olga, som):
    key = shown_fingerprint(panel(olga, som.address))
    form = {"host-3": str(som.address), "fingerprint": key}
    assert olga.post("/boards/demo/flashing/new/network/3/trust", form, headers=PANEL).status_code == 200
    page = panel(olga, som.address)
    assert "was accepted as the machine in slot 3 of demo" in page
    assert 'value="network/' not in page


def test_a_key_that_has_changed_is_said_in_so_many_words_and_another_one_is_not_accepted(olga, som):
    first = shown_fingerprint(panel(olga, som.address))
    accept(olga, som.address, first)
    som.make_host_key()
    changed = panel(olga, som.address)
    assert "shows another host key than the one that was accepted" in changed
    assert first in changed
    assert "which is not the one that was compared" in accept(olga, som.address, first)


@pytest.mark.parametrize(
    ("host", "words"), [("root@", "user@host"), ("", "user@host"), ("root@127.0.0.1:1", "127.0.0.1")]
)
def test_what_cannot_be_asked_says_why_in_place(olga, host, words):
    page = panel(olga, host)
    assert 'class="callout refusal"' in page
    assert words in page


def test_a_viewer_may_not_have_machines_asked(board, som):
    page = panel(person("vera", "viewer"), som.address)
    assert "needs the role flasher" in page
    assert not som.processes


def test_the_chosen_disk_is_carried_to_the_review(olga, image):
    Slot.objects.filter(number=2).update(power_state="On")
    rig.accept(2, "root@10.0.0.20")
    chosen = f"slot=2&image={image.pk}&to-2=network%2Fnvme0n1&host-2=root%4010.0.0.20&profile=none"
    page = olga.get(f"/boards/demo/flashing/new/review/?{chosen}").content.decode()
    assert "root@10.0.0.20:/dev/nvme0n1" in page
    assert "It stays on; restart it to run what was written." in page
