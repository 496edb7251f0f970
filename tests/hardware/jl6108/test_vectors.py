"""What the vendor's driver did, done by ours: the same registers hold the same in the end.

Every file in vectors/ is run, from the reset image, call by call through the methods of Jl6108; `CALLS` says which.
The vendor counts front ports from 0 and calls the CPU's port 28 (section 24 of our register reference).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardware.clock import VirtualClock
from hardware.errors import ChipRefused
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.counters import NAMES
from hardware.jl6108.isolation import only_uplink
from hardware.jl6108.numbering import ALL_PORTS, core_mask
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.ranges import RangeOf, VidRange
from hardware.jl6108.rates import Storm
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.jl6108.vlans import Choice, TagOperation
from hardware.vlan import CPU_PORT
from tests.hardware.jl6108.conftest import PoliteLock
from tests.hardware.jl6108.memory import VECTORS, MemoryBus, reset_image

NAMES_OF_VECTORS = sorted(path.stem for path in VECTORS.glob("*.json") if path.stem != "reset_image")
VENDORS_CPU_PORT = 28
SPEEDS = (10, 100, 1000)
#: What the vendor's driver gives back for what it refuses.
WRONG_ARGUMENT, TIMED_OUT, WRONG_CHIP, NO_SUCH_PORT, FIRMWARE_NOT_READY = -4, -10, -14, -19, -20
STORMS = (Storm.BROADCAST, Storm.MULTICAST, Storm.FLOODING)


def port(logical: int) -> int:
    if logical == VENDORS_CPU_PORT:
        return CPU_PORT
    return logical + 1 if logical < CPU_PORT - 1 else 99  # one that there is not stays one that there is not


def ports(mask: int) -> set[int]:
    return {port(logical) for logical in range(32) if mask >> logical & 1}


def logical_mask(numbers: frozenset[int]) -> int:
    return sum(1 << (VENDORS_CPU_PORT if number == CPU_PORT else number - 1) for number in numbers)


def mac(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def word(text: Any) -> int:
    return int(str(text), 0)


def port_status(chip: Jl6108, logical: int) -> list[int]:
    link = chip.read_port_status(port(logical)).link
    return [link.up, link.full_duplex, SPEEDS.index(link.mbps)]


def port_mac_status(chip: Jl6108, logical: int) -> list[int]:
    status = chip.read_port_status(port(logical))
    link = status.mac_link
    return [
        *(link.up, link.full_duplex, SPEEDS.index(link.mbps)),
        *(status.pause.send, status.pause.receive, status.forced),
    ]


def vlan_get(chip: Jl6108, vid: int) -> list[int]:
    entry = chip.read_vlan(vid)
    fields = ("operation", "vid_choice", "vid", "dei_choice", "pcp_choice", "dei", "pcp", "type_choice", "fid")
    return [logical_mask(entry.ports), *(entry[field] for field in fields), entry["spanning_tree"]]


def vlan_set(chip: Jl6108, vid: int, mask: int, operation: int, *rest: int) -> None:
    names = ("vid_choice", "vid", "dei_choice", "pcp_choice", "dei", "pcp", "type_choice", "fid", "spanning_tree")
    fields = dict(zip(names, rest, strict=True))
    chip.change_vlan(vid, members=core_mask(ports(mask)), operation=operation, verify=True, **fields)


def vlan_mac_range(chip: Jl6108, slot: int, mask: int, da: int, vid: int, order: int, start: int, end: int) -> None:
    chip.set_range(RangeOf.MAC, slot, VidRange(frozenset(ports(mask)), start, end, vid, order, bool(da)))


def vlan_op(chip: Jl6108, which: int, where: int, operation: int) -> None:
    if where == 1:
        chip.set_vlan_operation(which, TagOperation(operation))
    elif where == 0:
        chip.change_source_port(port(which), operation=operation)
    else:
        chip.change_egress_port(port(which), operation=operation)


def l2_set(chip: Jl6108, number: int, fid: int, valid: int, static: int, unicast: int, where: int) -> None:
    assert (valid, static) == (1, 1)
    chip.fix_address(mac(number), fid, {port(where)} if unicast else ports(where))


def l2_clear(chip: Jl6108, mode: int, number: int, fid: int, where: int) -> None:
    if mode == 0:
        chip.remove_address(mac(number), fid)
    else:
        assert mode == 3
        chip.flush_ports({port(where)}, fixed=True)


def port_force(chip: Jl6108, logical: int, abilities: int) -> None:
    """Bits 0 to 6: 10HD 10FD 100HD 100FD 1000FD pause asym."""
    mbps, duplex = next(
        (SPEEDS[number // 2], bool(number % 2) or number == 4) for number in range(5) if abilities >> number & 1
    )
    pause = Pause(receive=bool(abilities >> 5 & 1), send=bool(abilities >> 6 & 1))
    chip.force_speed(port(logical), mbps, duplex, pause)


def port_autoneg(chip: Jl6108, logical: int, abilities: int) -> None:
    chip.negotiate(port(logical), [ability for number, ability in enumerate(Ability) if abilities >> number & 1])


def mac_force(chip: Jl6108, logical: int, on: int, speed: int, duplex: int, link: int, tx: int, rx: int) -> None:
    pause = Pause(receive=bool(rx), send=bool(tx))
    chip.force_mac_link(port(logical), SPEEDS[speed], bool(duplex), bool(link), pause, forced=bool(on))


#: The vendor's calls by our methods. What one returns is compared with what the vendor's driver returned.
CALLS: dict[str, Callable[..., Any]] = {
    "device_create": lambda chip: chip.identify() and None,
    "raw_read": lambda chip, address: list(chip.read_words(word(address))),
    "raw_burst_read": lambda chip, address, count: list(chip.read_words(word(address), count)),
    "raw_write": lambda chip, address, value: chip.write_words(word(address), [word(value)]),
    "raw_burst_write": lambda chip, address, *values: chip.write_words(word(address), [word(v) for v in values]),
    "port_status": port_status,
    "port_mac_status": port_mac_status,
    "port_enable": lambda chip, p, on: chip.set_port_enabled(port(p), bool(on)),
    "port_autoneg": port_autoneg,
    "port_force": port_force,
    "port_mac_force": mac_force,
    "fc_auto": lambda chip, p: chip.set_flow_control(port(p), None),
    "fc_force": lambda chip, p, tx, rx: chip.set_flow_control(port(p), Pause(receive=bool(rx), send=bool(tx))),
    "mib_get": lambda chip, p, number: [getattr(chip.read_counters(port(p)), NAMES[number])],
    "mib_get_all": lambda chip, p: [0, *(getattr(chip.read_counters(port(p)), name) for name in NAMES)],
    "mib_clear": lambda chip, p, number: chip.clear_counter(port(p), NAMES[number]),
    "mib_clear_all": lambda chip, p: chip.clear_counters(port(p)),
    "vlan_members": lambda chip, vid, mask: chip.set_vlan_members(vid, ports(mask)),
    "vlan_members_get": lambda chip, vid: [logical_mask(chip.read_vlan(vid).ports)],
    "vlan_fid": lambda chip, vid, fid: chip.set_vlan_fid(vid, fid),
    "vlan_del": lambda chip, vid: chip.open_vlan(vid),
    "vlan_get": vlan_get,
    "vlan_op": vlan_op,
    "vlan_pvid": lambda chip, p, vid, dei, pcp, order: chip.set_pvid(port(p), vid, dei=dei, pcp=pcp, order=order),
    "vlan_ingress_mode": lambda chip, p, operation, vid, dei, pcp, tag_type, assignment: chip.set_ingress_operation(
        port(p),
        TagOperation(operation),
        vid=Choice(vid),
        dei=Choice(dei),
        pcp=Choice(pcp),
        tag_type=tag_type,
        assignment=assignment,
    ),
    "vlan_egress_mode": lambda chip, p, operation, vid, dei, pcp, tag_type: chip.set_egress_operation(
        port(p), TagOperation(operation), vid=Choice(vid), dei=Choice(dei), pcp=Choice(pcp), tag_type=tag_type
    ),
    "vlan_set": vlan_set,
    "vlan_mac_range": vlan_mac_range,
    "iso_dst": lambda chip, p, mask: chip.set_isolation({port(p): ports(mask)}),
    "iso_mtu": lambda chip, p: chip.set_isolation(only_uplink(port(p))),
    "mirror_in": lambda chip, p, to: chip.mirror_ingress(port(p), port(to)),
    "mirror_out": lambda chip, p, to: chip.mirror_egress(port(p), port(to)),
    "mirror_in_clear": lambda chip, p: chip.mirror_ingress(port(p), None),
    "mirror_out_clear": lambda chip, p: chip.mirror_egress(port(p), None),
    "l2_set": l2_set,
    "l2_col_set": lambda chip, slot, number, fid, static, unicast, p: chip.write_address(
        4096 + slot, mac(number), fid, {port(p)} if unicast else ports(p)
    ),
    "l2_clear": l2_clear,
    "storm_rate": lambda chip, p, kind, packets, rate: chip.set_storm_rate(
        port(p), STORMS[kind], rate, packets=bool(packets)
    ),
    "storm_enable": lambda chip, p, kind, on: chip.limit_storm(port(p), STORMS[kind], bool(on)),
    "storm_rate_get": lambda chip, p, kind: list(reversed(chip.read_storm_rate(port(p), STORMS[kind]))),
    "shaper": lambda chip, p, on, _, mbps: chip.shape_port(port(p), 1000 * mbps if on else None),
}


class Run:
    """One vector on a chip of its own."""

    def __init__(self, name: str, directory: Path) -> None:
        self.vector: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
        is_msb = not self.vector.get("i2c_mode")
        poked = {word(address): word(value) for address, value in self.vector.get("poke", {}).items()}
        self.before = reset_image() | poked
        self.bus = MemoryBus(
            dict(self.before), byte_order="big" if is_msb else "little", busy_polls=self.vector.get("busy_polls", 0)
        )
        mode = WireMode.MSB if is_msb else WireMode.LSB
        bridge = I2cBridge(self.bus, 0x5C, PoliteLock(directory / "bus.lock"), mode)
        self.chip = Jl6108(bridge, VirtualClock())
        if not self.vector.get("log_create"):
            self.chip.identify()

    def play(self) -> None:
        for call in self.vector["calls"]:
            name, *arguments = call["call"]
            start = self.bus.transfers
            # The vendor's driver polls four times and we sixteen: what timed out there is done here.
            if call["ret"] < 0 and call["ret"] != TIMED_OUT:
                self._refuse(call["ret"], name, arguments)
            else:
                answer = CALLS[name](self.chip, *arguments)
                assert call["ret"] == TIMED_OUT or answer == call.get("out"), call["call"]
            if name.startswith("raw_") and "wire" in call and call["ret"] == 0:
                assert self.bus.wire[start:] == call["wire"], call["call"]

    def _refuse(self, answer: int, name: str, arguments: list[Any]) -> None:
        if answer == WRONG_CHIP:
            # The vendor was asked for a JL6108 and found a JL6110, which we know as well.
            assert self.chip.identify() == "JL6110"
            return
        refused = {WRONG_ARGUMENT: ValueError, NO_SUCH_PORT: ValueError, FIRMWARE_NOT_READY: ChipRefused}
        with pytest.raises(refused[answer]):
            CALLS[name](self.chip, *arguments)


@pytest.mark.parametrize("name", NAMES_OF_VECTORS)
def test_the_registers_end_up_as_the_vendors_driver_leaves_them(name: str, tmp_path: Path) -> None:
    run = Run(name, tmp_path)
    run.play()
    expected = dict(run.before)
    for part in run.vector["final_state"]:
        for number, value in enumerate(part["words"]):
            expected[word(part["addr"]) + 4 * number] = word(value)
    assert _differences(run.bus.words, expected) == {}


def _differences(found: dict[int, int], expected: dict[int, int]) -> dict[str, tuple[str, str]]:
    return {
        f"0x{address:06X}": (f"0x{found.get(address, 0):08X}", f"0x{expected.get(address, 0):08X}")
        for address in sorted(found.keys() | expected.keys())
        if found.get(address, 0) != expected.get(address, 0)
    }


def test_a_change_without_reading_back_is_frame_for_frame_what_the_vendor_sends(tmp_path: Path) -> None:
    run = Run("access_port", tmp_path)
    run.bus.wire.clear()
    run.chip.set_vlan_members(10, {1, 8}, verify=False)
    run.chip.set_egress_operation(1, TagOperation.POP, verify=False)
    run.chip.set_pvid(1, 10, verify=False)
    own = Choice.OWN
    run.chip.set_ingress_operation(1, TagOperation.PUSH, vid=own, dei=own, pcp=own, verify=False)
    assert run.bus.wire == [frame for call in run.vector["calls"] for frame in call["wire"]]


#: Calls of which no vector was shipped, with their arguments in the order of section 25 item 29, and words that they
#: leave by the sections named.
OTHER_CALLS: list[tuple[list[Any], dict[int, int]]] = [
    (["vlan_set", 10, 129, 2, 1, 10, 1, 1, 1, 5, 0, 20, 0], {0x10654C: 20 << 11 | 0x204, 0x106550: 0x1A0142A8}),  # 5.2
    (["vlan_op", 10, 1, 3], {0x106550: 3 << 2}),  # 5.2
    (["vlan_op", 0, 0, 2], {0x11F3D0: 0x20009}),  # 5.1
    (["vlan_op", 0, 2, 3], {0x122730: 3 << 1}),  # 5.3
    (["vlan_mac_range", 0, 129, 0, 10, 3, 0x020000000001, 0x02000000000F], {0x1064CC: 3 << 12 | 10, 0x11F720: 0x1204}),
    (["iso_mtu", 7], {0x11EEA8: 0x1F8 << 18, 0x11EEC0: 0x0FC << 18, 0x11EEC4: 0, 0x11EEC8: 0, 0x200070: 0x0FFE0000}),
    (["fc_force", 0, 1, 0], {0x142048: 1 << 9 | 1 << 8 | 1 << 6, 0x200070: 0x0FFE0004}),  # 7.6
    (["fc_auto", 0], {0x142048: 0, 0x200070: 0x0FFE0000}),
    (["port_force", 0, 0b0001000], {0x244000: 0x2300, 0x142048: 1 << 8 | 1 << 6, 0x200070: 0x0FFE0004}),  # 7.4
    (["port_autoneg", 0, 0b0110000], {0x244000: 0x1340, 0x244010: 0x0401, 0x244024: 0x0300}),  # 7.3
    (["port_mac_force", 0, 1, 2, 1, 1, 1, 1], {0x142040: 0x1DC3, 0x142048: 0x3C0, 0x200070: 0x0FFE0004}),  # 25.20
    (["mib_clear", 0, 19], {0x1420F0: 0x130}),  # 8.1
    (["mib_clear_all", 0], {0x1420F0: 0x140}),  # 25.22
    (["shaper", 0, 1, 0, 10], {0x1225D8: 24 << 16 | 3 << 13 | 1251 << 1, 0x122654: 1 << 2}),  # 25.25
    (["shaper", 0, 0, 0, 0], {0x122654: 0, 0x200070: 0x0FFE0000}),
]


@pytest.mark.parametrize(("call", "words"), OTHER_CALLS, ids=[str(call[0]) for call, _ in OTHER_CALLS])
def test_calls_that_no_shipped_vector_makes_leave_what_the_reference_says(
    call: list[Any], words: dict[int, int], tmp_path: Path
) -> None:
    run = Run("vlan_members", tmp_path)
    CALLS[call[0]](run.chip, *call[1:])
    assert {f"0x{at:06X}": f"0x{run.bus.words.get(at, 0):08X}" for at in words} == {
        f"0x{at:06X}": f"0x{value:08X}" for at, value in words.items()
    }


def test_every_call_of_the_vendors_is_made_here() -> None:
    shown = {call["call"][0] for name in NAMES_OF_VECTORS for call in json.loads(_text(name))["calls"]}
    assert shown | {call[0] for call, _ in OTHER_CALLS} == set(CALLS)


def _text(name: str) -> str:
    return (VECTORS / f"{name}.json").read_text()


def test_the_bus_sees_all_nine_ports() -> None:
    assert [port(logical) for logical in (*range(8), VENDORS_CPU_PORT)] == list(ALL_PORTS)
