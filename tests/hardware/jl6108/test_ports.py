"""Ports, isolation, mirrors and rates: the registers that each of them has to leave behind.

What the reference reports of vectors that we do not have ("[V name]") is checked here by its text.
"""

import pytest

from hardware.contracts import Link
from hardware.errors import BusError
from hardware.jl6108 import registers, tables
from hardware.jl6108.isolation import only_uplink
from hardware.jl6108.mirror import Mirrors
from hardware.jl6108.numbering import ALL_PORTS, core_mask
from hardware.jl6108.ports import Ability, Pause, PortSettings
from hardware.jl6108.rates import Storm
from hardware.jl6108.registers import ANAR, BMCR, GBCR, HANDS_OFF, IFM_CONTROL, LINK_CONTROL
from hardware.switch_errors import RegistersDiffer
from hardware.vlan import CPU_PORT
from tests.hardware.jl6108.conftest import Bench

AFTER_BOOT = 0x0FFE0000
BOTH = Pause(receive=True, send=True)
NEITHER = Pause(receive=False, send=False)


def nack(number: int) -> None:
    raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)


def test_a_port_says_how_it_is_set(bench: Bench) -> None:
    assert bench.chip.read_port_settings(1) == PortSettings(
        enabled=True,
        negotiates=True,
        offers=frozenset(Ability),
        mbps=1000,
        full_duplex=True,
        pause=None,
    )
    assert bench.bus.transfers == 44


def test_a_port_that_is_switched_off_says_so(bench: Bench) -> None:
    bench.chip.set_port_enabled(3, False)
    assert bench.value(BMCR, 2) == 0x1940
    assert not bench.chip.read_port_settings(3).enabled
    assert bench.chip.read_port_settings(4).enabled


def test_forcing_a_speed_asks_the_firmware_to_leave_the_port_alone_for_good(bench: Bench) -> None:
    bench.chip.force_speed(1, 100, True, BOTH)
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 2
    assert bench.value(LINK_CONTROL, 0) == 0b1111 << 6
    assert bench.value(BMCR, 0) == 0x2300
    settings = bench.chip.read_port_settings(1)
    assert (settings.negotiates, settings.mbps, settings.full_duplex, settings.pause) == (False, 100, True, BOTH)


@pytest.mark.parametrize(
    ("mbps", "full_duplex", "bmcr"), [(10, False, 0x0200), (10, True, 0x0300), (1000, True, 0x0340)]
)
def test_every_speed_has_its_bits(bench: Bench, mbps: int, full_duplex: bool, bmcr: int) -> None:
    bench.chip.force_speed(8, mbps, full_duplex, NEITHER)
    assert bench.value(BMCR, 7) == bmcr
    assert bench.value(LINK_CONTROL, 7) == 0b0101 << 6


def test_a_speed_that_there_is_not_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="10, 100 or 1000"):
        bench.chip.force_speed(1, 2500, True, BOTH)
    with pytest.raises(ValueError, match="10, 100 or 1000"):
        bench.chip.force_mac_link(1, 0, True, True, BOTH)
    assert bench.bus.transfers == 0


def test_negotiating_gives_the_port_back_to_the_firmware(bench: Bench) -> None:
    bench.chip.force_speed(1, 100, True, BOTH)
    bench.chip.negotiate(1, [Ability.FULL_100, Ability.FULL_1000, Ability.PAUSE])
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    assert bench.value(LINK_CONTROL, 0) & 0b0101 << 6 == 0
    assert bench.value(ANAR, 0) == 0x0DE1 & ~0b1111_1110_0000 | 1 << 8 | 1 << 10
    assert bench.value(GBCR, 0) == 0x0300
    assert bench.value(BMCR, 0) & 0x1200 == 0x1200
    bench.chip.negotiate(1, [Ability.HALF_10])
    assert bench.value(GBCR, 0) == 0


def test_a_restart_bit_that_falls_by_itself_is_no_difference(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: word & ~0x200 if address == BMCR.at(0) else word
    bench.chip.negotiate(1, [Ability.FULL_1000])
    assert bench.value(BMCR, 0) == 0x1140


def test_flow_control_is_forced_and_let_go(bench: Bench) -> None:
    bench.chip.set_flow_control(2, Pause(receive=True, send=False))
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 3
    assert bench.value(LINK_CONTROL, 1) == 0b0111 << 6
    assert bench.chip.read_port_settings(2).pause == Pause(receive=True, send=False)
    bench.chip.set_flow_control(2, None)
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    assert bench.value(LINK_CONTROL, 1) == 0b0010 << 6, "the values stay, as with the vendor"


def test_the_link_of_a_mac_is_forced_down_before_it_is_what_was_asked(bench: Bench) -> None:
    steps: list[int] = []

    def note(address: int, word: int) -> int:
        if address == IFM_CONTROL.at(4):
            steps.append(word)
        return word

    bench.bus.stores = note
    start = bench.clock.monotonic()
    bench.hold(IFM_CONTROL, 4, 0b111100)
    bench.chip.force_mac_link(5, 1000, True, True, Pause(receive=True, send=False))
    assert steps == [0b111101, 0b1_1101_1111_1111]
    assert bench.clock.monotonic() - start == pytest.approx(0.0011)
    assert bench.value(LINK_CONTROL, 4) == 0b0111 << 6
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 6
    bench.chip.force_mac_link(5, 10, False, False, BOTH, forced=False)
    assert bench.value(IFM_CONTROL, 4) & 0b1_0100_0001 == 0
    assert bench.value(LINK_CONTROL, 4) == 0
    assert bench.value(HANDS_OFF) == AFTER_BOOT


@pytest.mark.parametrize("port", [0, CPU_PORT, 10])
def test_a_front_port_that_is_not_there_is_refused(bench: Bench, port: int) -> None:
    for call in (bench.chip.read_port_settings, bench.chip.read_counters, bench.chip.read_port_status):
        with pytest.raises(ValueError, match="front ports 1 to 8"):
            call(port)
    assert bench.bus.transfers == 0


def test_a_port_that_lost_its_link_has_none_at_its_mac_either(bench: Bench) -> None:
    status = bench.chip.read_port_status(1)
    assert not status.link.up
    assert status.mac_link == Link(up=False, mbps=10, full_duplex=False)
    bench.hold(registers.MAC_STATUS, 0, 7 << 2)
    assert bench.chip.read_port_status(1).mac_link.mbps == 0, "no speed that there is"


# Isolation


def test_a_port_whose_speed_could_not_be_forced_is_left_to_the_firmware(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: None if address == BMCR.at(0) else word
    with pytest.raises(RegistersDiffer, match="BMCR"):
        bench.chip.force_speed(1, 100, True, BOTH)
    assert bench.value(HANDS_OFF) == AFTER_BOOT


def test_the_firmware_waits_while_a_port_is_given_back_to_it(bench: Bench) -> None:
    mailbox: list[int] = []

    def note(address: int, word: int) -> int:
        if address == LINK_CONTROL.at(0):
            mailbox.append(bench.value(HANDS_OFF))
        return word

    bench.bus.stores = note
    bench.chip.negotiate(1, [Ability.FULL_1000])
    assert mailbox == [AFTER_BOOT | 1 << 2]
    assert bench.value(HANDS_OFF) == AFTER_BOOT


def test_storm_rates_keep_the_firmware_off_theirs(bench: Bench) -> None:
    bench.hold(HANDS_OFF, 0, AFTER_BOOT & ~(1 << 17))
    bench.chip.set_storm_rate(1, Storm.BROADCAST, 1000)
    assert bench.value(HANDS_OFF) == AFTER_BOOT


def test_isolating_asks_the_firmware_to_wait_and_lets_it_go_on(bench: Bench) -> None:
    mailbox: list[int] = []

    def note(address: int, word: int) -> int:
        if address == tables.ISOLATION.at(5):
            mailbox.append(bench.value(HANDS_OFF))
        return word

    bench.bus.stores = note
    start = bench.clock.monotonic()
    bench.chip.set_isolation({4: {5}, 5: {4}})
    assert mailbox == [AFTER_BOOT | 1 << 16]
    assert bench.clock.monotonic() - start == pytest.approx(0.001)
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    assert bench.chip.read_isolation()[4] == {5}


def test_bits_that_the_firmware_owns_stay_when_ports_are_isolated(bench: Bench) -> None:
    bench.hold(tables.ISOLATION, 5, 0b111 << 10)
    bench.chip.set_isolation({4: {5}})
    assert bench.value(tables.ISOLATION, 5) == 1 << 24 | 0b111 << 10
    bench.chip.set_isolation({4: set()})
    assert bench.value(tables.ISOLATION, 5) == 0b111 << 10


def test_a_bit_that_somebody_sets_in_the_mailbox_meanwhile_is_not_lost(bench: Bench) -> None:
    def meddle(address: int, word: int) -> int:
        if address == tables.ISOLATION.at(5):
            bench.bus.words[HANDS_OFF.address] |= 1 << 4
        return word

    bench.bus.stores = meddle
    bench.chip.set_isolation({4: {5}})
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 4


def test_a_mailbox_bit_that_was_set_before_stays_set(bench: Bench) -> None:
    bench.hold(HANDS_OFF, 0, AFTER_BOOT | 1 << 16)
    bench.chip.set_isolation({4: {5}})
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 16


def test_the_firmware_is_let_go_on_after_an_error_too(bench: Bench) -> None:
    # 10 + 8 transfers raise the bit; then a read fails three times at its first frame, which takes no transfer.
    failures = iter(range(3))

    def fail(number: int) -> None:
        if number == 19 and next(failures, None) is not None:
            nack(number)

    bench.bus.before_transfer = fail
    with pytest.raises(BusError):
        bench.chip.set_isolation({4: {5}})
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    assert bench.value(tables.ISOLATION, 5) == 0


def test_a_mailbox_that_cannot_be_restored_is_told_beside_the_first_error(bench: Bench) -> None:
    def fail(number: int) -> None:
        if number >= 19:
            nack(number)

    bench.bus.before_transfer = fail
    with pytest.raises(BusError, match="changing 0x11EEB4") as caught:
        bench.chip.set_isolation({4: {5}})
    assert isinstance(caught.value.release_error, BusError)


def test_everyone_talks_only_to_the_uplink(bench: Bench) -> None:
    bench.chip.set_isolation(only_uplink(8))
    for port in range(1, 8):
        # Section 6: all sources but the uplink, itself and the CPU; item 19 of section 25: the CPU hears everyone.
        assert bench.value(tables.ISOLATION, port + 1) == (0x3FC & ~0x200 & ~(1 << port + 1)) << 18
    assert bench.value(tables.ISOLATION, 9) == 0
    assert bench.value(tables.ISOLATION, 10) == 0
    assert bench.chip.read_isolation()[CPU_PORT] == frozenset()


def test_isolation_that_did_not_take_is_told(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: None if address == tables.ISOLATION.at(5) else word
    with pytest.raises(RegistersDiffer, match=r"PACKET_TYPE_FILTER\[5\]"):
        bench.chip.set_isolation({4: {5}})


@pytest.mark.parametrize("port", [0, 10])
def test_a_port_that_the_core_has_not_is_refused(bench: Bench, port: int) -> None:
    for change in (lambda: bench.chip.set_isolation({4: {port}}), lambda: bench.chip.mirror_egress(port, 1)):
        with pytest.raises(ValueError, match="ports 1 to 8 and 9, its own"):
            change()
    assert bench.bus.written == []


# Mirrors


def test_mirrors_are_read_as_they_were_set(bench: Bench) -> None:
    bench.chip.mirror_ingress(1, 2)
    bench.chip.mirror_egress(3, CPU_PORT)
    mirrors = bench.chip.read_mirrors()
    assert mirrors[1] == Mirrors(ingress=2)
    assert mirrors[3] == Mirrors(egress=CPU_PORT)
    assert {mirrors[port] for port in ALL_PORTS if port not in (1, 3)} == {Mirrors()}
    bench.hold(tables.OUTPUT_MIRROR, 4, 0b00011)
    assert bench.chip.read_mirrors()[3] == Mirrors(), "core port 1 is one that this chip has not"
    with pytest.raises(ValueError, match="mirrored to itself"):
        bench.chip.mirror_ingress(4, 4)


def test_a_mirror_that_did_not_take_is_told(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: None
    with pytest.raises(RegistersDiffer, match=r"OUTPUT_MIRRORING_TABLE\[2\]"):
        bench.chip.mirror_egress(1, 2)


# Rates


def test_a_bucket_is_never_larger_than_the_chip_can_hold(bench: Bench) -> None:
    bench.chip.set_storm_rate(1, Storm.BROADCAST, 3000)
    rate, capacity, threshold, _ = tables.BROADCAST_STORM
    assert rate.get(bench.value(rate, 2), "tokens") == 3751
    assert (bench.value(threshold, 2), bench.value(capacity, 2)) == (37_510, 0xFFFF)


def test_a_storm_in_packets_has_no_token_to_spare(bench: Bench) -> None:
    bench.chip.set_storm_rate(1, Storm.MULTICAST, 1000, packets=True)
    rate, capacity, threshold, enable = tables.MULTICAST_STORM
    assert bench.value(rate, 2) == 24 << 16 | 4 << 13 | 10 << 1 | 1
    assert (bench.value(threshold, 2), bench.value(capacity, 2)) == (10, 20)
    assert bench.value(enable) == 0
    bench.chip.limit_storm(1, Storm.MULTICAST, True)
    bench.chip.limit_storm(8, Storm.MULTICAST, True)
    bench.chip.limit_storm(1, Storm.MULTICAST, False)
    assert bench.value(enable) == core_mask({8})
    assert bench.chip.read_storm_rate(1, Storm.MULTICAST) == (1000, True)


@pytest.mark.parametrize(("rate", "packets"), [(0, False), (40_000_000, False), (500_000_000, True), (99, True)])
def test_a_storm_rate_that_the_chip_cannot_hold_is_refused(bench: Bench, rate: int, packets: bool) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        bench.chip.set_storm_rate(1, Storm.FLOODING, rate, packets=packets)
    assert bench.bus.written == []


def test_a_shaped_port_keeps_the_firmware_off_its_shaper(bench: Bench) -> None:
    bench.hold(HANDS_OFF, 0, AFTER_BOOT & ~(1 << 20))
    bench.chip.shape_port(1, 10_000)
    rate, capacity, threshold, enable = tables.PORT_SHAPER
    assert bench.value(rate, 2) == 24 << 16 | 3 << 13 | 1251 << 1
    assert (bench.value(threshold, 2), bench.value(capacity, 2)) == (6255, 12510)
    assert bench.value(enable) == 1 << 2
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    bench.chip.shape_port(1, None)
    assert bench.value(enable) == 0
    assert bench.value(HANDS_OFF) == AFTER_BOOT, "what it is after boot, where the vendor clears it"


# Restart


def test_the_watchdog_is_starved_and_the_chip_asked_anew_who_it_is(bench: Bench) -> None:
    bench.chip.starve_watchdog()
    assert bench.value(registers.WATCHDOG) == 1
    bench.bus.wire.clear()
    bench.chip.read_heartbeat()
    assert bench.bus.transfers == 30
    assert bench.chip.read_hands_off() == AFTER_BOOT
