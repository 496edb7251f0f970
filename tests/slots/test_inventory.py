"""What is seen of a board is kept with its age, and what follows from it is written down."""

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.contracts import ExpanderRegisters, Level
from hardware.som import ResetType
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Basis, Board, Evidence, EvidenceKind, Slot, Som, StateChange
from slots.services import catalogue, inventory, parts, watch
from tests.slots.rig import OFF, ON, POWERING_ON, SCALE, SLUG, UNKNOWN, ask, believe, log, saw, slot, state

CM4, CM5, LM3H = 2, 3, 6
LINK, UART, PROBE, LINE = EvidenceKind.LINK, EvidenceKind.UART, EvidenceKind.PROBE, EvidenceKind.LINE


def evidence(number: int, kind: EvidenceKind) -> Evidence:
    return Evidence.objects.get(slot__number=number, slot__board__slug=SLUG, kind=kind)


def history(number: int) -> list[str]:
    return [change.words for change in StateChange.objects.filter(slot=slot(number)).order_by("pk")]


def long_ago(**fields: object) -> None:
    """As if all evidence had been read a minute of the portal's time ago."""
    Evidence.objects.update(at=timezone.now() - timedelta(seconds=61 / SCALE), **fields)


# Keeping


def test_a_reading_is_kept_with_its_age_its_last_change_and_its_last_sign_of_life(rows):
    first, second, third = (timezone.now() - timedelta(seconds=age) for age in (30, 20, 10))
    saw(CM5, LINK, "link up, 1 Gb/s", True, at=first)
    saw(CM5, LINK, "link up, 1 Gb/s", True, at=second)
    row = evidence(CM5, LINK)
    assert (row.at, row.changed_at, row.life_at) == (second, first, second)
    saw(CM5, LINK, "link down", False, at=third)
    row = evidence(CM5, LINK)
    assert (row.value, row.life, row.at, row.changed_at, row.life_at) == ("link down", False, third, third, second)
    assert Evidence.objects.count() == 1


def test_a_console_tells_when_it_printed_last_apart_from_when_it_was_read(rows):
    printed, read = timezone.now() - timedelta(seconds=50), timezone.now()
    saw(CM5, UART, "console is silent", False, at=read, life_at=printed)
    assert (evidence(CM5, UART).at, evidence(CM5, UART).life_at) == (read, printed)


@pytest.mark.parametrize(
    ("inputs", "configuration", "words"),
    [
        (0x08, 0xF7, "released, reads high"),
        (0x00, 0xF7, "held low"),
        (0x08, 0xFF, "not driven, reads high"),
        (0x00, 0xFF, "not driven, reads low"),
    ],
)
def test_a_line_is_said_with_its_direction_and_level(inputs, configuration, words):
    registers = ExpanderRegisters(inputs=inputs, outputs=0, polarity=0, configuration=configuration)
    assert inventory.line_words(registers, 3) == words


def test_the_history_of_a_slot_keeps_the_newest_steps_only(rows, monkeypatch):
    monkeypatch.setattr(inventory, "HISTORY_KEPT", 5)
    for number in range(120):
        inventory.note(slot(CM5), ON, Basis.OBSERVED, f"step {number}")
    kept = history(CM5)
    assert len(kept) < 60
    assert kept[-1] == "step 119"


# Reading the board


def test_links_are_read_from_the_switch_and_become_evidence(board):
    board.turn_on(CM4)
    watch.read_links()
    assert (evidence(CM4, LINK).value, evidence(CM4, LINK).life) == ("link up, 1 Gb/s", True)
    assert (evidence(CM5, LINK).value, evidence(CM5, LINK).life_at) == ("link down", None)
    assert evidence(1, LINK).value == "link up, 100 Mb/s"
    assert Board.objects.get().uplink_mbps == 1000


def test_a_switch_port_that_is_off_says_nothing_of_the_som_behind_it(board):
    """It would be taken for off, and the press that is to switch it on would switch it off."""
    board.turn_on(CM4)
    watch.read_links()
    switch, port = parts.hardware("demo").switch, parts.spec("demo").slots[CM4].port
    switch.set_port_enabled(port, False)
    watch.read_links()
    assert (evidence(CM4, LINK).value, evidence(CM4, LINK).life) == ("switch port is off", None)
    assert (evidence(CM5, LINK).value, evidence(CM5, LINK).life) == ("link down", False)
    switch.set_port_enabled(port, True)
    watch.read_links()
    assert evidence(CM4, LINK).value.startswith("link ")


def test_a_switch_that_does_not_answer_is_said_and_its_readings_grow_old(board):
    watch.read_links()
    before = evidence(CM4, LINK).at
    board.ctl("fault", "nack", "switch")
    watch.read_links()
    assert "0x5C" in Board.objects.get().switch_problem
    assert evidence(CM4, LINK).at == before
    board.ctl("clear")
    watch.read_links()
    assert Board.objects.get().switch_problem == ""


def test_a_reading_that_says_the_same_is_written_seldom_and_one_that_differs_at_once(board):
    watch.read_links()
    before = evidence(CM4, LINK).at
    watch.read_links()
    assert evidence(CM4, LINK).at == before
    board.turn_on(CM4)
    watch.read_links()
    assert evidence(CM4, LINK).life is True
    Evidence.objects.update(at=timezone.now() - inventory.REFRESH / SCALE)
    watch.read_links()
    assert timezone.now() - evidence(CM4, LINK).at < inventory.REFRESH / SCALE


def test_the_lines_are_read_from_the_expander_and_become_evidence(board, me, operator):
    watch.check_boards()
    assert {evidence(n, LINE).value for n in range(1, 8)} == {"not driven, reads high"}
    assert board.moves() == [], "looking moves nothing"
    parts.hardware(SLUG).expander.drive(CM4, Level.LOW)
    watch.check_boards()
    assert evidence(CM4, LINE).value == "held low"
    parts.hardware(SLUG).expander.drive(CM4, Level.HIGH)


def test_an_expander_that_does_not_answer_is_said_on_its_board_until_it_does(board, me):
    board.ctl("fault", "nack", "expander")
    watch.check_boards()
    assert "0x18" in Board.objects.get().problem
    board.ctl("clear")
    watch.check_boards()
    row = Board.objects.get()
    assert row.problem == ""
    assert row.checked_at is not None


def test_a_board_that_is_away_does_not_keep_another_from_being_read(board, me, data_dir):
    away = (data_dir / "boards" / "demo.toml").read_text().replace("i2c.sock", "nowhere.sock")
    (data_dir / "boards" / "attic.toml").write_text(away)
    parts.forget()
    catalogue.sync_boards()
    watch.check_boards()
    watch.read_links()
    assert "no simulated board answers" in Board.objects.get(slug="attic").problem
    assert Board.objects.get(slug="demo").problem == ""
    assert evidence(1, LINK).life is True


# Probing


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def probe(port: int, host: str = "127.0.0.1") -> Evidence:
    Slot.objects.filter(number=CM5).update(probe=f"{host}:{port}")
    inventory.probe(slot(CM5))
    return evidence(CM5, PROBE)


def test_a_probe_that_is_answered_is_a_sign_of_life(rows, listening):
    row = probe(listening)
    assert (row.value, row.life) == (f"127.0.0.1:{listening} answers", True)


def test_a_probe_that_is_refused_is_a_sign_of_life_too(rows):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    row = probe(closed)
    assert (row.value, row.life) == (f"127.0.0.1:{closed} refuses, so a system is up", True)


def test_a_probe_that_nobody_answers_is_none(rows, monkeypatch):
    monkeypatch.setattr(inventory, "PROBE_SECONDS", 0.1)

    def nobody(*args: object, **more: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", nobody)
    assert (probe(22).value, evidence(CM5, PROBE).life) == ("127.0.0.1:22 does not answer", False)


def test_a_name_that_cannot_be_resolved_is_no_answer(rows, monkeypatch):
    def unknown(*args: object, **more: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "create_connection", unknown)
    assert probe(22, host="nowhere.invalid").life is False


@pytest.mark.django_db(transaction=True)
def test_all_addresses_of_all_slots_are_probed_side_by_side(rows, listening, monkeypatch):
    Slot.objects.filter(number__in=[CM4, CM5]).update(probe=f"127.0.0.1:{listening}")
    watch.probe()
    assert [evidence(number, PROBE).life for number in (CM4, CM5)] == [True, True]
    assert Evidence.objects.count() == 2


# What follows


def test_evidence_upgrades_what_was_commanded_and_the_history_says_after_how_long(rows):
    believe(CM5, POWERING_ON, Basis.COMMANDED, commanded_at=timezone.now() - timedelta(seconds=0.1))
    saw(CM5, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    assert state(CM5) == (ON, Basis.OBSERVED)
    assert history(CM5) == ["Observed On after 60 s"]


def test_a_contradiction_is_kept_with_its_time_and_goes_when_it_is_resolved(rows):
    believe(CM4, OFF, Basis.COMMANDED, commanded_at=timezone.now() - timedelta(seconds=10))
    saw(CM4, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    watch.observe()
    row = slot(CM4)
    assert row.contradiction == "commanded Off, link still up, 1 Gb/s"
    assert row.contradiction_at is not None
    assert history(CM4) == ["Contradiction: commanded Off, link still up, 1 Gb/s"]
    saw(CM4, LINK, "link down", False)
    watch.observe()
    row = slot(CM4)
    assert (row.power_state, row.basis, row.contradiction, row.contradiction_at) == (OFF, Basis.OBSERVED, "", None)


def test_an_observed_state_lapses_to_unknown_when_nothing_is_read_any_more(rows):
    believe(CM4, ON)
    saw(CM4, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    assert state(CM4) == (ON, Basis.OBSERVED)
    long_ago(life_at=timezone.now() - timedelta(seconds=61 / SCALE))
    watch.observe()
    assert state(CM4) == (UNKNOWN, Basis.OBSERVED)
    assert history(CM4) == ["Unknown: nothing shows any more what it is"]


def test_an_on_of_which_nothing_can_be_seen_stays_commanded_and_the_history_says_so(rows):
    began = timezone.now() - timedelta(seconds=200 / SCALE)
    believe(CM5, POWERING_ON, Basis.COMMANDED, commanded_at=began)
    watch.observe()
    assert state(CM5) == (ON, Basis.COMMANDED)
    assert history(CM5) == ["Taken to be On: nothing shows whether it is"]


def test_a_slot_on_which_an_operation_works_is_left_to_it(rows, operator):
    believe(CM5, OFF)
    operation = ask(CM5, ResetType.ON, operator)
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.RUNNING)
    saw(CM5, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    assert state(CM5) == (OFF, Basis.OBSERVED)
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.SUCCEEDED)
    watch.observe()
    assert state(CM5) == (ON, Basis.OBSERVED)


def test_a_belief_that_changed_in_between_is_not_overwritten(rows):
    believe(CM5, UNKNOWN)
    before = inventory.belief_of(slot(CM5))
    as_read = slot(CM5)
    saw(CM5, LINK, "link up, 1 Gb/s", True)
    after = inventory.assess(before, inventory.readings_of(Evidence.objects.all()), timezone.now())
    believe(CM5, OFF, Basis.PERSON)
    inventory._adopt(as_read, before, after)
    assert state(CM5) == (OFF, Basis.PERSON)
    assert history(CM5) == []


def test_a_latched_som_that_is_seen_on_is_latched_no_more(rows):
    believe(CM5, OFF, latched=True, latched_note="held 8.0 s by alice")
    saw(CM5, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    assert not slot(CM5).latched
    assert slot(CM5).latched_note == ""


def test_an_empty_slot_has_no_state_to_follow(rows):
    Som.objects.filter(slot__number=CM5).delete()
    saw(CM5, LINK, "link up, 1 Gb/s", True)
    watch.observe()
    assert state(CM5)[0] == UNKNOWN


# The board's power


def test_a_loss_of_power_makes_everything_unknown_ends_what_runs_and_is_on_record_once(board, me, operator):
    expander = parts.hardware(SLUG).expander
    expander.drive(CM4, Level.LOW)
    believe(CM4, OFF, Basis.COMMANDED, line_low=True)
    believe(CM5, OFF, latched=True)
    believe(LM3H, ON)
    operation = ask(LM3H, ResetType.FORCE_OFF, operator)
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.RUNNING)
    board.ctl("mains-cycle")
    for _ in range(2):
        watch.check_boards()
    assert {(row.power_state, row.latched, row.line_low) for row in Slot.objects.all()} == {(UNKNOWN, False, False)}
    ended = Operation.objects.get()
    assert (ended.state, ended.message) == (OperationState.INTERRUPTED, "The board lost power. It is not repeated.")
    assert log(ended) == ["Interrupted. The board lost power. It is not repeated."]
    entry = AuditEntry.objects.get(action="board.power-lost")
    assert (entry.actor, entry.target, entry.outcome) == ("portal", SLUG, "noticed")
    assert Board.objects.get().power_lost_at is not None
    assert history(CM4)[-1] == "The board lost power"
    assert history(7) == []


def test_a_board_that_never_was_driven_has_not_lost_power(board, me):
    board.ctl("mains-cycle")
    watch.check_boards()
    assert not AuditEntry.objects.exists()
    assert Board.objects.get().power_lost_at is None
    assert Board.objects.get().power_loss_visible
