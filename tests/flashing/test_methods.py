"""Which ways a slot's SOM can be written by, and what is said of those that it cannot."""

import pytest

from flashing.models import FlashRun, Method
from flashing.services import methods
from hardware.som import PowerState
from operations import lifecycle, refusals
from slots.models import Slot, Som, SomType
from tests.flashing import rig

CONTROLLER, CM4, CM5, M4N, LM3H = 1, 2, 3, 5, 6


def ways(number: int) -> dict[str, methods.MethodOffer]:
    return {offer.method: offer for offer in methods.offers(rig.slot(number))}


@pytest.fixture(autouse=True)
def all_off(board):
    Slot.objects.update(power_state=PowerState.OFF.value)


def test_a_som_with_a_boot_rom_offers_rpiboot_at_the_path_of_its_slot():
    for number in (CM4, CM5):
        offer = ways(number)["rpiboot"]
        assert (offer.available, offer.address, offer.media) == (True, f"1-1.{number}", ["eMMC"])


def test_ums_is_offered_in_slot_1_only():
    assert ways(CONTROLLER)["ums"].available
    elsewhere = ways(LM3H)["ums"]
    assert not elsewhere.available
    assert "only in slot 1" in elsewhere.words
    assert "over the network" in elsewhere.words


def test_an_unsupported_tool_says_what_to_do_instead():
    offer = ways(M4N)["axdl"]
    assert not offer.available
    assert "Axera's tool" in offer.words
    assert "over the network" in offer.words


def test_a_third_partys_tool_is_named_and_not_pretended_to_be_known():
    SomType.objects.create(
        name="Radish",
        line_kind="level",
        pulse_seconds=1,
        flash_path="radishctl",
        source="its maker",
        idle_watts=1,
        full_watts=2,
        peak_watts=3,
    )
    Som.objects.filter(slot=rig.slot(CM4)).update(som_type=SomType.objects.get(name="Radish"))
    offer = ways(CM4)["radishctl"]
    assert (offer.available, "radishctl, which the portal does not know" in offer.words) == (False, True)


def test_a_lite_offers_what_is_recorded_of_it():
    som = Som.objects.filter(slot=rig.slot(CM4))
    som.update(emmc_gb=0, nvme="", sd_card=False)
    assert "record its eMMC, NVMe or SD card first" in ways(CM4)["rpiboot"].words
    som.update(nvme="256 GB", sd_card=True)
    assert ways(CM4)["rpiboot"].media == ["NVMe", "SD card"]


def test_without_a_path_in_the_board_file_usb_is_not_offered_and_the_key_is_named(data_dir):
    file = data_dir / "boards" / f"{rig.SLUG}.toml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("usb")))
    methods.parts.forget()
    found = ways(CM4)
    assert not found["rpiboot"].available
    assert '[slots.2] usb = "1-1.2"' in found["rpiboot"].words
    assert "disk" not in found


def test_slots_that_share_a_socket_are_flashed_one_after_the_other(data_dir, image, flasher):
    file = data_dir / "boards" / f"{rig.SLUG}.toml"
    file.write_text(file.read_text().replace('"1-1.3"', '"1-1.2"'))
    methods.parts.forget()
    with pytest.raises(refusals.Conflict, match=r"Slots 2 and 3 share 1-1\.2, so they cannot be written at once"):
        rig.request(image, flasher, 2, 3, method=Method.DISK, medium="disk")
    assert not FlashRun.objects.exists()
    first = rig.request(image, flasher, 2, method=Method.DISK, medium="disk")
    with pytest.raises(refusals.Busy, match=r"1-1\.2 is busy: Flash .* on slot 2, asked for by olga") as refused:
        rig.request(image, flasher, 3, method=Method.DISK, medium="disk")
    assert refused.value.code == "shared-target"
    lifecycle.cancel(rig.job(first).operation, flasher)
    rig.request(image, flasher, 3, method=Method.DISK, medium="disk")
