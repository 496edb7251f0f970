"""What hands are told: complete, honest about what cannot be seen, and true for each kind of reset line."""

import pytest

from flashing import guidance
from flashing.guidance import EndsWith
from flashing.models import Method
from hardware.som import CM4, CM5, LM3H, M4N, TRAITS, SomTraits


def words(method: str, traits: SomTraits, address: str = "1-1.2") -> str:
    return " ".join(
        f"{step.title} {step.text} {step.seen}"
        for step in guidance.steps(method, slot=3, traits=traits, address=address)
    )


@pytest.mark.parametrize("traits", [CM4, CM5], ids=str)
def test_rpiboot_takes_a_word_then_the_boot_rom_then_the_program_then_a_disk(traits: SomTraits) -> None:
    steps = guidance.steps(Method.RPIBOOT, slot=3, traits=traits, address="1-1.2")
    assert [step.ends_with for step in steps] == [
        EndsWith.WORD,
        EndsWith.BOOT_ROM,
        EndsWith.PROGRAM,
        EndsWith.DISK,
    ]
    assert [number for number, step in enumerate(steps, 1) if step.press] == [guidance.HOLD_BOOT]
    assert steps[guidance.AWAIT_BOOT_ROM - 1].ends_with is EndsWith.BOOT_ROM
    assert steps[guidance.FEED - 1].ends_with is EndsWith.PROGRAM
    assert steps[guidance.AWAIT_DISK - 1].ends_with is EndsWith.DISK
    assert traits.boot_rom in steps[guidance.AWAIT_BOOT_ROM - 1].text


def test_a_press_is_told_as_what_it_does_to_that_kind_of_line() -> None:
    assert "held low for 1 s and released: whatever runs on it stops" in words(Method.RPIBOOT, CM4)
    assert "which has to be off, then gets one press of 1 s" in words(Method.RPIBOOT, CM5)


@pytest.mark.parametrize("method", Method.values)
def test_no_step_claims_to_see_a_cable_or_a_button(method: str) -> None:
    for step in guidance.steps(method, slot=3, traits=CM5, address="1-1.2"):
        assert "cable" not in step.seen.lower() or "Neither a cable nor the BOOT button can be seen" in step.seen
        assert not step.press or step.ends_with is EndsWith.WORD


def test_a_simulated_socket_is_named_like_a_real_one() -> None:
    assert words(Method.RPIBOOT, CM5, "sim:/var/lib/x/sim/demo#1-1.3") == words(Method.RPIBOOT, CM5, "1-1.3")
    assert "USB 1-1.3" in words(Method.RPIBOOT, CM5, "1-1.3")


def test_ums_is_all_hands_and_moves_no_line() -> None:
    (step,) = guidance.steps(Method.UMS, slot=1, traits=LM3H, address="1-2")
    assert (step.press, step.ends_with) == (False, EndsWith.DISK)
    assert "no line is pressed" in step.text


def test_ums_in_another_slot_says_where_to_and_what_else() -> None:
    assert "only in slot 1" in guidance.ums_elsewhere(6)
    assert "from slot 6, or write it over the network" in guidance.ums_elsewhere(6)


def test_a_card_is_guided_by_hand_into_a_reader_and_back() -> None:
    (step,) = guidance.steps(Method.DISK, slot=2, traits=CM4, address="1-1.4")
    assert "reader at USB 1-1.4" in step.title
    assert "put it back by hand" in step.text


@pytest.mark.parametrize("method", [Method.FILE, Method.NETWORK])
def test_methods_without_hands_have_no_steps(method: Method) -> None:
    assert guidance.steps(method, slot=2, traits=CM4, address="/x") == ()
    assert guidance.trouble(method) == ()


def test_what_to_try_names_power_only_cables_and_fel() -> None:
    assert "carry power only" in guidance.trouble(Method.RPIBOOT)[0]
    assert any("1f3a:efe8" in line and "does not repair" in line for line in guidance.trouble(Method.UMS))
    assert guidance.trouble(Method.DISK)


def test_what_is_not_supported_says_so_and_what_to_do_instead() -> None:
    missing = guidance.not_supported(M4N)
    assert missing
    assert "AXDL" in missing.why
    assert "not speak yet" in missing.why
    assert "over the network" in missing.instead
    assert [name for name, traits in TRAITS.items() if guidance.not_supported(traits)] == ["M4N"]


def test_a_third_partys_own_tool_is_not_pretended_to_be_known() -> None:
    other = SomTraits.from_mapping({**CM5.to_mapping(), "name": "Radish", "flash_path": "radishctl"})
    missing = guidance.not_supported(other)
    assert missing
    assert "radishctl, which the portal does not know" in missing.why
