"""What people record about SOMs, boards and SOM types is kept, checked against what is going on, and on record."""

import json

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from hardware.som import TRAITS, ResetType
from operations import refusals
from operations.models import AuditEntry, OperationState
from slots.models import Basis, Board, Contents, EvidenceKind, Som, SomType
from slots.services import budget, catalogue, power, records
from tests.slots.rig import OFF, ON, SLUG, UNKNOWN, ask, believe, saw, slot, state

CM4, CM5, EMPTY = 2, 3, 7


def som_for(number: int, kind: str = "LM3H", **more: object) -> Som:
    return Som(slot=slot(number), som_type=SomType.objects.get(name=kind), **more)


def detail() -> dict[str, object]:
    return dict(json.loads(AuditEntry.objects.get().text)["detail"])


def test_a_som_that_was_put_in_is_recorded_and_can_be_powered(rows, operator):
    records.save_som(slot(EMPTY), som_for(EMPTY, name="wren", serial_number="S1", emmc_gb=0), operator)
    assert slot(EMPTY).som.name == "wren"
    assert state(EMPTY) == (UNKNOWN, Basis.OBSERVED)
    assert detail()["before"] is None
    assert detail()["after"]["serial_number"] == "S1"
    assert AuditEntry.objects.get().target == "demo/slot:7"
    assert ask(EMPTY, ResetType.PUSH_POWER_BUTTON, operator)


def test_another_som_in_a_slot_inherits_nothing_of_what_was_believed_of_the_old_one(rows, operator):
    believe(CM5, OFF, latched=True, latched_note="held 8.0 s", commanded_at=timezone.now(), contents=Contents.IMAGE)
    saw(CM5, EvidenceKind.UART, "console is silent", False, life_at=timezone.now())
    Som.objects.filter(slot=slot(CM5)).delete()
    records.save_som(slot(CM5), som_for(CM5, "M4N"), operator)
    row = slot(CM5)
    assert (row.power_state, row.basis, row.latched, row.commanded_at) == (UNKNOWN, Basis.OBSERVED, False, None)
    assert row.contents == ""
    assert row.evidence.get(kind="uart").life_at is None


def test_correcting_a_note_about_the_same_som_keeps_its_state(rows, operator):
    believe(CM5, ON)
    som = slot(CM5).som
    som.notes = "second hand"
    records.save_som(slot(CM5), som, operator)
    assert state(CM5) == (ON, Basis.OBSERVED)
    assert (detail()["before"]["notes"], detail()["after"]["notes"]) == ("", "second hand")


def test_a_som_that_was_taken_out_leaves_an_empty_slot(rows, operator):
    believe(CM5, ON)
    records.remove_som(slot(CM5), operator)
    assert not Som.objects.filter(slot=slot(CM5)).exists()
    assert state(CM5) == (UNKNOWN, Basis.OBSERVED)
    assert detail()["before"]["som_type"] == "CM5"
    with pytest.raises(refusals.Conflict, match="No SOM is recorded in slot 3"):
        records.remove_som(slot(CM5), operator)


def test_a_slot_on_which_an_operation_works_keeps_its_som(rows, operator):
    believe(CM5, OFF)
    ask(CM5, ResetType.ON, operator)
    with pytest.raises(refusals.Busy, match="asked for by olga"):
        records.save_som(slot(CM5), som_for(CM5, "M4N"), operator)
    with pytest.raises(refusals.Busy, match="asked for by olga"):
        records.remove_som(slot(CM5), operator)
    assert slot(CM5).som.som_type.name == "CM5"


def test_the_controller_is_never_recorded_as_gone(rows, administrator):
    with pytest.raises(refusals.ControllerSlotProtected):
        records.remove_som(slot(1), administrator)


def test_a_viewer_records_nothing(rows, viewer):
    for act in (
        lambda: records.save_som(slot(EMPTY), som_for(EMPTY), viewer),
        lambda: records.remove_som(slot(CM5), viewer),
        lambda: records.save_board(rows, ["notes"], viewer),
        lambda: records.save_som_type(SomType(name="X"), viewer),
    ):
        with pytest.raises(refusals.NotPermitted):
            act()
    assert not AuditEntry.objects.exists()


def test_what_feeds_a_board_is_an_administrators_word_and_on_record(rows, operator, administrator):
    rows.supply, rows.notes = "poe", "in the attic"
    with pytest.raises(refusals.NotPermitted):
        records.save_board(rows, ["supply", "notes"], operator)
    records.save_board(rows, ["supply", "notes"], administrator)
    assert Board.objects.get().supply == "poe"
    assert detail() == {
        "before": {"supply": "usb-c-60", "notes": ""},
        "after": {"supply": "poe", "notes": "in the attic"},
    }


def test_a_shipped_som_type_is_not_edited_and_a_third_partys_is_used_as_it_is(rows, administrator):
    shipped = SomType.objects.get(name="CM5")
    with pytest.raises(refusals.Conflict, match=r"CM5 is shipped with the portal; add a type of your own\."):
        records.save_som_type(shipped, administrator)
    own = SomType(**{**TRAITS["CM5"].to_mapping(), "name": "Radish", "peak_watts": 11.0})
    records.save_som_type(own, administrator)
    assert (detail().get("before"), detail()["after"]["peak_watts"]) == (None, 11.0)
    Som.objects.filter(slot=slot(CM5)).update(som_type=own)
    believe(CM5, ON)
    assert power.traits_of(slot(CM5)).peak_watts == 11.0
    others = budget.board_budget(rows, rows.slots.exclude(number=CM5)).counted_watts
    assert budget.board_budget(rows, rows.slots.all()).counted_watts == others + 11.0


# What a person says


def test_marking_as_off_makes_it_off_by_a_persons_word_and_is_on_record(rows, operator):
    believe(CM5, UNKNOWN)
    power.mark_off(slot(CM5), operator, "unplugged")
    row = slot(CM5)
    assert (row.power_state, row.basis, row.by) == (OFF, Basis.PERSON, "olga")
    assert row.history.first().words == "Marked as off by olga"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("slot.mark-off", "unplugged")
    assert (detail()["before"]["power_state"], detail()["after"]["power_state"]) == (UNKNOWN, OFF)
    assert ask(CM5, ResetType.ON, operator).state == OperationState.QUEUED


def test_marking_as_off_is_refused_while_the_slot_shows_life(rows, operator):
    believe(CM5, UNKNOWN)
    saw(CM5, EvidenceKind.LINK, "link up, 1 Gb/s", True)
    with pytest.raises(refusals.Conflict, match=r"Slot 3 shows life \(link up, 1 Gb/s\), so it is not off\."):
        power.mark_off(slot(CM5), operator)
    assert state(CM5)[0] == UNKNOWN


def test_marking_as_off_is_refused_to_a_viewer_for_slot_1_for_an_empty_and_for_a_busy_slot(rows, viewer, operator):
    for number, actor, code in [
        (CM5, viewer, "not-permitted"),
        (1, operator, "controller-slot-protected"),
        (EMPTY, operator, "empty-slot"),
    ]:
        with pytest.raises(refusals.Refused) as caught:
            power.mark_off(slot(number), actor)
        assert caught.value.code == code
    believe(CM4, ON)
    ask(CM4, ResetType.FORCE_OFF, operator)
    with pytest.raises(refusals.Busy):
        power.mark_off(slot(CM4), operator)


def test_clearing_a_latch_is_a_persons_word_and_on_record(rows, operator, viewer):
    believe(CM5, OFF, latched=True, latched_note="held 8.0 s by alice")
    with pytest.raises(refusals.NotPermitted):
        power.clear_latch(slot(CM5), viewer)
    power.clear_latch(slot(CM5), operator, "mains was out")
    row = slot(CM5)
    assert (row.latched, row.latched_note) == (False, "")
    assert row.history.first().words == "Latch cleared by olga: the board was without power"
    assert AuditEntry.objects.get().action == "slot.clear-latch"
    with pytest.raises(refusals.Conflict, match=r"Slot 3 is not marked as latched off\."):
        power.clear_latch(slot(CM5), operator)


# What exists before anybody clicks


def test_the_demo_board_comes_with_its_six_soms_and_an_empty_slot(rows):
    soms = {som.slot.number: som.som_type.name for som in Som.objects.select_related("slot", "som_type")}
    assert soms == {1: "LM3H", 2: "CM4", 3: "CM5", 4: "CM5", 5: "M4N", 6: "LM3H"}


def test_the_shipped_types_have_the_figures_of_their_traits(rows):
    assert {row.name: row.traits() for row in SomType.objects.filter(shipped=True)} == TRAITS


def test_reading_the_board_files_again_changes_nothing_that_people_recorded(rows, data_dir, operator):
    Board.objects.update(name="attic", supply="poe")
    records.remove_som(slot(CM5), operator)
    own = SomType.objects.get(name="CM4")
    own.pk, own.name, own.shipped = None, "Radish", False
    own.save()
    SomType.objects.filter(name="CM4").update(peak_watts=99)
    catalogue.sync_boards()
    row = Board.objects.get()
    assert (row.name, row.supply, Som.objects.count()) == ("attic", "poe", 5)
    assert SomType.objects.get(name="CM4").peak_watts == TRAITS["CM4"].peak_watts
    assert SomType.objects.filter(name="Radish").exists()


def test_a_board_whose_file_is_gone_is_kept_but_no_longer_shown(rows, data_dir):
    (data_dir / "boards" / f"{SLUG}.toml").unlink()
    assert catalogue.sync_boards() == []
    assert not Board.objects.get().present


def test_a_real_board_starts_without_soms(rows, data_dir):
    text = (
        '[i2c]\nbus = "/dev/i2c-1"\nexpander = "0x18"\n[slots.3]\nuart = "/dev/serial/by-path/x"\nprobe = "som3:22"\n'
    )
    (data_dir / "boards" / "rack.toml").write_text(text)
    catalogue.sync_boards()
    rack = Board.objects.get(slug="rack")
    assert not rack.simulated
    assert not Som.objects.filter(slot__board=rack).exists()
    assert [(row.number, row.uart, row.probe) for row in rack.slots.all() if row.uart or row.probe] == [
        (3, True, "som3:22")
    ]


def test_a_broken_board_file_is_an_error_of_the_system_check_naming_file_and_key(rows, data_dir):
    assert not [message for message in run_checks() if message.id == "slots.E001"]
    (data_dir / "boards" / "rack.toml").write_text('[i2c]\nexpander = "0x18"\n')
    found = [message.msg for message in run_checks() if message.id == "slots.E001"]
    assert found == [f"Board file {data_dir}/boards/rack.toml, key i2c.bus: is missing."]
