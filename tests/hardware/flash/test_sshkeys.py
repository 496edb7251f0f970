"""Whom the portal trusts over SSH, and who it is."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from hardware.errors import RecordUnwritable, RemoteRefused
from hardware.flash.network import parse_place, place_of
from hardware.flash.sshkeys import HostKey, RemoteAddress, SshKeys
from hardware.program_errors import ProgramFailed

ADDRESSES = {
    "root@cm5.lan": ("root", "cm5.lan", 22, "cm5.lan"),
    " CM5.lan ": ("root", "cm5.lan", 22, "cm5.lan"),
    "pi@10.0.0.7:2222": ("pi", "10.0.0.7", 2222, "[10.0.0.7]:2222"),
    "root@[fe80::7%eth0]": ("root", "fe80::7%eth0", 22, "fe80::7%eth0"),
    "root@[FE80::7]:2222": ("root", "fe80::7", 2222, "[fe80::7]:2222"),
}
NOT_ADDRESSES = [
    *(
        "",
        "@",
        "root@",
        "@cm5",
        "root@-oProxyCommand=x",
        "-oProxyCommand=x@cm5",
        "root@cm5 -v",
        "root@cm5;id",
        "a b@cm5",
    ),
    *("root@cm5:", "root@cm5:0", "root@cm5:65536", "root@cm5:22:22", "root@fe80::7", "root@[cm5]", "root@cm5\nroot@x"),
    *("root@cm5,other", "root@*", "root@$(id)", "root@cm\0"),
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_read_as_it_is_meant(text: str) -> None:
    address = RemoteAddress.parse(text)
    assert (address.user, address.host, address.port, address.known_as) == ADDRESSES[text]
    assert RemoteAddress.parse(str(address)) == address
    assert parse_place(place_of(address, "mmcblk0")) == (address, "mmcblk0")


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_could_mean_something_else_to_ssh_is_no_address(text: str) -> None:
    with pytest.raises(RemoteRefused, match="is not of the form user@host") as caught:
        RemoteAddress.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["root@cm5", "root@cm5:/dev/", "root@cm5:/dev/../sda", "root@cm5:/dev/sda b", ":/dev/a;b"]
)
def test_what_is_no_disk_is_no_place(place: str) -> None:
    with pytest.raises(RemoteRefused):
        parse_place(place)


def test_the_key_pair_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    keys, made = SshKeys(tmp_path / "ssh"), set()
    threads = [threading.Thread(target=lambda: made.add(SshKeys(keys.directory).public_key())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (line,) = made
    assert line.startswith("ssh-ed25519 ")
    assert keys.private_key.stat().st_mode & 0o777 == 0o600
    assert keys.directory.stat().st_mode & 0o777 == 0o700
    derived = subprocess.run(["ssh-keygen", "-y", "-f", keys.private_key], capture_output=True, text=True, check=True)
    assert derived.stdout.split()[:2] == line.split()[:2]
    assert sorted(path.name for path in keys.directory.iterdir()) == ["id_ed25519", "id_ed25519.pub"]


def test_a_key_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordUnwritable, match="could not be written: Not a directory"):
        SshKeys(tmp_path / "file" / "ssh").public_key()
    (tmp_path / "ssh-keygen").write_text("#!/bin/sh\necho out of luck >&2; exit 3\n")
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ProgramFailed, match=r"ssh-keygen ended with status 3: out of luck\.$"):
        SshKeys(tmp_path / "ssh").public_key()
    assert list((tmp_path / "ssh").iterdir()) == []


def test_a_fingerprint_is_the_one_that_ssh_shows(tmp_path: Path) -> None:
    keys = SshKeys(tmp_path)
    kind, blob, _ = keys.public_key().split()
    shown = subprocess.run(["ssh-keygen", "-lf", keys.private_key], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] == HostKey(kind, blob).fingerprint


def test_a_host_key_that_is_accepted_replaces_the_one_before_and_no_other(tmp_path: Path) -> None:
    keys, cm5, other = SshKeys(tmp_path), RemoteAddress.parse("root@cm5"), RemoteAddress.parse("root@cm5:2222")
    first, second = HostKey("ssh-ed25519", "AAAA"), HostKey("ecdsa-sha2-nistp256", "BBBB")
    assert keys.known(cm5) is None
    keys.trust(cm5, first)
    keys.trust(other, first)
    keys.trust(RemoteAddress.parse("pi@CM5"), second)
    assert (keys.known(cm5), keys.known(other)) == (second, first)
    assert keys.known_hosts.read_text() == "[cm5]:2222 ssh-ed25519 AAAA\ncm5 ecdsa-sha2-nistp256 BBBB\n"
