"""rpiboot as it is called, with a program in its place that behaves, and fails, as the real one does."""

from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.flash import rpiboot
from hardware.flash.rpiboot import Rpiboot
from hardware.program_errors import ProgramFailed, ProgramMissing, ProgramTimeout

CLOCK = SystemClock(scale=1)
# What the real one prints (its main.c), as far as it matters here.
WAITS = 'echo "RPIBOOT: build-date Nov  3 2025"; echo "Waiting for BCM2835/6/7/2711/2712..."; '
FEEDS = 'echo "Sending bootcode.bin"; echo "File read: boot.img"; echo "Second stage boot server done"'
DENIED = 'echo "Permission to access USB device denied. Make sure you are a member of the plugdev group."; exit 255'
USAGE = (
    'echo "No \'bootcode\' files found in \'/x\'" >&2; echo "Usage: rpiboot" >&2; echo "  -h : This help" >&2; exit 255'
)


@pytest.fixture
def gadget(tmp_path: Path) -> Path:
    directory = tmp_path / "mass-storage-gadget64"
    directory.mkdir()
    (directory / "bootfiles.bin").write_bytes(b"x")
    return directory


def program(tmp_path: Path, script: str) -> tuple[str, ...]:
    path = tmp_path / "bin" / "rpiboot"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return (str(path),)


def test_it_is_given_the_gadget_and_the_one_usb_path(tmp_path: Path, gadget: Path) -> None:
    told: list[str] = []
    runner = Rpiboot(program(tmp_path, f'echo "$@"; {WAITS}{FEEDS}'), gadget)
    runner.start_storage("1-1.2", CLOCK, on_line=told.append)
    assert told[0] == f"-d {gadget} -p 1-1.2"
    assert told[-1] == "Second stage boot server done"


def test_one_that_waits_without_end_is_given_up_with_what_it_waits_for(tmp_path: Path, gadget: Path) -> None:
    runner = Rpiboot(program(tmp_path, f"{WAITS}exec sleep 60"), gadget, timeout_seconds=0.3)
    with pytest.raises(ProgramTimeout, match=r'rpiboot was not done within 0\.3 s; .*"Waiting for BCM2835/6/7'):
        runner.start_storage("1-1.2", CLOCK)


def test_a_missing_udev_rule_is_named(tmp_path: Path, gadget: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"may not open the SOM's USB device: the udev rule"):
        Rpiboot(program(tmp_path, WAITS + DENIED), gadget).start_storage("1-1.2", CLOCK)


def test_refused_arguments_are_told_by_the_line_before_its_help(tmp_path: Path, gadget: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"refused its arguments \(\"No 'bootcode' files found in '/x'\"\)"):
        Rpiboot(program(tmp_path, USAGE), gadget).start_storage("1-1.2", CLOCK)


def test_its_absence_names_the_package() -> None:
    with pytest.raises(
        ProgramMissing, match=r"^The program rpiboot-nowhere is not installed .* the package rpiboot \(Rasp"
    ):
        Rpiboot(("rpiboot-nowhere",)).start_storage("1-1.2", CLOCK)


def test_a_missing_gadget_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = program(tmp_path, FEEDS)
    with pytest.raises(ProgramMissing, match=f"mass-storage gadget in {tmp_path}, is not installed"):
        Rpiboot(runs, tmp_path).start_storage("1-1.2", CLOCK)
    monkeypatch.setattr(rpiboot, "GADGETS", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(ProgramMissing, match=f"{tmp_path}/a or {tmp_path}/b"):
        Rpiboot(runs).start_storage("1-1.2", CLOCK)


def test_the_gadget_is_found_where_packages_put_it(
    tmp_path: Path, gadget: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpiboot, "GADGETS", (tmp_path / "nowhere", gadget))
    assert Rpiboot().find_gadget() == gadget
