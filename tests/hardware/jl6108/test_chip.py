"""The switch's driver on the simulated chip: links, byte orders, faults."""

import fcntl

import pytest

from hardware.contracts import Link
from hardware.errors import BusError, ChipRefused
from hardware.jl6108 import registers
from hardware.jl6108.catalogue import KNOWN
from hardware.jl6108.transport import I2cBridge, WireMode
from tests.hardware.rig import Rig

UP = Link(up=True, mbps=1000, full_duplex=True)


def test_on_a_fresh_board_only_the_controller_and_the_uplink_have_links(rig: Rig) -> None:
    links = rig.new_switch().read_links()
    assert len(links) == 8
    assert [port for port, link in enumerate(links, 1) if link.up] == [7, 8]  # slot 1 is on port 7
    assert links[6] == Link(up=True, mbps=100, full_duplex=True)
    assert links[7] == UP


def test_a_link_that_comes_and_goes_is_seen(rig: Rig) -> None:
    switch = rig.new_switch()
    rig.board.switch.set_partner(3, 1000)
    assert switch.read_links()[2] == UP
    rig.board.switch.set_partner(3, 0)
    assert not switch.read_links()[2].up


def test_either_byte_order_is_found_out(rig: Rig) -> None:
    assert rig.new_switch().identify() == "JL6108"
    rig.board.inject("switch-lsb", [])
    assert rig.new_switch().identify() == "JL6108"
    assert rig.new_switch().read_links()[7] == UP


def test_finding_out_the_byte_order_writes_no_register_of_the_chip(rig: Rig) -> None:
    before = rig.board.dump("switch")
    rig.board.inject("switch-lsb", [])
    rig.new_switch().identify()
    assert rig.board.dump("switch") == before


def test_a_byte_order_that_the_board_file_names_is_not_doubted(rig: Rig) -> None:
    rig.board.inject("switch-lsb", [])
    assert rig.new_switch(WireMode.LSB).identify() == "JL6108"
    with pytest.raises((ChipRefused, BusError)):
        rig.new_switch(WireMode.MSB).identify()


@pytest.mark.parametrize("mode", [None, WireMode.MSB])
def test_another_chip_of_the_family_is_refused_and_no_link_is_read(rig: Rig, mode: WireMode | None) -> None:
    rig.board.inject("wrong-chip", [])
    with pytest.raises(ChipRefused, match="is not that of a JL6108 or JL6110"):
        rig.new_switch(mode).read_links()


def test_links_of_a_chip_whose_firmware_is_not_up_are_not_read(rig: Rig) -> None:
    rig.board.inject("switch-firmware-down", [])
    with pytest.raises(ChipRefused):
        rig.new_switch().read_links()


def test_a_switch_that_does_not_answer_is_a_bus_error_that_says_so(rig: Rig) -> None:
    rig.board.inject("nack", ["switch"])
    with pytest.raises(BusError, match=r"0x5C, register 0x781: the device did not answer \(NACK\)"):
        rig.new_switch().read_links()


def test_a_read_that_is_not_acknowledged_is_begun_anew_from_its_first_frame(rig: Rig) -> None:
    switch = rig.new_switch(WireMode.MSB)
    switch.read_links()
    frames = rig.frames()
    rig.board.inject("nack", ["switch", "1"])
    assert switch.read_links()[7] == UP
    assert rig.frames() - frames == 81


def test_a_read_is_tried_three_times_and_no_more(rig: Rig) -> None:
    switch = rig.new_switch(WireMode.MSB)
    switch.read_links()
    rig.board.inject("nack", ["switch"])
    frames = rig.frames()
    with pytest.raises(BusError):
        switch.read_links()
    assert rig.frames() - frames == 3


def test_a_busy_bridge_is_polled_and_then_given_up(rig: Rig) -> None:
    switch = rig.new_switch(WireMode.MSB)
    rig.board.inject("switch-busy", ["5"])
    assert switch.read_links()[7] == UP
    rig.board.inject("switch-busy", ["1000"])
    with pytest.raises(BusError, match="still busy after 16 polls"):
        switch.read_links()


def test_after_an_error_the_chip_has_to_say_again_who_it_is(rig: Rig) -> None:
    switch = rig.new_switch(WireMode.MSB)
    switch.read_links()
    rig.board.inject("nack", ["switch"])
    with pytest.raises(BusError):
        switch.read_links()
    rig.board.clear(None)
    rig.board.inject("switch-firmware-down", [])
    with pytest.raises(ChipRefused):
        switch.read_links()


SCRATCH = 0x124014  # SWC_SWC_SCRATCH_REG, section 1.1: not used by anybody


def test_a_word_that_is_written_can_be_read_back(rig: Rig) -> None:
    bridge = I2cBridge(rig.bus, 0x5C, rig.lock, WireMode.MSB)
    bridge.write_words(SCRATCH, (0x12345678,))
    assert bridge.read_words(SCRATCH) == (0x12345678,)


def test_nobody_else_gets_the_bus_in_the_middle_of_a_bridge_sequence(rig: Rig) -> None:
    bridge = I2cBridge(rig.bus, 0x5C, rig.lock, WireMode.MSB)
    was_locked: list[bool] = []

    def look(number: int) -> None:
        with open(rig.data / "locks" / "i2c.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                was_locked.append(False)
            except BlockingIOError:
                was_locked.append(True)

    rig.smbus.after_transfer = look
    bridge.read_words(SCRATCH)
    bridge.write_words(SCRATCH, (1,))
    assert was_locked == [True] * 18


def test_the_bus_is_free_between_two_ports(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    monkeypatch.setattr(rig.lock, "give_way", lambda: turns.append(rig.frames()))
    rig.new_switch(WireMode.MSB).read_links()
    assert len(turns) == 7


def test_every_register_names_its_source() -> None:
    assert len(KNOWN) > 50
    assert all(register.source.startswith("section") for register in KNOWN)
    assert len({register.address for register in KNOWN}) == len(KNOWN)


def test_a_speed_that_has_no_meaning_is_reported_as_none() -> None:
    assert registers.link_mbps(3 << 24) == 0
