"""Setups: what is beside the VLANs finds its way to the chip and back, and what is not ours is not taken for it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from hardware.jl6108.link_settings import SPEEDS, LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.setups import interpret_setup, mirrors_to, translate_setup
from hardware.switch_errors import SetupInvalid
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from hardware.vlan import Recipe
from tests.switch.tables import CLOSED_CHIP, FRESH_LINK, chip_of, flat, setups

QUICK = settings(max_examples=60, derandomize=True, deadline=None)
USUAL = SwitchSetup(flat())
NAMES = {1: "management"}


@QUICK
@given(setup=setups())
def test_every_setup_is_read_back_as_it_was_meant(setup: SwitchSetup) -> None:
    names = {vlan.vid: vlan.name for vlan in setup.table.vlans}
    assert interpret_setup(chip_of(setup), names) == setup


@QUICK
@given(setup=setups(Recipe.CANONICAL))
def test_by_the_other_recipe_as_well(setup: SwitchSetup) -> None:
    held = interpret_setup(chip_of(setup, Recipe.CANONICAL), {vlan.vid: vlan.name for vlan in setup.table.vlans})
    assert held is not None
    assert replace(held, table=setup.table) == setup


def test_a_setup_that_says_nothing_writes_nothing_beside_the_vlans() -> None:
    chip = chip_of(USUAL)
    assert replace(chip, entries={}, ports={}) == replace(CLOSED_CHIP, entries={}, ports={})


def test_a_chip_of_which_only_the_vlans_are_known_is_changed_in_nothing_else() -> None:
    chip = ChipVlans({}, CLOSED_CHIP.ports)
    wanted = translate_setup(replace(USUAL, apart=frozenset({(1, 2)}), mirror=Mirror(3, frozenset({4}))), chip)
    assert (wanted.isolation, wanted.output_mirrors, wanted.links) == ({}, {}, {})
    assert wanted.ports == translate_setup(USUAL, chip).ports


def test_what_is_kept_apart_is_blocked_both_ways_and_the_switchs_own_port_never_is() -> None:
    chip = chip_of(replace(USUAL, apart=frozenset({(5, 2), (2, 8)})))
    assert {port: blocked for port, blocked in chip.isolation.items() if blocked} == {2: {5, 8}, 5: {2}, 8: {2}}


def test_copies_go_where_the_chip_has_them_go() -> None:
    chip = chip_of(replace(USUAL, mirror=Mirror(3, frozenset({1}), frozenset({1, 8}))))
    ways = {port: both for port, both in mirrors_to(chip).items() if both != (None, None)}
    assert ways == {1: (3, 3), 8: (None, 3)}
    assert chip.ports[1].source.value >> 52 & 0x1F == 1 | 4 << 1, "core port 4"
    assert chip.output_mirrors[8].value == 1 | 4 << 1


FOREIGN = {
    "one way only": {"isolation": {**CLOSED_CHIP.isolation, 2: frozenset({3})}},
    "the switch's own port": {"isolation": {**CLOSED_CHIP.isolation, 2: frozenset({9}), 9: frozenset({2})}},
    "copies to two ports": {
        "output_mirrors": {**CLOSED_CHIP.output_mirrors, 1: OutputMirror(1 | 5 << 1), 2: OutputMirror(1 | 6 << 1)}
    },
    "copies to a port that the chip has not": {
        "output_mirrors": {**CLOSED_CHIP.output_mirrors, 1: OutputMirror(1 | 1 << 1)}
    },
    "copies of the switch's own frames": {
        "output_mirrors": {**CLOSED_CHIP.output_mirrors, 9: OutputMirror(1 | 5 << 1)}
    },
    "two speeds offered": {
        "links": {**CLOSED_CHIP.links, 1: replace(FRESH_LINK, offers=frozenset({Ability.FULL_10, Ability.FULL_100}))}
    },
    "pause one way": {
        "links": {**CLOSED_CHIP.links, 1: LinkSettings(True, None, SPEEDS, Pause(True, False), unattended=True)}
    },
    "a port left alone for nothing": {"links": {**CLOSED_CHIP.links, 1: replace(FRESH_LINK, unattended=True)}},
    "1000 Mb/s forced": {
        "links": {
            **CLOSED_CHIP.links,
            1: LinkSettings(True, (1000, True), SPEEDS, Pause(False, False), unattended=True),
        }
    },
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_no_setup_of_ours_would_write_is_none_of_ours_and_can_be_written_over(what: str) -> None:
    chip = replace(chip_of(USUAL), **FOREIGN[what])
    assert interpret_setup(chip, NAMES) is None
    assert interpret_setup(translate_setup(USUAL, chip), NAMES) == USUAL


def test_a_port_that_offers_no_half_duplex_is_left_at_that() -> None:
    best = replace(FRESH_LINK, offers=frozenset({Ability.FULL_10, Ability.FULL_100, Ability.FULL_1000}))
    chip = replace(chip_of(USUAL), links={**CLOSED_CHIP.links, 1: best})
    assert interpret_setup(chip, NAMES) == USUAL


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PortSetup(mbps=2500), "A port runs at 10, 100 or 1000 Mb/s, not 2500."),
        (lambda: PortSetup(negotiates=False), "A port that does not negotiate needs a speed."),
        (lambda: PortSetup(full_duplex=False), "Half duplex needs a fixed speed."),
        (lambda: PortSetup(mbps=1000, full_duplex=False), "1000 Mb/s is always full duplex."),
        (
            lambda: PortSetup(mbps=1000, negotiates=False, flow_control=FlowControl.ON),
            "1000 Mb/s over copper has to be negotiated.",
        ),
        (
            lambda: PortSetup(mbps=100, negotiates=False),
            "Without negotiation, flow control is on or off: nobody agrees on it.",
        ),
        (lambda: Mirror(1), "Port 1 is to get copies, but of no port."),
        (lambda: Mirror(1, frozenset({1, 2})), "Port 1 cannot get copies of its own frames."),
        (lambda: Mirror(9, frozenset({1})), "The switch has ports 1 to 8, not 9."),
        (lambda: replace(USUAL, apart=frozenset({(1, 1)})), "Port 1 cannot be kept apart from itself."),
        (lambda: replace(USUAL, apart=frozenset({(1, 9)})), "The switch has ports 1 to 8, not 9."),
        (lambda: replace(USUAL, ports={0: PortSetup()}), "The switch has ports 1 to 8, not 0."),
    ],
)
def test_what_nobody_can_want_is_refused_in_one_sentence(make, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SetupInvalid) as refused:
        make()
    assert str(refused.value) == sentence
