"""What people set about serial ports and boot stages, who may, and what the daemon is told of it."""

from datetime import timedelta

import pytest
import redis
from django.conf import settings as portal
from django.core.management import call_command

from consoles import journal
from consoles.models import ConsolePort, StageRule
from consoles.services import live, ports, stages
from consoles.stages import CONTAINS, HALT, KERNEL, LOGIN, PANIC, SHIPPED, Rule
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict, NotFound, NotPermitted
from slots.models import Board, Slot, Som, SomType
from slots.services import catalogue


@pytest.fixture
def board(db) -> Board:
    """A board with serial ports on slots 2 (a CM4) and 3 (nothing)."""
    catalogue.seed_som_types()
    board = Board.objects.create(slug="demo", name="Demo")
    for number in range(1, 8):
        Slot.objects.create(board=board, number=number, uart=number in (2, 3))
    Som.objects.create(slot=slot(2), som_type=SomType.objects.get(name="CM4"))
    return board


def slot(number: int) -> Slot:
    return Slot.objects.select_related("board").get(board__slug="demo", number=number)


def acts() -> list[tuple[str, str]]:
    return [(entry.action, entry.target) for entry in AuditEntry.objects.order_by("seq")]


@pytest.fixture
def told(settings, django_capture_on_commit_callbacks):
    """What the daemon was told: the slots whose settings it is to read, after what is done in the `with`."""

    class Told(list):
        def __enter__(self):
            with redis.Redis.from_url(portal.JOURNAL_URL) as client:
                client.delete(journal.keys_stream("demo"))
            self._commits = django_capture_on_commit_callbacks(execute=True)
            self._commits.__enter__()
            return self

        def __exit__(self, *error):
            self._commits.__exit__(*error)
            with redis.Redis.from_url(portal.JOURNAL_URL) as client:
                for _, entry in client.xrange(journal.keys_stream("demo")):
                    assert entry[b"k"] == b"config"
                    self.append(int(entry[b"s"]))
                client.delete(journal.keys_stream("demo"))

    return Told()


# Ports


def test_a_port_goes_by_its_som_until_somebody_sets_it(board, administrator, told):
    settings = ports.port_settings()
    assert list(settings) == [("demo", 2), ("demo", 3)]
    two, three = settings[("demo", 2)], settings[("demo", 3)]
    assert (two.baud, two.recording, two.quota_bytes, two.retention) == (115200, True, 64 * 2**20, timedelta(days=30))
    assert three.baud == 115200
    SomType.objects.filter(name="CM4").update(baud=1500000)
    assert ports.port_settings()[("demo", 2)].baud == 1500000

    port = ports.port_of(slot(2))
    port.baud, port.recording, port.quota_mib, port.retention_days = 921600, False, 8, 7
    with told:
        ports.save_port(port, administrator)
    assert told == [2]
    two = ports.port_settings()[("demo", 2)]
    assert (two.baud, two.recording, two.quota_bytes, two.retention) == (921600, False, 8 * 2**20, timedelta(days=7))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("console.settings", "demo/uart:2")
    assert '"after":{"baud":921600,"quota_mib":8,"recording":false,"retention_days":7}' in entry.text

    port = ports.port_of(ports.find("demo", 2))
    port.quota_mib = 16
    ports.save_port(port, administrator)
    assert ConsolePort.objects.count() == 1
    assert ports.port_settings()[("demo", 2)].quota_bytes == 16 * 2**20


def test_settings_are_read_in_queries_that_do_not_grow(board, django_assert_max_num_queries):
    with django_assert_max_num_queries(2):
        ports.port_settings()


def test_only_administrators_set_ports_and_rules(board, operator):
    with pytest.raises(NotPermitted):
        ports.save_port(ports.port_of(slot(2)), operator)
    for act in (
        lambda: stages.save_rule(StageRule(stage=KERNEL, text="x"), operator),
        lambda: stages.enable_rule(stages.rules()[0], False, operator),
        lambda: stages.remove_rule(stages.rules()[0], operator),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert acts() == []


def test_a_slot_without_a_serial_port_has_no_settings(board):
    with pytest.raises(NotFound):
        ports.find("demo", 5)
    with pytest.raises(NotFound):
        ports.find("nowhere", 2)


def test_settings_are_kept_though_the_broker_is_away(board, administrator, settings, told):
    settings.JOURNAL_URL = "unix:///nowhere/broker.sock"
    ports.tell_daemon([slot(2)])
    assert live.states("demo", [2])[2].port["reach"] == "broker-away"


# Rules


def test_the_shipped_rules_are_there_once_and_stay_as_they_were_set(db, administrator):
    def there() -> list[Rule]:
        return [Rule(rule.stage, rule.match, rule.text) for rule in stages.rules() if rule.shipped]

    assert there() == list(SHIPPED)
    rule = stages.rules()[0]
    stages.enable_rule(rule, False, administrator)
    StageRule.objects.create(stage=HALT, text="of an older release", shipped=True)
    StageRule.objects.filter(text=SHIPPED[-1].text).delete()
    call_command("migrate", verbosity=0)
    assert there() == list(SHIPPED)
    assert StageRule.objects.get(pk=rule.pk).enabled is False


def test_a_rule_of_ones_own_counts_for_its_type_of_som(board, administrator, told):
    rule = StageRule(som_type=SomType.objects.get(name="CM4"), stage=LOGIN, match="ends", text=" Password: ")
    with told:
        stages.save_rule(rule, administrator)
    assert told == [2, 3]
    settings = ports.port_settings()
    assert Rule(LOGIN, "ends", "Password:") in settings[("demo", 2)].rules
    assert settings[("demo", 3)].rules == SHIPPED
    rule.som_type, rule.text = None, "passwd:"
    stages.save_rule(rule, administrator)
    assert Rule(LOGIN, "ends", "passwd:") in ports.port_settings()[("demo", 3)].rules
    stages.remove_rule(rule, administrator)
    assert ports.port_settings()[("demo", 2)].rules == SHIPPED
    assert acts() == [(f"stage-rule.{act}", "portal") for act in ("add", "change", "remove")]


def test_a_disabled_rule_does_not_count(board, administrator):
    panic = next(rule for rule in stages.rules() if rule.stage == PANIC)
    stages.enable_rule(panic, False, administrator)
    assert PANIC not in [rule.stage for rule in ports.port_settings()[("demo", 2)].rules]


def test_shipped_rules_are_neither_edited_nor_removed(db, administrator):
    rule = stages.rules()[0]
    rule.text = "something else"
    for act in (stages.save_rule, stages.remove_rule):
        with pytest.raises(Conflict, match="shipped with the portal"):
            act(rule, administrator)
    rule.shipped = False
    with pytest.raises(Conflict):
        stages.save_rule(rule, administrator)
    with pytest.raises(Conflict):
        stages.remove_rule(rule, administrator)
    assert [(r.stage, r.match, r.text) for r in stages.rules()] == [(r.stage, r.match, r.text) for r in SHIPPED]


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "\x1b[0m", "x" * 121])
def test_a_text_that_no_line_could_have_is_refused(db, administrator, text):
    with pytest.raises(BadRequest):
        stages.save_rule(StageRule(stage=KERNEL, match=CONTAINS, text=text), administrator)


@pytest.mark.parametrize("field", ["stage", "match"])
def test_a_stage_or_place_that_there_is_not_is_refused(db, administrator, field):
    with pytest.raises(BadRequest):
        stages.save_rule(StageRule(**{"stage": KERNEL, "match": CONTAINS, "text": "x", field: "wrong"}), administrator)
    with pytest.raises(NotFound):
        stages.find_rule(0)
