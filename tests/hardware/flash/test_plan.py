"""A plan says all that will happen, and refuses what must not."""

import json

import pytest

from hardware.errors import TargetAmbiguous, TargetRefused, TargetTooSmall
from hardware.flash.disks import DiskIdentity
from hardware.flash.plan import FlashPlan, FlashTarget, plan_flash

GIB = 1024**3


def emmc(slot: int, usb: str = "", size: int = 8 * GIB) -> FlashTarget:
    return FlashTarget(slot, "eMMC", DiskIdentity(usb or f"1-1.{slot}", "0a5c", "0104", f"serial{slot}", size))


def plan(*targets: FlashTarget, reason: str = "", size: int = 4 * GIB) -> FlashPlan:
    return plan_flash("ab" * 32, size, GIB, targets, unverified_reason=reason)


def test_a_plan_names_every_slot_and_disk_that_is_overwritten() -> None:
    first, second, bytes_sent, verified = plan(emmc(5), emmc(3)).summary
    assert first.startswith("Everything on the eMMC of slot 3 is overwritten: 1-1.3 (0a5c:0104, serial serial3")
    assert "slot 5" in second
    assert "1,073,741,824 of the image's 4,294,967,296 bytes" in bytes_sent
    assert "read back" in verified


def test_a_plan_that_does_not_verify_says_why() -> None:
    assert plan(emmc(3)).verifies
    hasty = plan(emmc(3), reason="a test bench, flashed a hundred times a day.")
    assert not hasty.verifies
    assert hasty.summary[-1].endswith("a test bench, flashed a hundred times a day.")


def test_a_stored_plan_is_the_same_plan() -> None:
    stored = json.loads(json.dumps(plan(emmc(3), emmc(4)).as_dict()))
    assert FlashPlan.from_dict(stored) == plan(emmc(4), emmc(3))
    assert FlashPlan.from_dict(stored).fingerprint == plan(emmc(3), emmc(4)).fingerprint


def test_whatever_differs_gives_another_fingerprint() -> None:
    plans = [
        plan(emmc(3)),
        plan(emmc(4)),
        plan(emmc(3), reason="haste"),
        plan(emmc(3), size=3 * GIB),
        plan(emmc(3, size=7 * GIB)),
        plan_flash("cd" * 32, 4 * GIB, GIB, [emmc(3)]),
    ]
    assert len({one.fingerprint for one in plans}) == len(plans)


def test_two_slots_never_share_a_disk() -> None:
    shared = FlashTarget(5, "eMMC", emmc(3).identity)
    with pytest.raises(TargetAmbiguous, match="for slot 3 and for slot 5"):
        plan(shared, emmc(3))


def test_what_does_not_fit_is_refused_with_both_sizes() -> None:
    with pytest.raises(TargetTooSmall, match=r"4,294,967,296 bytes and the eMMC of slot 4 only 1,073,741,824"):
        plan(emmc(3), emmc(4, size=GIB))
    assert plan(emmc(3, size=4 * GIB)).targets


def test_no_slot_and_a_slot_twice_are_refused() -> None:
    for targets in ([], [emmc(3), emmc(3, usb="1-1.9")], [emmc(slot) for slot in range(1, 9)]):
        with pytest.raises(TargetRefused, match="1 to 7 slots"):
            plan(*targets)
