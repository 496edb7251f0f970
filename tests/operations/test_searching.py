"""Which audit entries somebody sees, and which of them words and days find."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from operations import searching
from operations.models import AuditEntry
from operations.rights import Grant, Limits
from operations.roles import Actor
from tests.operations.rig import say

ALICE = Actor("alice", "administrator", 1)
CAROL = Actor("carol", "", 2, grants=(Grant("operator", "b1/slot:3"),))


@pytest.fixture
def story(db) -> dict[str, int]:
    """Acts of alice on many things, each by its target, and two of carol's."""
    targets = (
        "portal",
        "b1",
        "b1/slot:3",
        "b1/uart:3",
        "b1/slot:30",
        "b1/switch",
        "b10/slot:3",
        "person:carol",
        "image:7",
    )
    targets += ("group:b1/slot:3", "group:term 2026/27")  # groups that are called so
    numbers = {target: say("test.act", actor=ALICE, target=target) for target in targets}
    numbers["own sign-in"] = say("sign-in", actor=CAROL, target="portal")
    numbers["own refusal"] = say("power.reset", actor=CAROL, target="b1/slot:4", outcome="refused")
    numbers["a shell's carol"] = say("test.act", actor=Actor("carol", source="cli"), target="portal")
    return numbers


OWN = {"own sign-in", "own refusal"}
ON_SLOT_3 = {"b1/slot:3", "b1/uart:3"}
ON_B1 = {"b1", "b1/slot:3", "b1/uart:3", "b1/slot:30", "b1/switch", "own refusal"}
PAST = timezone.now() - timedelta(days=1)


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (ALICE, None),
        (CAROL, OWN | ON_SLOT_3),
        (Actor("carol", "", 2), OWN),
        (Actor("carol", "", 2, grants=(Grant("viewer", "b1"),)), OWN | ON_B1),
        (Actor("carol", "", 2, grants=(Grant("viewer", "b1", until=PAST),)), OWN),
        (Actor("carol", "viewer", 2), OWN | ON_B1 | {"b10/slot:3", "image:7"}),
        (Actor("dave", "viewer", 3), ON_B1 | {"b10/slot:3", "image:7"}),
        (Actor("dave", "", 3), set()),
        (Actor("", ""), set()),
        (Actor("carol", "viewer", 2, limits=Limits(frozenset({"read"}), ("b1/slot:3",))), OWN | ON_SLOT_3),
        (Actor("carol", "viewer", 2, limits=Limits(frozenset({"power"}), ("*",))), OWN),
        (Actor("alice", "administrator", 1, limits=Limits(frozenset({"read"}), ("b1",))), ON_B1 | {"all of alice's"}),
    ],
)
@pytest.mark.parametrize("narrow", [0, 5000])
def test_people_see_what_they_did_and_what_was_done_to_what_they_may_see(story, actor, seen, narrow, monkeypatch):
    monkeypatch.setattr(searching, "NARROW", narrow)
    found = set(searching.visible(actor).values_list("seq", flat=True))
    if seen is None:
        assert found == set(story.values())
        return
    if "all of alice's" in seen:
        seen = seen - {"all of alice's"} | (set(story) - OWN - {"a shell's carol"})
    assert {name for name, seq in story.items() if seq in found} == seen


def numbers(who: Actor = ALICE, **asked: str) -> list[int]:
    fields = {name.rstrip("_"): value for name, value in asked.items()}
    found = searching.narrowed(searching.visible(who), searching.asked_for(fields))
    return sorted(found.values_list("seq", flat=True))


@pytest.fixture
def words(db) -> None:
    """Entries 1 to 4 with something to find in each of their parts."""
    say("power.reset", actor=Actor("Zoë", address="10.0.0.9"), target="b1/slot:3", reason="swap the SSD")
    say(
        "power.reset",
        target="b1/slot:33",
        detail={"message": "Line 3 is\nstuck \u2014 \u0000 look", "title": "Force off"},
    )
    say("board.edit", target="b2", before={"name": "old-name"}, after={"name": "new_name"})
    say("sign-in", actor=Actor("bob", token="ab12cd34 ci-runner"), target="portal", code="not-permitted")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ssd", [1]),
        ("SWAP ssd", [1]),
        ("ssd swap", [1]),
        ("swa", [1]),
        ("wap", []),
        ("slot:3", [1, 2]),
        ("b1/slot:3 ssd", [1]),
        ("10.0.0.9", [1]),
        ("10.0.0", [1]),
        ("10 9 0", [1]),
        ("0.10", []),
        ("stuck", [2]),
        ("look force", [2]),
        ("old-name", [3]),
        ("new_name", [3]),
        ("old-new", []),
        ("ci-runner", [4]),
        ("not-permitted", [4]),
        ("zo\u00eb", [1]),
        ('"', []),
        ("'; drop table x; --", []),
        ("ssd OR stuck", []),
        ("NEAR(ssd swap)", []),
        ("qq:* & !b | (", []),
        ("\u0000", []),
        ("ssd" * 90, []),
    ],
)
def test_words_find_the_entries_that_have_each_of_them_or_begin_with_it(words, text, found):
    assert numbers(text=text) == found


def test_words_and_other_filters_narrow_together(words):
    assert numbers(text="power", target="b1/slot:3") == [1]
    assert numbers(text="slot", actor="portal", action="power.reset") == [2]
    assert numbers(Actor("carol", "", grants=(Grant("viewer", "b1/slot:33"),)), text="slot") == [2]


@pytest.mark.parametrize("narrow", [0, 5000])
def test_a_target_is_itself_and_what_lies_on_it(story, narrow, monkeypatch):
    monkeypatch.setattr(searching, "NARROW", narrow)

    def found(target: str) -> set[str]:
        return {name for name, seq in story.items() if seq in numbers(target=target)}

    assert found("b1") == ON_B1
    assert found("b1/slot:3") == {"b1/slot:3"}
    assert found("image:7") == {"image:7"}
    assert found("b") == set()
    assert found("b_") == set()
    assert found("B1") == set()
    assert found("%") == set()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL knows how many there are, and plans by it")
def test_a_board_with_few_entries_is_found_by_its_index_and_one_with_many_among_the_numbers(story, monkeypatch):
    def plan(actor: Actor, **asked: str) -> str:
        found = searching.narrowed(searching.visible(actor), searching.asked_for(asked))
        return found.order_by("-seq")[:51].explain()

    bob = Actor("bob", "", 4, grants=(Grant("viewer", "b10"),))
    assert "SCAN" not in plan(ALICE, target="b10") + plan(bob)
    monkeypatch.setattr(searching, "NARROW", 0)
    assert "TEMP B-TREE" not in plan(ALICE, target="b1") + plan(CAROL)


@pytest.mark.parametrize("narrow", [0, 5000])
def test_days_are_whole_both_ends_included_however_many_entries_they_have(story, narrow, monkeypatch):
    monkeypatch.setattr(searching, "NARROW", narrow)
    today, yesterday, tomorrow = (f"{timezone.now() + timedelta(days=days):%Y-%m-%d}" for days in (0, -1, 1))
    everything = sorted(story.values())
    assert numbers(from_=today, to=today) == everything
    assert numbers(from_=yesterday) == everything
    assert numbers(to=tomorrow) == everything
    assert numbers(on=today) == everything
    assert numbers(to=yesterday) == []
    assert numbers(from_=tomorrow) == []
    assert numbers(from_="2026-02-31") == []
    assert numbers(from_="soon") == []


def test_pages_meet_each_other_without_gap_or_overlap(db, monkeypatch):
    monkeypatch.setattr(searching, "PER_PAGE", 3)
    for _ in range(10):
        say()
    entries, shown, before = AuditEntry.objects.all(), [], None
    while True:
        page = searching.page(entries, before=before)
        shown.append([entry.seq for entry in page.entries])
        if page.older is None:
            break
        before = page.older
    assert shown == [[10, 9, 8], [7, 6, 5], [4, 3, 2], [1]]
    assert [entry.seq for entry in searching.page(entries, after=4).entries] == [7, 6, 5]
    assert [entry.seq for entry in searching.page(entries, after=9).entries] == [10, 9, 8]
    assert searching.page(entries, before=1).entries == []


def test_counting_ends_where_nobody_reads_on(db, monkeypatch):
    monkeypatch.setattr(searching, "COUNTED", 3)
    for _ in range(6):
        say()
    assert searching.counted(AuditEntry.objects.all()) == 4
