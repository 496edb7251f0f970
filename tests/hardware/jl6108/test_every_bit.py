"""Every change that the driver can make, bit by bit, on a chip whose every other bit is noise that has to stay.

Addresses and bits are written down here from the reference once more, not taken from the driver's tables: what a call
leaves is what was there, with the bits of `mask` as `value` has them, and no other word of the chip is touched.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from hardware.jl6108.chip import Jl6108
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.ranges import RangeOf, VidRange
from hardware.jl6108.rates import Storm
from hardware.jl6108.vlans import Choice, FrameFilter, SourcePort, TagOperation
from hardware.vlan import CPU_PORT
from tests.hardware.jl6108.conftest import Bench

# Port 4 is core port 5, MAC and PHY 3 (section 2); VID 10; the CPU is core port 10.
MAILBOX, WATCHDOG, STATISTIC_MODE_1 = 0x200070, 0x200068, 0x1420F0 + 0xC00
VLAN, SOURCE, EGRESS, FILTER = 0x1064FC + 80, 0x11F3B0 + 80, 0x122720 + 40, 0x11F354 + 20
PAIR, MIRROR = 0x11EEA0 + 20, 0x122870 + 20
BMCR, ANAR, GBCR = 0x250000, 0x250010, 0x250024
IFM, LINK = 0x142040 + 0xC00, 0x142048 + 0xC00
LEARNING, TIME = 0x1003E0, 0x100410
ALL = 0xFFFFFFFF

Bits = dict[int, tuple[int, int]]


def field(low: int, high: int, value: int) -> tuple[int, int]:
    """Mask and value of the bits `high`:`low` of a word."""
    return ((1 << high - low + 1) - 1) << low, value << low


def together(*fields: tuple[int, int]) -> tuple[int, int]:
    return sum(mask for mask, _ in fields), sum(value for _, value in fields)


OWN, SECOND = Choice.OWN, Choice.SECOND_TAG
RATE = 24 << 16 | 4 << 13 | 1251 << 1  # 1,000 kbit/s = 125,000 bytes/s: 1,251 tokens of 100 Hz, 24 bytes of gap
CASES: dict[str, tuple[Callable[[Jl6108], Any], Bits]] = {
    "members": (lambda chip: chip.set_vlan_members(10, {1, 8}), {VLAN: field(0, 10, 0x204)}),
    "members with the CPU": (lambda chip: chip.set_vlan_members(10, {CPU_PORT}), {VLAN: field(0, 10, 0x400)}),
    "fid": (lambda chip: chip.set_vlan_fid(10, 0x923), {VLAN: field(11, 22, 0x923)}),
    "operation of a VLAN": (lambda chip: chip.set_vlan_operation(10, TagOperation.POP), {VLAN + 4: field(2, 4, 3)}),
    "tag of a VLAN": (
        lambda chip: chip.change_vlan(10, vid=0xABC, pcp=5, dei=0, vid_choice=1, dei_choice=2, pcp_choice=1),
        {
            VLAN + 4: together(
                *(field(5, 6, 1), field(7, 8, 2), field(9, 10, 1)),
                *(field(13, 24, 0xABC), field(25, 27, 5), field(28, 28, 0)),
            )
        },
    ),
    "spanning tree and policer of a VLAN": (
        lambda chip: chip.change_vlan(10, spanning_tree=0b0110, policer_valid=1, policer=9, policer_order=2),
        {VLAN: together(field(23, 23, 1), field(24, 27, 9), field(28, 29, 2), field(30, 31, 2)), VLAN + 4: (3, 1)},
    ),
    "closed": (lambda chip: chip.close_vlan(10), {VLAN: (ALL, 0), VLAN + 4: (ALL, 0)}),
    "opened": (lambda chip: chip.open_vlan(10), {VLAN: (ALL, 0x7FF), VLAN + 4: (ALL, 0)}),
    "pvid": (
        lambda chip: chip.set_pvid(4, 0xABC, dei=1, pcp=5, order=2),
        {
            SOURCE: field(29, 31, 0xABC & 7),
            SOURCE + 4: together(field(0, 8, 0xABC >> 3), field(9, 10, 2), field(11, 11, 1), field(12, 14, 5)),
        },
    ),
    "ingress operation": (
        lambda chip: chip.set_ingress_operation(
            4, TagOperation.PUSH, vid=OWN, dei=SECOND, pcp=OWN, tag_type=2, assignment=1
        ),
        {
            SOURCE: together(
                *(field(16, 18, 2), field(19, 20, 1), field(21, 22, 2), field(23, 24, 1)),
                *(field(25, 26, 2), field(27, 28, 1)),
            )
        },
    ),
    "everything else of a source port": (
        lambda chip: chip.change_source_port(
            4,
            **{"learning": 0, "drop_unknown": 1, "use_acl": 0, "fewest_vlans": 1, "most_vlans": 2},
            **{"spanning_tree": 4, "ignores_vid": 1, "ignored_vid": 0xABC},
        ),
        {
            SOURCE: together(field(0, 0, 0), field(1, 1, 1), field(3, 3, 0)),
            SOURCE + 4: together(
                *(field(15, 16, 1), field(17, 18, 2), field(25, 27, 4), field(28, 28, 1)),
                field(29, 31, 0xABC & 7),
            ),
            SOURCE + 8: field(0, 8, 0xABC >> 3),
        },
    ),
    "egress operation": (
        lambda chip: chip.set_egress_operation(4, TagOperation.POP, vid=OWN, dei=SECOND, pcp=OWN, tag_type=2),
        {EGRESS: together(field(1, 3, 3), field(4, 5, 2), field(6, 7, 1), field(8, 9, 2), field(10, 11, 1))},
    ),
    "everything else of an egress port": (
        lambda chip: chip.change_egress_port(
            4,
            **{"vid": 0xABC, "dei": 1, "pcp": 5, "disabled": 0, "drop_c_tagged": 1, "drop_s_tagged": 0},
            **{"drop_many_tags": 1, "drop_untagged": 1, "drop_single_tagged": 0},
        ),
        {
            EGRESS: together(
                *(field(12, 23, 0xABC), field(24, 24, 1), field(25, 27, 5), field(28, 28, 0)),
                *(field(29, 29, 1), field(30, 30, 0), field(31, 31, 1)),
            ),
            EGRESS + 4: field(0, 1, 0b01),
        },
    ),
    "frame filter": (
        lambda chip: chip.change_frame_filter(
            4, drop_c_tagged=1, drop_s_tagged=0, drop_many_tags=1, drop_untagged=0, drop_single_tagged=1
        ),
        {FILTER: field(0, 4, 0b10101)},
    ),
    "isolation": (lambda chip: chip.set_isolation({4: {5, CPU_PORT}}), {PAIR: field(18, 28, 1 << 6 | 1 << 10)}),
    "no isolation": (lambda chip: chip.set_isolation({4: ()}), {PAIR: field(18, 28, 0)}),
    "mirror of what enters": (
        lambda chip: chip.mirror_ingress(4, CPU_PORT),
        {SOURCE + 4: together(field(20, 20, 1), field(21, 24, 10))},
    ),
    "no mirror of what enters": (lambda chip: chip.mirror_ingress(4, None), {SOURCE + 4: field(20, 24, 0)}),
    "mirror of what leaves": (lambda chip: chip.mirror_egress(4, 1), {MIRROR: field(0, 4, 2 << 1 | 1)}),
    "no mirror of what leaves": (lambda chip: chip.mirror_egress(4, None), {MIRROR: field(0, 4, 0)}),
    "a port off": (lambda chip: chip.set_port_enabled(4, False), {BMCR: field(11, 11, 1)}),
    "a port on": (lambda chip: chip.set_port_enabled(4, True), {BMCR: field(11, 11, 0)}),
    "negotiation": (
        lambda chip: chip.negotiate(4, [Ability.FULL_10, Ability.HALF_100, Ability.FULL_1000, Ability.PAUSE]),
        {
            MAILBOX: field(5, 5, 0),
            LINK: together(field(6, 6, 0), field(8, 8, 0)),
            ANAR: together(field(5, 8, 0b0110), field(10, 11, 0b01)),
            GBCR: field(8, 9, 0b11),
            BMCR: together(field(9, 9, 1), field(12, 12, 1)),
        },
    ),
    "a forced speed": (
        lambda chip: chip.force_speed(4, 100, False, Pause(receive=True, send=False)),
        {
            MAILBOX: field(5, 5, 1),
            LINK: field(6, 9, 0b0111),
            BMCR: together(field(6, 6, 0), field(8, 9, 0b10), field(12, 13, 0b10)),
        },
    ),
    "forced flow control": (
        lambda chip: chip.set_flow_control(4, Pause(receive=False, send=True)),
        {MAILBOX: field(5, 5, 1), LINK: field(6, 9, 0b1101)},
    ),
    "negotiated flow control": (
        lambda chip: chip.set_flow_control(4, None),
        {MAILBOX: field(5, 5, 0), LINK: together(field(6, 6, 0), field(8, 8, 0))},
    ),
    "a forced MAC": (
        lambda chip: chip.force_mac_link(4, 1000, False, True, Pause(receive=True, send=False)),
        {
            MAILBOX: field(5, 5, 1),
            IFM: together(field(0, 1, 0b11), field(6, 7, 0b01), field(8, 8, 1), field(9, 12, 0xE)),
            LINK: field(6, 9, 0b0111),
        },
    ),
    "a MAC let go": (
        lambda chip: chip.force_mac_link(4, 10, True, False, Pause(receive=True, send=True), forced=False),
        {
            MAILBOX: field(5, 5, 0),
            IFM: together(field(0, 1, 0), field(6, 7, 0b10), field(8, 8, 0), field(9, 12, 0xC)),
            LINK: field(6, 9, 0),
        },
    ),
    "a counter": (
        lambda chip: chip.clear_counter(4, "tx_errors"),
        {STATISTIC_MODE_1: together(field(0, 0, 0), field(4, 11, 9))},
    ),
    "all counters": (
        lambda chip: chip.clear_counters(4),
        {STATISTIC_MODE_1: together(field(0, 0, 0), field(4, 11, 20))},
    ),
    "a storm in force": (lambda chip: chip.limit_storm(4, Storm.FLOODING, True), {0x100258: field(5, 5, 1)}),
    "a storm out of force": (lambda chip: chip.limit_storm(4, Storm.MULTICAST, False), {0x1001D0: field(5, 5, 0)}),
    "a storm's rate": (
        lambda chip: chip.set_storm_rate(4, Storm.BROADCAST, 1000),
        {MAILBOX: field(17, 17, 1), 0x1000D8: (ALL, RATE), 0x100104: (ALL, 25_020), 0x100130: (ALL, 12_510)},
    ),
    "a port's rate": (
        lambda chip: chip.shape_port(4, 1000),
        {
            **{MAILBOX: field(23, 23, 1), 0x1225E4: (ALL, RATE), 0x122610: (ALL, 12_510), 0x12263C: (ALL, 6_255)},
            0x122654: field(5, 5, 1),
        },
    ),
    "no rate": (lambda chip: chip.shape_port(4, None), {MAILBOX: field(23, 23, 1), 0x122654: field(5, 5, 0)}),
    "ageing": (
        lambda chip: chip.set_ageing_seconds(60),
        {LEARNING: field(1, 1, 1), TIME: (ALL, 40_000), TIME + 4: field(0, 2, 3)},
    ),
    "a flush": (lambda chip: chip.flush_learned(), {LEARNING: field(1, 1, 1)}),
    "a range of MACs": (
        lambda chip: chip.set_range(
            RangeOf.MAC, 1, VidRange(frozenset({1, 8}), 0x0250B6112233, 0x0250B6112244, 0xABC, 2, flag=True)
        ),
        {
            0x1064D0: field(0, 13, 2 << 12 | 0xABC),
            0x11F730: together(field(0, 10, 0x204), field(11, 11, 1), field(12, 31, 0x0250B6112233 & 0xFFFFF)),
            0x11F734: together(field(0, 27, 0x0250B6112233 >> 20), field(28, 31, 0x4)),
            0x11F738: (ALL, 0x0250B6112244 >> 4 & ALL),
            0x11F73C: field(0, 11, 0x0250B6112244 >> 36),
        },
    ),
    "a range of inner VIDs": (
        lambda chip: chip.set_range(RangeOf.INNER_VID, 3, VidRange(frozenset({1}), 0x123, 0xFED, 7, 1)),
        {
            0x1064F8: field(0, 13, 1 << 12 | 7),
            0x1202B0: together(field(0, 11, 1 << 2), field(12, 23, 0x123), field(24, 31, 0xED)),
            0x1202B4: field(0, 3, 0xF),
        },
    ),
    "a range of types": (
        lambda chip: chip.set_range(RangeOf.TYPE, 0, VidRange(frozenset({1}), 0x86DD, 0x88A8, 7, 3)),
        {
            0x11F2CC: field(0, 13, 3 << 12 | 7),
            0x120278: together(field(0, 10, 1 << 2), field(11, 26, 0x86DD), field(27, 31, 0x88A8 & 0x1F)),
            0x12027C: field(0, 10, 0x88A8 >> 5),
        },
    ),
    "a range taken away": (lambda chip: chip.clear_range(RangeOf.OUTER_VID, 2), {0x1202C8: field(0, 10, 0)}),
    "the watchdog": (lambda chip: chip.starve_watchdog(), {WATCHDOG: together(field(0, 0, 1), field(2, 2, 0))}),
    "plain words": (lambda chip: chip.write_words(0x124014, [7]), {0x124014: (ALL, 7)}),
}
#: What is never noise: the chip says who it is, its ticks are those that rates are made of, nothing flushes.
FIXED = {0x20004C: 0x00016108, 0x200054: 0x00130000, 0x200074: 1, 0x100008: 0x00050019}
NOISY = sorted({address & ~0xFC for _, bits in CASES.values() for address in bits})


def noisy(bench: Bench, seed: int) -> dict[int, int]:
    """Every word of every 256 bytes that one of the cases is about holds something else."""
    chance = random.Random(seed)
    bench.bus.words = {address + 4 * n: chance.getrandbits(32) for address in NOISY for n in range(64)} | FIXED
    return dict(bench.bus.words)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))])
@pytest.mark.parametrize("name", CASES)
def test_a_change_is_made_bit_by_bit_and_nothing_else_is(bench: Bench, name: str, seed: int) -> None:
    before = noisy(bench, seed)
    change, bits = CASES[name]
    change(bench.chip)
    expected = dict(before)
    for address, (mask, value) in bits.items():
        assert not value & ~mask
        expected[address] = before[address] & ~mask | value
    changed = {f"0x{at:06X}": f"0x{bench.bus.words[at]:08X}" for at in before if bench.bus.words[at] != before[at]}
    right = {f"0x{at:06X}": f"0x{word:08X}" for at, word in expected.items() if word != before[at]}
    assert changed == right
    assert set(bench.bus.words) == set(before)


def test_tables_of_a_port_are_written_whole_and_no_other_ports(bench: Bench) -> None:
    before = noisy(bench, 5)
    held = bench.chip.read_port_tables(4)
    wanted = type(held)(SourcePort(held.source.value ^ ALL), held.egress, FrameFilter(7))
    bench.chip.write_port_tables(4, wanted, held)
    assert bench.bus.words == before | {SOURCE: before[SOURCE] ^ ALL, FILTER: 7}


def test_every_way_to_change_the_chip_is_among_the_cases() -> None:
    """A new method that changes something comes with its case here, or with a test of its own named below."""
    elsewhere = {
        *("write_output_mirror", "write_link_settings", "differing_link_settings"),  # test_link_settings
        *("set_isolation", "write_vlan", "write_vlans", "write_port_tables", "bring_into_step", "close"),
        *("fix_address", "write_address", "remove_address", "flush_ports", "end_flush"),  # test_addresses, test_ageing
    }
    reads = ("read", "scan", "find", "is_", "identify", "reread")
    named = {name for change, _ in CASES.values() for name in change.__code__.co_names}
    public = {name for name in dir(Jl6108) if not name.startswith(("_", *reads)) and callable(getattr(Jl6108, name))}
    assert public - named - elsewhere == set()
