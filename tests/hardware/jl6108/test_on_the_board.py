"""The driver on the simulated board, whose chip was written from the reference without sight of the driver."""

import json
from dataclasses import asdict

import pytest

from hardware.errors import BusError
from hardware.jl6108 import registers
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.isolation import only_uplink
from hardware.jl6108.mirror import Mirrors
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.recipes import ChipVlans, interpret, translate
from hardware.jl6108.tables import ISOLATION
from hardware.jl6108.transport import WireMode
from hardware.jl6108.vlans import CLOSED, OPEN
from hardware.vlan import Recipe
from tests.hardware.jl6108.memory import VECTORS
from tests.hardware.jl6108.test_figures import PLAN
from tests.hardware.jl6108.test_vectors import CALLS, NAMES_OF_VECTORS, word
from tests.hardware.rig import Rig

#: Vectors that need nothing but a chip fresh from reset.
PLAIN = [
    name
    for name in NAMES_OF_VECTORS
    if not {"poke", "busy_polls"} & set(json.loads((VECTORS / f"{name}.json").read_text()))
]

#: All those of the plan, and enough others to be closed.
SOME_VIDS = [*range(64), 4095]


@pytest.fixture(autouse=True)
def nobody_else_wants_the_bus(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.lock, "give_way", lambda: None)


@pytest.fixture
def chip(rig: Rig) -> Jl6108:
    return rig.new_switch(WireMode.MSB)


@pytest.mark.parametrize("name", PLAIN)
def test_the_registers_end_up_as_the_vendors_driver_leaves_them(name: str, rig: Rig) -> None:
    vector = json.loads((VECTORS / f"{name}.json").read_text())
    if vector.get("i2c_mode"):
        rig.board.inject("switch-lsb", [])
    chip = rig.new_switch()
    for call in vector["calls"]:
        method, *arguments = call["call"]
        if call["ret"] == 0:
            CALLS[method](chip, *arguments)
    for part in vector["final_state"]:
        assert chip.read_words(word(part["addr"]), len(part["words"])) == tuple(map(word, part["words"])), part["sym"]


def test_what_the_portal_does_often_keeps_its_figures(rig: Rig, chip: Jl6108) -> None:
    chip.identify()
    assert rig.frames() == 20
    for read, transfers in (
        (chip.read_links, 80),
        (chip.read_all_counters, 1_328),
        (chip.read_addresses, 17_990),
        (chip.read_all_port_tables, 288),
        (chip.scan_vlans, 35_840),
    ):
        before = rig.frames()
        read()
        assert rig.frames() - before == transfers, read


def test_a_table_of_vlans_is_written_and_read_back_from_cold(rig: Rig, chip: Jl6108) -> None:
    fresh = ChipVlans(chip.read_vlans(SOME_VIDS), chip.read_all_port_tables())
    assert set(fresh.entries.values()) == {OPEN}
    assert interpret(fresh) is None
    wanted = translate(PLAN, fresh.ports)
    for port, tables in wanted.ports.items():
        chip.write_port_tables(port, tables, fresh.ports[port])
    chip.write_vlans({vid: wanted.entry(vid) for vid in SOME_VIDS})
    live = {vid: entry for vid, entry in chip.read_vlans(SOME_VIDS).items() if entry != CLOSED}
    held = ChipVlans(live, chip.read_all_port_tables())
    assert held == wanted
    assert interpret(held, {vlan.vid: vlan.name for vlan in PLAN.vlans}) == (PLAN, Recipe.BASELINE)


def test_every_other_part_does_what_it_says(chip: Jl6108) -> None:
    chip.set_isolation(only_uplink(8))
    assert chip.read_isolation()[1] == frozenset(range(2, 8))
    chip.mirror_ingress(1, 2)
    assert chip.read_mirrors()[1] == Mirrors(ingress=2)
    chip.set_port_enabled(3, False)
    assert not chip.read_port_settings(3).enabled
    chip.force_speed(4, 100, True, Pause(receive=True, send=False))
    assert chip.read_port_settings(4).pause == Pause(receive=True, send=False)
    chip.negotiate(4, [Ability.FULL_1000])
    assert chip.read_port_settings(4).offers == {Ability.FULL_1000}
    chip.fix_address("02:50:b6:11:22:33", 10, {3})
    chip.fix_address("01:00:5e:00:00:01", 10, {3, 8})
    assert {address.ports for address in chip.read_addresses()} == {frozenset({3}), frozenset({3, 8})}
    assert chip.flush_ports({3}, fixed=True) == 1
    chip.clear_counters(1)
    assert set(asdict(chip.read_counters(1)).values()) == {0}


def test_the_firmware_never_loses_its_bits_of_a_register_that_it_shares(
    rig: Rig, chip: Jl6108, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load it rewrites bits 12:10 of every isolation word, between any two accesses, unless asked to wait."""
    rig.board.inject("switch-pressure", [])
    memory, lost = rig.board.switch.memory, []
    write = memory.write

    def watched(address: int, words: list[int]) -> None:
        if ISOLATION.at(0) <= address <= ISOLATION.at(10):
            lost.append((memory.word(address) ^ words[0]) & 0x1C00)
        write(address, words)

    monkeypatch.setattr(memory, "write", watched)
    chip.set_isolation(only_uplink(8))
    chip.set_isolation(dict.fromkeys(range(1, 9), ()))
    assert lost == [0] * 15
    assert not chip.read_hands_off() & registers.ISOLATION_JOB


def test_one_nack_does_not_break_a_write_and_a_dead_chip_does(rig: Rig, chip: Jl6108) -> None:
    chip.identify()
    rig.board.inject("nack", ["switch", "1"])
    chip.write_vlan(10, CLOSED)
    assert chip.read_vlan(10) == CLOSED
    rig.board.inject("nack", ["switch"])
    with pytest.raises(BusError, match=r"SWCORE_VLAN_TABLE\[10\]"):
        chip.write_vlan(10, OPEN)


def test_a_chip_that_was_reset_is_open_again(rig: Rig, chip: Jl6108) -> None:
    chip.write_vlan(10, CLOSED)
    rig.board.switch.set_reset_line(0)
    with pytest.raises(BusError):
        chip.read_vlan(10)
    rig.board.switch.set_reset_line(1)
    rig.clock.wait(5)
    assert chip.read_vlan(10) == OPEN
