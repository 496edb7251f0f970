"""How many transfers the bus sees for what the portal does often; the limits have been kept by a driver before."""

from pathlib import Path

from hardware.jl6108 import tables
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.recipes import ChipVlans, translate
from hardware.jl6108.transport import I2cBridge
from hardware.vlan import Tagging, Vlan, VlanTable
from tests.hardware.jl6108.conftest import Bench, PoliteLock
from tests.hardware.jl6108.test_addresses import MAC, hold_address
from tests.hardware.rig import Rig

U, T = Tagging.UNTAGGED, Tagging.TAGGED
#: Three VLANs on the slots, all of them tagged on the uplink; the controller's port is the management one.
PLAN = VlanTable(
    (
        Vlan(1, "management", {7: U, 8: T}),
        Vlan(10, "red", {1: U, 2: U, 3: U, 8: T}),
        Vlan(20, "blue", {4: U, 5: U, 6: U, 8: T}),
    ),
    management_vid=1,
)


def test_identity_takes_20_transfers_even_of_a_chip_whose_byte_order_is_not_known(bench: Bench, tmp_path: Path) -> None:
    chip = Jl6108(I2cBridge(bench.bus, 0x5C, PoliteLock(tmp_path / "another.lock"), None), bench.clock)
    assert chip.identify() == "JL6108"
    assert bench.bus.transfers == 20


def test_the_status_of_all_ports_takes_80_transfers(rig: Rig) -> None:
    chip = rig.new_switch()
    chip.identify()
    before = rig.frames()
    chip.read_links()
    assert rig.frames() - before == 80


def test_all_counters_take_1328_transfers(bench: Bench) -> None:
    bench.chip.read_all_counters()
    assert bench.bus.transfers == 1_328


def test_forty_addresses_are_read_in_fewer_than_19000_transfers(bench: Bench) -> None:
    for number in range(40):
        hold_address(bench, MAC + 17 * number, 10, core=2 + number % 8)
    assert len(bench.chip.read_addresses()) == 40
    assert bench.bus.transfers == 18_950


def all_closed(bench: Bench) -> ChipVlans:
    """A chip that was scanned and closed, and what is known of it."""
    for vid in range(tables.VIDS):
        bench.hold(tables.VLAN, vid, 0)
    running = ChipVlans({}, bench.chip.read_all_port_tables())
    bench.bus.wire.clear()
    return running


def write(bench: Bench, running: ChipVlans, wanted: ChipVlans) -> int:
    """Closes, sets, opens, as a plan does; returns the transfers that this took."""
    bench.bus.wire.clear()
    moving = {port for port in wanted.ports if wanted.ports[port] != running.ports[port]}
    held = dict(running.entries)
    for vid, entry in running.entries.items():
        kept = entry.with_ports((entry.ports & wanted.entry(vid).ports) - moving)
        if kept != entry:
            bench.chip.write_vlan(vid, kept, verify=False)
            held[vid] = kept
    for port in sorted(moving):
        bench.chip.write_port_tables(port, wanted.ports[port], running.ports[port], verify=False)
    for vid, entry in wanted.entries.items():
        if entry != held.get(vid):
            bench.chip.write_vlan(vid, entry, verify=False)
    return bench.bus.transfers


def test_three_vlans_and_a_trunk_are_written_in_fewer_than_420_transfers(bench: Bench) -> None:
    running = all_closed(bench)
    wanted = translate(PLAN, running.ports)
    assert write(bench, running, wanted) == 300
    bench.bus.wire.clear()
    held = ChipVlans(bench.chip.read_vlans(wanted.entries), bench.chip.read_all_port_tables())
    assert held == wanted
    assert bench.bus.transfers == 288 + 3 * 14


def test_moving_one_port_to_another_vlan_takes_fewer_than_90_transfers(bench: Bench) -> None:
    running = all_closed(bench)
    before = translate(PLAN, running.ports)
    write(bench, running, before)
    red, blue = dict(PLAN.vlan(10).members), dict(PLAN.vlan(20).members)
    blue[3] = red.pop(3)
    moved = VlanTable((PLAN.vlan(1), Vlan(10, "red", red), Vlan(20, "blue", blue)), management_vid=1)
    assert write(bench, before, translate(moved, before.ports, before.entries)) == 34
    assert bench.chip.read_vlan(20).ports == {3, 4, 5, 6, 8}


def test_a_port_says_and_changes_how_it_is_set_in_few_transfers(bench: Bench) -> None:
    bench.chip.read_port_settings(1)
    bench.chip.set_port_enabled(1, False)
    assert bench.bus.transfers == 44 + 18 + 10
