"""Asking a SOM that runs Linux for its disks, once a person has accepted that it is that SOM; with a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flashing.services import network
from hardware.flash import ssh
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict, NotPermitted, Unavailable
from operations.roles import Actor
from tests.sshd import SshServer

pytestmark = [pytest.mark.root, pytest.mark.django_db]

SLOT = "demo/slot:3"
ASKING = (
    network.fingerprint,
    network.disks,
    lambda slot, host, actor: network.trust(slot, host, "SHA256:x", actor),
)
OLGA, VERA = Actor("olga", "flasher"), Actor("vera", "viewer")


@pytest.fixture
def som(tmp_path: Path) -> Iterator[SshServer]:
    (tmp_path / "som").mkdir()
    server = SshServer(tmp_path / "som")
    yield server
    server.close()


def acts() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.filter(action="flash.trust-host").values_list("actor", "target", "outcome"))


def test_a_som_is_accepted_by_its_fingerprint_and_then_shows_its_disks(som: SshServer) -> None:
    host = str(som.address)
    sight = network.fingerprint(SLOT, host, OLGA)
    assert (sight.address, sight.kind, sight.accepted, sight.state) == (som.address, "ssh-ed25519", "", "new")
    with pytest.raises(Unavailable, match="has to be accepted first") as refused:
        network.disks(SLOT, host, OLGA)
    assert refused.value.code == "host-key-unknown"

    network.trust(SLOT, host, sight.fingerprint, OLGA)
    assert network.fingerprint(SLOT, host, OLGA).state == "accepted"
    assert acts() == [("olga", SLOT, "done")]
    with pytest.raises(Unavailable, match="does not accept the portal's key") as refused:
        network.disks(SLOT, host, OLGA)
    assert refused.value.code == "remote-refused"

    (som.directory / "authorized_keys").write_text(network.public_key() + "\n")
    found = network.disks(SLOT, host, OLGA)
    assert found
    assert [bool(disk.uses) for disk in found] == sorted(bool(disk.uses) for disk in found)


def test_a_som_that_was_set_up_anew_has_to_be_accepted_anew(som: SshServer) -> None:
    host = str(som.address)
    first = network.fingerprint(SLOT, host, OLGA).fingerprint
    network.trust(SLOT, host, first, OLGA)
    som.make_host_key()
    sight = network.fingerprint(SLOT, host, OLGA)
    assert (sight.state, sight.accepted) == ("changed", first)
    with pytest.raises(Unavailable) as refused:
        network.disks(SLOT, host, OLGA)
    assert refused.value.code == "host-key-changed"
    with pytest.raises(Conflict, match="which is not the one that was compared"):
        network.trust(SLOT, host, first, OLGA)
    network.trust(SLOT, host, f" {sight.fingerprint} ", OLGA)
    assert network.fingerprint(SLOT, host, OLGA).state == "accepted"
    assert [json.loads(entry.text)["detail"]["before"]["key"] for entry in AuditEntry.objects.order_by("seq")] == [
        None,
        first,
    ]


def test_a_machine_is_the_slots_for_which_it_was_accepted_and_no_others(som: SshServer) -> None:
    host, other = str(som.address), "demo/slot:5"
    som.welcome(network.keys())
    key = network.fingerprint(SLOT, host, OLGA).fingerprint
    network.trust(SLOT, host, key, OLGA)
    sight = network.fingerprint(other, host, OLGA)
    assert (sight.state, sight.elsewhere) == ("elsewhere", "slot 3 of demo")
    with pytest.raises(Unavailable, match="its host key was accepted for slot 3 of demo") as refused:
        network.disks(other, host, OLGA)
    assert refused.value.code == "target-refused"
    with pytest.raises(Unavailable, match="not known as the machine in slot 5 of demo"):
        network.parse(other, f"{host}:/dev/sda")

    network.trust(other, host, key, OLGA)  # the SOM was moved
    assert network.disks(other, host, OLGA)
    assert network.fingerprint(SLOT, host, OLGA).state == "elsewhere"


def test_who_may_not_flash_may_ask_no_machine_anything(som: SshServer) -> None:
    host = str(som.address)
    for ask in (
        network.fingerprint,
        network.disks,
        lambda slot, host, actor: network.trust(slot, host, "SHA256:x", actor),
    ):
        with pytest.raises(NotPermitted):
            ask(SLOT, host, VERA)
    assert not som.processes


def test_what_is_no_address_is_refused_before_anybody_is_asked() -> None:
    for ask in (
        network.fingerprint,
        network.disks,
        lambda slot, host, actor: network.trust(slot, host, "SHA256:x", actor),
    ):
        with pytest.raises(BadRequest, match="is not of the form user@host"):
            ask(SLOT, "root@-oProxyCommand=id", OLGA)


def test_a_missing_program_is_a_refusal_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="openssh-client") as refused:
        network.public_key()
    assert refused.value.code == "program-missing"


def test_where_nobody_is_that_is_said(som: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "GREETING_SECONDS", 5.0)
    som.close()
    with pytest.raises(Unavailable, match="cannot be reached over SSH") as refused:
        network.fingerprint(SLOT, str(som.address), OLGA)
    assert refused.value.code == "remote-unavailable"
