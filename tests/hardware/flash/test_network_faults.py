"""Whatever happens on the way to a remote disk or over there ends soon, in a sentence, and leaves the disk free."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.contracts import BlockTarget
from hardware.errors import (
    HostKeyChanged,
    HostKeyUnknown,
    ReadError,
    RemoteRefused,
    RemoteUnavailable,
    Stopped,
    TargetChanged,
    TargetInUse,
    WriteError,
)
from hardware.flash import network, ssh
from hardware.flash.blockmap import BlockMap
from hardware.flash.network import list_disks
from hardware.flash.sshkeys import RemoteAddress, SshKeys, scan_host_key
from hardware.flash.writer import FlashJob, Outcome, flash
from hardware.program_errors import ProgramMissing
from tests.hardware.flash.conftest import LARGE, Disks
from tests.hardware.flash.disk_images import MIB, loop_device, mounted, noise, run
from tests.hardware.flash.faulty import Faulty
from tests.hardware.flash.network_bench import Bench, read_through, write_through
from tests.sshd import PATH

pytestmark = pytest.mark.root

PROJECT = Path(__file__).resolve().parents[3]


class Interrupted(Faulty):
    """Something happens just before write number `number`."""

    def __init__(self, target: BlockTarget, number: int, happens: Callable[[], None]) -> None:
        super().__init__(target)
        self._left = number
        self._happens = happens

    def write(self, offset: int, data: memoryview) -> None:
        self._left -= 1
        if not self._left:
            self._happens()
        super().write(offset, data)


def flash_one(large: tuple[Path, BlockMap], target: BlockTarget, stop: threading.Event | None = None) -> Outcome:
    (outcome,) = flash(*large, [FlashJob(target, threading.Event())], stop=stop)
    return outcome


def instead(directory: Path, program: str, text: str) -> str:
    """A PATH on which a program is another one."""
    directory.mkdir()
    (directory / program).write_text(f"#!/bin/sh\n{text}\n")
    (directory / program).chmod(0o755)
    return f"{directory}:{PATH}"


# On the way


def test_a_server_that_is_killed_in_between_fails_the_flash_and_the_retry_works(
    bench: Bench, disk: Disks, large: tuple[Path, BlockMap], shelf: Path
) -> None:
    device = disk(LARGE)
    target = bench.open(device)
    outcome = flash_one(large, Interrupted(target, 20, lambda: bench.som.signal(signal.SIGKILL)))
    assert (outcome.state, outcome.contents) == ("failed", "unknown")
    assert str(outcome.error).startswith(f"Writing to {target.name} failed at ")
    assert isinstance(outcome.error, WriteError)
    target.close()
    assert flash_one(large, bench.open(device)).state == "done"
    assert (shelf / "disk1").read_bytes() == large[0].read_bytes()


def test_a_connection_that_says_nothing_any_more_is_given_up(
    bench: Bench, disk: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "ALIVE_SECONDS", 1)
    monkeypatch.setattr(ssh, "ALIVE_COUNT", 1)
    target = bench.open(disk())
    bench.som.signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(WriteError, match="not responding"):
        write_through(target, 24)
    assert time.monotonic() - began < 6


def test_a_disk_that_does_not_answer_is_given_up(
    bench: Bench, disk: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.som.configure(
        instead(tmp_path / "hangs", "dd", 'case $* in *fsync*) exec sleep 3 ;; esac; exec /usr/bin/dd "$@"')
    )
    target = bench.open(disk())
    target.write(MIB, memoryview(noise(MIB)))
    monkeypatch.setattr(ssh.Session.line, "__defaults__", (0.5,))
    with pytest.raises(WriteError, match="it does not answer"):
        target.sync()


def test_a_cancel_takes_less_than_a_second_and_leaves_the_disk_free(
    bench: Bench, disk: Disks, large: tuple[Path, BlockMap]
) -> None:
    device, stop, stopped_at = disk(LARGE), threading.Event(), 0.0

    def cancel() -> None:
        nonlocal stopped_at
        stopped_at = time.monotonic()
        stop.set()

    target = bench.open(device)
    outcome = flash_one(large, Interrupted(target, 10, cancel), stop)
    assert time.monotonic() - stopped_at < 1
    assert (outcome.state, outcome.contents) == ("cancelled", "unknown")
    target.close()
    bench.open(device)


def test_a_cancel_takes_less_than_a_second_even_if_nobody_answers(
    bench: Bench, disk: Disks, large: tuple[Path, BlockMap]
) -> None:
    stop, target = threading.Event(), bench.open(disk(LARGE))
    threads = set(threading.enumerate())

    def freeze() -> None:
        bench.som.signal(signal.SIGSTOP)
        threading.Timer(0.5, stop.set).start()

    began = time.monotonic()
    outcome = flash_one(large, Interrupted(target, 5, freeze), stop)
    assert (outcome.state, outcome.is_stuck) == ("cancelled", True)
    target.close()
    assert time.monotonic() - began < 3
    for thread in set(threading.enumerate()) - threads:
        thread.join(2)  # the one that was stuck has found out
    assert set(threading.enumerate()) <= threads


def test_the_disk_is_free_again_when_the_portal_is_killed(bench: Bench, disk: Disks) -> None:
    device = disk()
    hold = (
        "import sys, time; from pathlib import Path; from hardware.flash.network import *;"
        "from hardware.flash.sshkeys import SshKeys; keys = SshKeys(Path(sys.argv[1]));"
        "target = RemoteTarget.open(find_disk(sys.argv[2], keys).identity, keys);"
        "print('open', flush=True); time.sleep(60)"
    )
    place = network.place_of(bench.som.address, device.name)
    command = [sys.executable, "-c", hold, str(bench.keys.directory), place]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(TargetInUse):
            bench.open(device)
        holder.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            bench.open(device)
            return
        except TargetInUse:
            continue
    pytest.fail("the disk is still held")


# Over there


def test_a_disk_that_cannot_take_it_is_named_with_where_and_why(bench: Bench, tmp_path: Path) -> None:
    with mounted(Path("tmpfs"), tmp_path / "small", "-t", "tmpfs", "-o", "size=6m") as directory:
        backing = directory / "disk"
        with backing.open("wb") as file:
            file.truncate(28 * MIB)
        with loop_device(backing) as device:
            target = bench.open(device)
            with pytest.raises(WriteError, match=r"failed at [0-9,]+ bytes: (Input/|No space)") as caught:
                write_through(target, 20)
            assert 5 * MIB <= caught.value.offset_bytes <= 7 * MIB
            target.close()


def test_what_was_taken_before_the_disk_was_full_counts_even_if_nobody_had_looked_yet(
    bench: Bench, disk: Disks, tmp_path: Path
) -> None:
    """The far side takes one piece, fails with the next, and is gone before we send a third."""
    full = "echo \"dd: error writing 'standard output': No space left on device\" >&2; exit 1"
    first_only = f"case $* in *bs={MIB}*) sleep 0.2; mkdir {tmp_path}/taken 2>/dev/null || {{ {full}; }} ;; esac"
    bench.som.configure(instead(tmp_path / "fills", "dd", f'{first_only}; exec /usr/bin/dd "$@"'))
    target = bench.open(disk())
    target.write(0, memoryview(noise(2 * MIB)))
    bench.som.processes[-1].wait(10)
    with pytest.raises(WriteError, match=r"failed at 1,048,576 bytes: No space left on device\.$"):
        target.write(2 * MIB, memoryview(noise(2 * MIB)))


def test_a_disk_that_cannot_be_read_back_is_named_with_where_and_why(bench: Bench, disk: Disks, shelf: Path) -> None:
    target = bench.open(disk())
    os.truncate(shelf / "disk1", 3 * MIB)
    with pytest.raises(ReadError, match=r"back failed at [0-9,]+ bytes: Input/output error\.$") as caught:
        read_through(target, 28)
    assert 2 * MIB <= caught.value.offset_bytes <= 3 * MIB


def test_a_disk_that_is_another_one_since_it_was_opened_is_not_written(bench: Bench, disk: Disks, shelf: Path) -> None:
    device = disk()
    target = bench.open(device)
    before = (shelf / "disk1").read_bytes()[: 20 * MIB]
    os.truncate(shelf / "disk1", 20 * MIB)
    run("losetup", "--set-capacity", device)
    with pytest.raises(TargetChanged, match="20971520 bytes"):
        write_through(target, 1)
    assert (shelf / "disk1").read_bytes() == before


def test_a_disk_that_vanishes_while_it_is_written_fails_the_flash(
    bench: Bench, disk: Disks, large: tuple[Path, BlockMap], shelf: Path
) -> None:
    device = disk(LARGE)

    def vanish() -> None:
        os.truncate(shelf / "disk1", 0)
        run("losetup", "--set-capacity", device)

    outcome = flash_one(large, Interrupted(bench.open(device), 20, vanish))
    assert (outcome.state, outcome.contents) == ("failed", "unknown")
    assert isinstance(outcome.error, WriteError)


# Letting us in


def test_every_reason_not_to_be_let_in_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    strangers, address = SshKeys(tmp_path / "others"), bench.som.address
    with pytest.raises(HostKeyUnknown, match="has to be accepted first"):
        list_disks(address, strangers)
    strangers.trust(address, scan_host_key(address))
    with pytest.raises(RemoteRefused, match="does not accept the portal's key: add it to"):
        list_disks(address, strangers)
    bench.som.make_host_key()
    with pytest.raises(HostKeyChanged, match="shows another host key than the accepted one"):
        list_disks(address, bench.keys)
    bench.keys.trust(address, scan_host_key(address))
    list_disks(address, bench.keys)


def test_an_account_that_may_not_become_root_is_told_so(bench: Bench, tmp_path: Path) -> None:
    path = instead(tmp_path / "programs", "id", "echo 1000")
    instead(tmp_path / "more", "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    bench.som.configure(f"{tmp_path / 'more'}:{path}")
    with pytest.raises(RemoteRefused, match="may not become root without a password"):
        list_disks(bench.som.address, bench.keys)


def test_where_nobody_is_there_is_no_way(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = replace(bench.som.address, port=nobody.getsockname()[1])
    with pytest.raises(RemoteUnavailable, match=r"cannot be reached over SSH: Connection refused\.$"):
        list_disks(address, bench.keys)
    with pytest.raises(RemoteUnavailable, match="no SSH server answers there"):
        scan_host_key(address)
    with pytest.raises(RemoteUnavailable, match=r"root@no-such-host\.invalid cannot be reached over SSH: "):
        list_disks(RemoteAddress.parse("no-such-host.invalid"), bench.keys)


def test_a_connection_that_nobody_wants_any_more_is_not_waited_for(bench: Bench) -> None:
    bench.som.configure(more="ForceCommand sleep 30\n")
    stop, began = threading.Event(), time.monotonic()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        list_disks(bench.som.address, bench.keys, stop)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("talk", ["cat /dev/zero", "echo This account is not available.", "sleep 30"])
def test_something_else_than_a_shell_is_not_listened_to_for_long(
    bench: Bench, talk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "GREETING_SECONDS", 1.0)
    bench.som.configure(more=f"ForceCommand {talk}\n")
    began = time.monotonic()
    with pytest.raises((RemoteRefused, RemoteUnavailable)):
        list_disks(bench.som.address, bench.keys)
    assert time.monotonic() - began < 5


def test_without_ssh_here_the_package_is_named(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ProgramMissing, match=r"^The program ssh is not installed on this machine; it comes with openssh-client\.$"
    ):
        list_disks(bench.som.address, bench.keys)
    with pytest.raises(ProgramMissing, match="ssh-keyscan"):
        scan_host_key(bench.som.address)
    with pytest.raises(ProgramMissing, match="ssh-keygen"):
        SshKeys(tmp_path / "new").public_key()
