"""The settings of a port as a whole: what the registers hold afterwards, what it costs, and that it can be undone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.errors import BusError
from hardware.jl6108.link_settings import SPEEDS, LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.registers import ANAR, BMCR, GBCR, HANDS_OFF, LINK_CONTROL
from hardware.jl6108.tables import OUTPUT_MIRROR
from hardware.switch_errors import RegistersDiffer
from tests.hardware.jl6108.conftest import Bench

AFTER_BOOT = 0x0FFE0000
RESTART = 1 << 9
FRESH = LinkSettings(True, None, SPEEDS, None, unattended=False)
ONLY_100 = LinkSettings(True, None, frozenset({Ability.FULL_100}), None, unattended=False)
FORCED_10 = LinkSettings(True, (10, False), SPEEDS, Pause(False, False), unattended=True)

LINKS = st.builds(
    LinkSettings,
    st.booleans(),
    st.none() | st.tuples(st.sampled_from([10, 100, 1000]), st.booleans()),
    st.frozensets(st.sampled_from(sorted(SPEEDS))),
    st.none() | st.builds(Pause, st.booleans(), st.booleans()),
    unattended=st.booleans(),
)


def test_a_chip_fresh_from_reset_negotiates_everything_on_every_port(bench: Bench) -> None:
    assert bench.chip.read_link_settings() == dict.fromkeys(range(1, 9), FRESH)
    assert bench.bus.transfers == 362


def test_a_fixed_speed_is_the_only_one_that_is_offered(bench: Bench) -> None:
    bench.chip.write_link_settings(2, ONLY_100, FRESH)
    assert (bench.value(ANAR, 1), bench.value(GBCR, 1), bench.value(BMCR, 1)) == (0x0D01, 0, 0x1340)
    assert bench.value(HANDS_OFF) == AFTER_BOOT
    assert bench.value(ANAR, 0) == 0x0DE1, "the other ports offer what they did"


def test_a_forced_speed_is_what_the_vendors_driver_leaves_behind(bench: Bench) -> None:
    bench.chip.write_link_settings(8, FORCED_10, FRESH)
    assert bench.value(BMCR, 7) == 0x0200
    assert bench.value(LINK_CONTROL, 7) == 0b0101 << 6
    assert bench.value(HANDS_OFF) == AFTER_BOOT | 1 << 9


def test_a_port_is_switched_off_and_on_without_touching_anything_else(bench: Bench) -> None:
    off = LinkSettings(False, None, SPEEDS, None, unattended=False)
    before = dict(bench.bus.words)
    bench.chip.write_link_settings(3, off, FRESH)
    assert bench.bus.transfers == 18 + 54
    assert {address for address, word in bench.bus.words.items() if before.get(address) != word} == {BMCR.at(2)}
    bench.chip.write_link_settings(3, FRESH, off)
    assert bench.bus.words == before


def test_flow_control_alone_does_not_drop_the_link(bench: Bench) -> None:
    paused = LinkSettings(True, None, SPEEDS, Pause(True, True), unattended=True)
    bench.chip.write_link_settings(4, paused, FRESH)
    assert bench.value(BMCR, 3) == 0x1140, "nothing was started anew"
    assert bench.value(LINK_CONTROL, 3) == 0b1111 << 6
    assert not paused.drops_link_of(FRESH)
    assert ONLY_100.drops_link_of(FRESH)
    assert not FRESH.drops_link_of(LinkSettings(False, None, SPEEDS, None, unattended=False))


def test_all_of_a_ports_settings_cost_so_much(bench: Bench) -> None:
    bench.chip.write_link_settings(1, FORCED_10)
    assert bench.bus.transfers == 96 + 54
    bench.chip.write_link_settings(1, FRESH)
    assert bench.bus.transfers == 96 + 54 + 114 + 54


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=LINKS, after=LINKS)
def test_any_settings_are_written_from_any_others_and_undone_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, before: LinkSettings, after: LinkSettings
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bus"))
    bench.chip.write_link_settings(5, before)
    held = _words(bench)
    assert bench.chip.read_link_settings()[5] == before
    bench.chip.write_link_settings(5, after, before)
    assert bench.chip.read_link_settings()[5] == after
    assert bench.chip.differing_link_settings({5: after}) == ()
    assert bool(bench.chip.differing_link_settings({5: before})) is (before != after)
    bench.chip.write_link_settings(5, before, after)
    assert bench.chip.read_link_settings()[5] == before
    if before.pause is not None or after.pause is None:
        assert _words(bench) == held, "values that nobody forces any more may stay"
    assert bench.chip.read_link_settings()[4] == FRESH


def _words(bench: Bench) -> dict[int, int]:
    words = dict(bench.bus.words)
    words[BMCR.at(4)] &= ~RESTART
    return words


def test_a_register_that_does_not_take_its_word_is_named(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: None if address == ANAR.at(1) else word
    with pytest.raises(RegistersDiffer, match=r"PHG_GEPHY_ANAR\[1\] at 0x248010") as refused:
        bench.chip.write_link_settings(2, ONLY_100, FRESH)
    assert [one.name for one in refused.value.differences] == ["PHG_GEPHY_ANAR[1]"]


def test_a_writer_that_dies_in_the_middle_leaves_what_its_next_life_sees(bench: Bench) -> None:
    """The firmware was asked to leave the port alone: that is among the settings, and is put back with them."""
    for last in range(20, 140, 7):
        fresh = bench.bus.words = dict(bench.bus.words)
        for address, word in ((HANDS_OFF.at(), AFTER_BOOT), (BMCR.at(1), 0x1140), (ANAR.at(1), 0x0DE1)):
            fresh[address] = word
        fresh[GBCR.at(1)], fresh[LINK_CONTROL.at(1)] = 0x300, 0
        _die(bench, last)
        held = bench.chip.read_link_settings()[2]
        assert held != FRESH or bench.value(HANDS_OFF) == AFTER_BOOT
        bench.chip.bring_into_step()
        bench.chip.write_link_settings(2, FRESH, held)
        assert bench.chip.read_link_settings()[2] == FRESH
        assert bench.value(HANDS_OFF) == AFTER_BOOT


def _die(bench: Bench, transfers: int) -> None:
    """Write FORCED_10 to port 2 with a bus that answers only so many transfers more."""
    last = bench.bus.transfers + transfers

    def dead(number: int) -> None:
        if number > last:
            raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)

    bench.bus.before_transfer = dead
    try:
        bench.chip.write_link_settings(2, FORCED_10, FRESH)
    except BusError:
        pass
    finally:
        bench.bus.before_transfer = lambda number: None


def test_output_mirrors_are_read_in_one_burst_and_written_bit_by_bit(bench: Bench) -> None:
    bench.chip.write_output_mirror(3, OutputMirror(0b0111_0001 << 1 | 1))
    assert bench.value(OUTPUT_MIRROR, 4) == 0b1110_0011
    assert bench.bus.transfers == 8 + 10
    found = bench.chip.read_output_mirrors()
    assert bench.bus.transfers == 18 + 42
    assert found[3].value == 0b1110_0011
    assert {port for port, one in found.items() if one.value} == {3}
