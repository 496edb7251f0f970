"""SOM types as data: what a row has to say, and the sentence when it does not."""

from typing import Any

import pytest

from hardware.errors import TraitsError
from hardware.som import CM4, CM5, TRAITS, SomTraits


@pytest.mark.parametrize("traits", TRAITS.values(), ids=str)
def test_the_vendors_types_pass_the_check_that_third_party_ones_pass(traits: SomTraits) -> None:
    assert SomTraits.from_mapping(traits.to_mapping()) == traits


def test_the_power_figures_are_the_vendors() -> None:
    figures = {name: (traits.idle_watts, traits.full_watts, traits.peak_watts) for name, traits in TRAITS.items()}
    assert figures == {"LM3H": (1.2, 2.6, 3.7), "M4N": (3, 8.3, 9), "CM4": (3, 4.5, 4.6), "CM5": (4, 7.6, 8)}


@pytest.mark.parametrize("traits", TRAITS.values(), ids=str)
def test_no_type_claims_to_be_verified_and_each_names_its_source(traits: SomTraits) -> None:
    assert not traits.verified
    assert "vendor" in traits.source
    assert "UNVERIFIED" in traits.source


@pytest.mark.parametrize("key", sorted(CM5.to_mapping()))
def test_a_missing_key_is_named(key: str) -> None:
    row = CM5.to_mapping()
    del row[key]
    with pytest.raises(TraitsError, match=f"key {key}: is missing"):
        SomTraits.from_mapping(row)


@pytest.mark.parametrize(
    ("base", "key", "value", "problem"),
    [
        (CM5, "colour", "red", "is not known"),
        (CM5, "line_kind", "toggle", 'must be "level" or "button"'),
        (CM5, "name", " ", "must be a text that is not empty"),
        (CM5, "graceful", 1, "must be true or false"),
        (CM5, "baud", True, "must be a number"),
        (CM5, "baud", 0, "must be a whole number above 0"),
        (CM5, "baud", 9600.5, "must be a whole number above 0"),
        (CM5, "idle_watts", "4", "must be a number"),
        (CM5, "idle_watts", float("nan"), "must be a number"),
        (CM5, "idle_watts", -1, "must be a number of at least 0"),
        (CM5, "boot_rom", "0A5C:2712", 'must be USB ids such as "0a5c:2711", or empty'),
        (CM5, "boot_rom", None, "must be USB ids"),
        (CM5, "press_seconds", 0, "must be above 0 for a button line"),
        (CM5, "force_off_seconds", 1.0, "must be longer than press_seconds"),
        (CM5, "force_off_seconds", None, "needs force_off_seconds"),
        (CM4, "pulse_seconds", 0, "must be above 0 for a level line"),
        (CM4, "graceful", True, "means nothing for a level line"),
        (CM4, "force_off_seconds", 8, "means nothing for a level line"),
        (CM4, "full_watts", 5, "must not fall"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_one_sentence(base: SomTraits, key: str, value: Any, problem: str) -> None:
    with pytest.raises(TraitsError) as caught:
        SomTraits.from_mapping({**base.to_mapping(), key: value})
    assert problem in str(caught.value)
    assert str(caught.value).startswith("SOM type ")


def test_whole_numbers_will_do_where_seconds_and_watts_are_meant() -> None:
    traits = SomTraits.from_mapping({**CM5.to_mapping(), "press_seconds": 1, "peak_watts": 8})
    assert traits == CM5


def test_the_boot_roms_are_those_that_the_vendors_guide_names() -> None:
    ids = {name: traits.boot_rom for name, traits in TRAITS.items()}
    assert ids == {"LM3H": "", "M4N": "", "CM4": "0a5c:2711", "CM5": "0a5c:2712"}
